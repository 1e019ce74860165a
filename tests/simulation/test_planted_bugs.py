"""Eight bugs are planted, one at a time, and the simulated world finds each of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tminus.domain.launch import event as ev
from tminus.domain.launch.alarm import AlarmEvent, Alarms
from tminus.domain.launch.command import ExpelSlot, StopSlot
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Limit
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.alerting import Course, Finding, alarms_of
from tminus.domain.watch.measured import Watched
from tminus.engine.decide import alarm, watch
from tminus.engine.decide.launch import checking, ending, progress
from tminus.engine.decide.launch.effort import keyed
from tminus.engine.decide.launch.protection import trial_route
from tminus.engine.decide.launch.turn import Turn
from tminus.engine.decide.step import Keyed, Observation, Step
from tminus.engine.drive import Driver
from tminus.testing.sim import run_world
from tminus.testing.world.fakes import FakeRouter
from tminus.testing.world.scenario import Scenario
from tminus.testing.world.world import World

MOST_WORLDS = 2_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def first_violation(make: Callable[[int, Scenario], World] = World) -> tuple[int, str]:
    """How many worlds it took, and what was violated there."""
    for seed in range(MOST_WORLDS):
        result = run_world(seed, make)
        if result.violation:
            return seed + 1, result.violation
    pytest.fail(f"the planted bug was not found in {MOST_WORLDS} worlds")


def test_a_route_that_is_not_read_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(turn: Turn) -> bool:
        state = turn.state
        sent = any(
            key.startswith(f"{state.phase.value}:write-route:{state.generation}") for key in state.commands
        )
        if not state.confirmed and sent:
            turn.record(ev.RouteConfirmed(trial_route(state).text()))
        return turn.state.confirmed

    monkeypatch.setattr(progress, "_confirm", believe)
    _, violation = first_violation()
    assert "confirmed" in violation or "no end" in violation


def test_a_slot_stopped_before_it_is_drained_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(state: LaunchState, seen: Observation, leaving: Slot, staying: Slot | None) -> list[Keyed]:
        del staying
        reading, slot = seen.route_reading, seen.slot(leaving)
        if reading is None or slot is None:
            return []
        if leaving in reading.admitted:
            return [keyed(state, ExpelSlot(leaving))]
        return [] if slot.down else [keyed(state, StopSlot(leaving))]

    monkeypatch.setattr(ending, "removal", hasty)
    _, violation = first_violation()
    assert "in flight" in violation


@pytest.mark.parametrize("weighed", [False, True], ids=["windows", "evidence"])
def test_an_inconclusive_verdict_that_promotes_is_caught(
    monkeypatch: pytest.MonkeyPatch, weighed: bool
) -> None:

    def lenient(turn: Turn) -> None:
        judged = turn.observation.judged
        if judged.safe.outcome is Outcome.INCONCLUSIVE:
            passed = Verdict(judged.safe.subject, Outcome.PASS, judged.safe.why)
            object.__setattr__(judged, "safe", passed)
        original(turn)

    original = progress._FORWARD[Phase.CUTOVER]
    monkeypatch.setitem(progress._FORWARD, Phase.CUTOVER, lenient)
    _, violation = first_violation(lambda seed, drawn: World(seed, replace(drawn, weighed=weighed)))
    assert "gate" in violation


def test_a_router_that_accepts_a_stale_epoch_is_caught() -> None:
    class Unfenced(FakeRouter):
        def _fence(self, route: Route) -> None:
            del route

    class UnfencedWorld(World):
        router_class = Unfenced

    _, violation = first_violation(UnfencedWorld)
    assert "one writer" in violation


def test_a_rollback_that_is_journalled_before_it_acts_is_caught() -> None:
    class Bureaucrat(Driver):
        def _protect(self, step: Step) -> list[ev.Event]:
            if not self._record([], self._ports.clock.now_ms()):
                return []
            return super()._protect(step)

        def _flush(self) -> bool:
            return super()._flush() if self._unwritten else self._disk_takes_events()

        def _disk_takes_events(self) -> bool:
            return not self._ports.journal._faults.disk_full  # type: ignore[attr-defined]  # a port with faults in front

    class BureaucratWorld(World):
        driver_class = Bureaucrat

    _, violation = first_violation(BureaucratWorld)
    assert "rollback decided" in violation


def test_a_metric_that_nobody_heeds_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def calm(limit: Limit, watched: Watched) -> Verdict:
        del watched
        return Verdict(limit.name, Outcome.PASS, "all is well")

    monkeypatch.setattr(watch, "judge_measured", calm)
    _, violation = first_violation()
    assert "metric" in violation


def test_an_alert_that_is_told_again_and_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(found: Finding, course: Course, alarms: Alarms) -> Iterator[AlarmEvent]:
        del alarms
        return alarms_of(found, course, Alarms())

    monkeypatch.setattr(alarm, "alarms_of", forgetful)
    _, violation = first_violation()
    assert "fires twice" in violation


def test_a_missed_look_that_is_told_before_it_is_due_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    due_ms = alarm.look_due_ms

    def early(state: LaunchState) -> int | None:
        found = due_ms(state)
        return None if found is None else found - 500

    monkeypatch.setattr(alarm, "look_due_ms", early)
    _, violation = first_violation()
    assert "looks were due" in violation


def test_a_gate_that_opens_without_its_checks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "is_open", lambda verdicts: True)
    _, violation = first_violation()
    assert "gate: staging began with 1 of 2 checks: sim/probed" in violation


def test_without_a_planted_bug_nothing_is_violated() -> None:
    found = [(seed, r.violation) for seed in range(300) if (r := run_world(seed)).violation]
    assert found == []
