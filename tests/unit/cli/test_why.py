"""`tminus why`: the answer at some moments of simulated launches, in full text."""

from collections.abc import Callable

import pytest

from tests.golden.log.worlds import ToldWorld, world
from tminus.cli.why import explain, why_json, why_text
from tminus.domain.launch.phase import Phase
from tminus.engine.drive import Tick
from tminus.ports.journal import Lease, Order
from tminus.testing.world.world import LAUNCH


def at(phase: Phase, name: str = "good", after_ms: int = 0) -> ToldWorld:
    """The world that long after it went into the phase; its driver does not act any more."""

    def reached(tick: Tick) -> bool:
        waited_ms = tick.observation.now_ms - tick.state.entered_ms
        return tick.state.phase is phase and waited_ms >= after_ms

    return world(name, reached)


def held_by(told: ToldWorld, for_ms: int = 5_000) -> Lease:
    return Lease(LAUNCH, "host:17", 1, told.clock.now_ms() + for_ms)


def answer(told: ToldWorld, lease: Callable[[ToldWorld], Lease | None] = held_by) -> list[str]:
    return why_text(explain(told.ports, LAUNCH, lease(told))).splitlines()


def test_a_step_is_explained_by_its_evidence_and_deadline() -> None:
    shown = answer(at(Phase.CUTOVER, after_ms=1_000))
    assert shown[0] == "sim 2.0.0 in production (w)"
    assert shown[1].startswith("phase       cutover since 2023-11-14 22:13:")
    assert shown[2].startswith("waiting for evidence at 10 % on green: error rate on green: 0 of ")
    assert shown[3].startswith("since       2023-11-14 22:13:")
    assert shown[4].startswith("then        hold, at 2023-11-14 22:13:")
    assert shown[5] == "to go on    tminus rollback"
    assert shown[6].startswith("driven by   host:17, claimed until 2023-11-14 22:13:")
    assert shown[7:9] == ["", "Last decisions"]
    assert [row.split("  ")[2] for row in shown[9:]] == [
        "entered staging: ready",
        "entered cutover: the candidate is up, smoke-tested and known to the router",
        "gave the candidate 10 % of the traffic",
    ]


def test_looking_changes_neither_the_journal_nor_the_samples_nor_the_world() -> None:
    told = at(Phase.BAKING, after_ms=1_000)

    def everything() -> object:
        journal, physics = told.journal, told.physics
        return (
            len(journal.read(LAUNCH)),
            list(journal.samples(LAUNCH, 0)),
            physics.memory and physics.memory.route,
            physics.memory and dict(physics.memory.leases),
            told.jobs.running,
            {slot: place.digest for slot, place in physics.places.items()},
        )

    before = everything()
    told.clock.wait_ms(0)
    answer(told)
    assert everything() == before


def test_a_launch_that_nobody_drives_says_that_nothing_happens_by_itself() -> None:
    told = at(Phase.CUTOVER, after_ms=1_000)
    shown = answer(told, lambda _: None)
    assert shown[6:9] == [
        "driven by   NOBODY",
        "            nothing of the above happens by itself; run `tminus agent`, or `tminus launch --resume`",
        "            the router goes back to blue by itself when its lease lapses",
    ]


def test_a_claim_that_has_lapsed_is_nobodys() -> None:
    shown = answer(at(Phase.BAKING), lambda told: held_by(told, -2_000))
    assert any(
        row.startswith("driven by   NOBODY: the claim of host:17 lapsed") and "(2.0s ago)" in row
        for row in shown
    )


def test_a_hold_says_whose_and_how_to_lift_it() -> None:
    shown = answer(at(Phase.CUTOVER, "held", after_ms=2_500))
    assert "waiting for somebody to lift the hold of someone: because" in shown
    assert "to go on    tminus resume, or tminus abort" in shown
    assert any(row.startswith("then        rollback, at ") for row in shown)


def test_a_router_that_cannot_be_read_is_said_to_be() -> None:
    told = at(Phase.CUTOVER, after_ms=1_000)
    told.physics.memory = None
    assert "CANNOT READ the router: the router does not answer [router-down]" in answer(told)


def test_an_order_that_was_not_taken_yet_is_shown_and_left_to_the_driver() -> None:
    told = at(Phase.BAKING, after_ms=1_000)
    told.journal.post(LAUNCH, Order("1", "hold", "anna", "lunch", told.clock.now_ms()))
    assert any(row.startswith("ordered     hold by anna at ") for row in answer(told))
    assert len(told.journal.orders(LAUNCH)) == 1


def test_a_transition_that_is_due_is_left_to_the_driver_and_said() -> None:
    told = at(Phase.COUNTDOWN, after_ms=2_750)
    told.clock.wait_ms(5_000)
    # The last task has ended meanwhile; whoever drives would go on at once.
    shown = answer(told)
    assert shown[2:4] == ["waiting for whoever drives it to look again", "then        staging: ready"]


@pytest.mark.parametrize("name", ["good", "rolled-back", "scrubbed"])
def test_a_launch_that_has_ended_waits_for_nothing(name: str) -> None:
    told = world(name)
    shown = answer(told, lambda _: None)
    assert shown[2].startswith("waiting for nothing: the launch is ")
    assert not any("driven by" in row for row in shown)


def test_machines_get_the_same() -> None:
    told = at(Phase.CUTOVER, after_ms=1_000)
    found = why_json(explain(told.ports, LAUNCH, held_by(told)))
    assert found["phase"] == "cutover"
    assert found["driven"] is True
    assert found["ended"] is False
    assert found["waiting"]["then"] == "hold"
    assert len(found["decisions"]) == 3
