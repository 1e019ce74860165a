"""The cutover: each step is confirmed by the router and passed by evidence before the next one is taken."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    ENTERED_MS,
    FAIL,
    GENERATION,
    NO_ANSWER,
    NOW_MS,
    PASS,
    STABLE,
    UNSURE,
    a_plan,
    a_router,
    held,
    launch,
    on_target,
    phases,
    route_of,
    safe,
    sent,
    step,
    why,
)
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.plan.plan import OnInconclusive, Shift
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.engine.decide.launch.bounds import CONFIRM_DEADLINE_MS

pytestmark = pytest.mark.req("R6")

SHIFT = Shift()
CUTOVER = launch(Phase.CUTOVER)
RIPE_MS = ENTERED_MS + SHIFT.step_min_ms  # the first step has lasted long enough
OLD_COMMANDS = {"staging:admit-slot:green": sent(cmd.AdmitSlot(CANDIDATE), last_ms=NOW_MS - 3_600_000)}
UNCONFIRMED = launch(
    Phase.CUTOVER,
    confirmed=False,
    tried=False,
    entered_ms=NOW_MS,
    step_ms=NOW_MS,
    commands=OLD_COMMANDS,
)


def resting(**changes: object) -> RouterReading:
    """The router as it was before the trial."""
    rest = Route(STABLE, generation=GENERATION, epoch=12)
    return replace(a_router(CUTOVER), route=rest, committed=rest, **changes)  # type: ignore[arg-type]  # named fields


def test_the_route_of_the_step_is_written() -> None:
    decided = step(UNCONFIRMED, router=resting())
    assert [entry.command for entry in decided.commands] == [
        cmd.WriteRoute(Route(STABLE, CANDIDATE, 1_000, Watch.SHORT, GENERATION + 1, 12))
    ]


def test_a_route_that_is_read_back_is_confirmed() -> None:
    decided = step(UNCONFIRMED)
    assert decided.events == (ev.RouteConfirmed("blue 90 %, green 10 %"),)


@pytest.mark.parametrize("share_bp", [999, 10_000], ids=["a smaller share", "a larger share"])
def test_another_share_does_not_confirm(share_bp: int) -> None:
    router = a_router(CUTOVER, route=replace(route_of(CUTOVER), candidate_bp=share_bp))
    assert not step(UNCONFIRMED, router=router).state.confirmed


def test_a_route_is_confirmed_whoever_wrote_it() -> None:
    router = a_router(CUTOVER, route=replace(route_of(CUTOVER), epoch=11))
    assert step(UNCONFIRMED, router=router).state.confirmed


def test_a_launch_that_comes_out_of_a_long_wait_has_time_to_confirm_its_route() -> None:
    assert phases(step(UNCONFIRMED, router=resting())) == []


@pytest.mark.parametrize("router", [resting(), NO_ANSWER], ids=["another route", "no answer"])
def test_a_route_that_is_not_confirmed_in_time_rolls_back(router: RouterReading) -> None:
    decided = [
        step(UNCONFIRMED, router=router, now_ms=NOW_MS + CONFIRM_DEADLINE_MS + late_ms) for late_ms in (0, 1)
    ]
    assert [phases(each)[:1] for each in decided] == [[], [Phase.ROLLING_BACK]]
    assert decided[1].state.phase_why == "the router does not confirm the route it was given"


def test_a_confirmed_route_is_not_written_again() -> None:
    assert step(CUTOVER).commands == ()


def test_the_next_step_is_taken_on_a_passing_verdict() -> None:
    decided = step(CUTOVER, now_ms=RIPE_MS, judged=safe(PASS))
    assert decided.events == (
        ev.VerdictReached("10 %", Outcome.PASS, "all is well"),
        ev.StepTaken(1, 5_000),
    )


def test_a_step_lasts_its_shortest_time_however_good_its_evidence() -> None:
    assert step(CUTOVER, now_ms=RIPE_MS - 1, judged=safe(PASS)).events == ()


@pytest.mark.parametrize("verdict", [UNSURE, FAIL])
def test_without_a_passing_verdict_no_step_is_taken(verdict: Verdict) -> None:
    assert step(CUTOVER, now_ms=RIPE_MS, judged=safe(verdict)).events == ()


def test_a_step_whose_evidence_took_long_gives_the_next_one_time_to_be_confirmed() -> None:
    late_ms = ENTERED_MS + SHIFT.step_deadline_ms - 1
    decided = step(launch(Phase.CUTOVER, commands=OLD_COMMANDS), now_ms=late_ms, judged=safe(PASS))
    assert (decided.state.step, decided.state.phase) == (1, Phase.CUTOVER)


@pytest.mark.parametrize("verdict", [UNSURE, FAIL])
def test_evidence_that_does_not_suffice_by_the_deadline_holds(verdict: Verdict) -> None:
    due_ms = ENTERED_MS + SHIFT.step_deadline_ms
    decided = [step(CUTOVER, now_ms=now_ms, judged=safe(verdict)) for now_ms in (due_ms - 1, due_ms)]
    assert [each.state.hold is not None for each in decided] == [False, True]
    assert decided[1].state.phase is Phase.CUTOVER


def test_evidence_that_does_not_suffice_rolls_back_where_the_plan_says_so() -> None:
    plan = a_plan(on_inconclusive=OnInconclusive.ROLLBACK)
    due_ms = ENTERED_MS + SHIFT.step_deadline_ms
    decided = step(launch(Phase.CUTOVER, plan=plan), now_ms=due_ms, judged=safe(UNSURE))
    assert why(decided) == "no passing verdict by the deadline: too few to judge"


def test_the_last_step_leads_to_verification() -> None:
    last = launch(Phase.CUTOVER, step=2)
    decided = step(last, now_ms=RIPE_MS, judged=safe(PASS))
    assert decided.events == (
        ev.VerdictReached("100 %", Outcome.PASS, "all is well"),
        ev.PhaseEntered(Phase.VERIFYING, "green has all traffic"),
    )


def test_a_held_cutover_takes_no_step() -> None:
    held_state = launch(Phase.CUTOVER, hold=held(expires_ms=RIPE_MS + 1))
    assert step(held_state, now_ms=RIPE_MS, judged=safe(PASS)).events == ()


def test_targets_are_not_asked_of_a_step() -> None:
    decided = step(CUTOVER, now_ms=RIPE_MS, judged=on_target(UNSURE))
    assert decided.state.step == 1


def test_a_new_driver_claims_the_router_before_it_goes_on() -> None:
    reading = a_router(CUTOVER, route=replace(route_of(CUTOVER), epoch=11))
    decided = step(CUTOVER, router=reading)
    assert [(e.key, e.command) for e in decided.commands] == [
        ("cutover:write-route:claim-12", cmd.WriteRoute(route_of(CUTOVER)))
    ]


def test_a_write_that_the_router_refused_rolls_back() -> None:
    attempt = sent(cmd.WriteRoute(route_of(CUTOVER)), performed=False, refused=True, code="no", why="never")
    state = launch(Phase.CUTOVER, confirmed=False, tried=False, commands={"cutover:write-route:5-0": attempt})
    decided = step(state, router=resting())
    assert decided.state.phase_why == "could not route blue 90 %, green 10 %: never [no]"


def test_a_first_launch_commits_its_only_step() -> None:
    state = launch(Phase.CUTOVER, first=True, confirmed=False, tried=False)
    router = a_router(state, route=Route(None, generation=GENERATION, epoch=12), committed=Route(None))
    decided = step(state, router=router)
    assert [entry.command for entry in decided.commands] == [
        cmd.CommitRoute(Route(CANDIDATE, generation=GENERATION + 1, epoch=12))
    ]


def test_a_route_that_the_router_does_not_carry_out_is_not_confirmed() -> None:
    state = launch(Phase.CUTOVER, first=True, confirmed=False, tried=False)
    router = a_router(state, distrust=Distrust.DOWN)
    assert not step(state, router=router).state.confirmed
