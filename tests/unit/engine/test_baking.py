"""The bake: the candidate has everything, the patient watch is confirmed, evidence must pass once more."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    ENTERED_MS,
    FAIL,
    NOW_MS,
    PASS,
    STABLE,
    UNSURE,
    a_router,
    held,
    launch,
    route_of,
    safe,
    sent,
    step,
    why,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob, WriteRoute
from tminus.domain.launch.judged import Judged
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import Shift
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.engine.decide.launch.bounds import CONFIRM_DEADLINE_MS

pytestmark = pytest.mark.req("R20")

FOR_MS = 3_600_000
DONE_MS = ENTERED_MS + FOR_MS
OVERDUE_MS = DONE_MS + Shift().step_deadline_ms
BAKING = launch(Phase.BAKING)
SHORT = a_router(BAKING, route=replace(route_of(BAKING), watch=Watch.SHORT))
NEW_BAKE = launch(
    Phase.BAKING,
    confirmed=False,
    entered_ms=NOW_MS,
    step_ms=NOW_MS - 600_000,
    commands={
        "verifying:start-job:critical-paths": sent(StartJob("c", "smoke", {}, 1), last_ms=NOW_MS - 600_000)
    },
)


def test_the_patient_watch_is_written() -> None:
    decided = step(NEW_BAKE, router=SHORT)
    assert [entry.command for entry in decided.commands] == [
        WriteRoute(Route(STABLE, CANDIDATE, 10_000, Watch.PATIENT, 5, 12))
    ]


def test_a_bake_after_a_long_verification_has_time_to_confirm_its_route() -> None:
    assert step(NEW_BAKE, router=SHORT).state.phase is Phase.BAKING


def test_a_patient_watch_that_is_not_confirmed_in_time_rolls_back() -> None:
    decided = step(NEW_BAKE, router=SHORT, now_ms=NOW_MS + CONFIRM_DEADLINE_MS + 1)
    assert why(decided) == "the router does not confirm the route it was given"


def test_a_bake_whose_limits_held_is_promoted() -> None:
    decided = step(BAKING, now_ms=DONE_MS, judged=safe(PASS))
    assert decided.events == (
        ev.VerdictReached("bake", Outcome.PASS, "all is well"),
        ev.PhaseEntered(Phase.PROMOTING, "baked"),
    )


def test_a_bake_lasts_its_hour_however_good_its_evidence() -> None:
    assert step(BAKING, now_ms=DONE_MS - 1, judged=safe(PASS)).events == ()


@pytest.mark.parametrize("verdict", [UNSURE, FAIL])
def test_a_bake_without_a_passing_verdict_is_not_promoted(verdict: Verdict) -> None:
    assert step(BAKING, now_ms=DONE_MS, judged=safe(verdict)).events == ()


def test_a_bake_that_was_not_confirmed_is_not_promoted() -> None:
    state = launch(Phase.BAKING, confirmed=False)
    assert step(state, router=SHORT, now_ms=DONE_MS, judged=safe(PASS)).state.phase is not Phase.PROMOTING


def test_a_bake_without_a_verdict_holds_in_the_end() -> None:
    decided = [step(BAKING, now_ms=at_ms, judged=safe(UNSURE)) for at_ms in (OVERDUE_MS - 1, OVERDUE_MS)]
    assert [each.state.hold is not None for each in decided] == [False, True]


def test_a_held_bake_does_not_end() -> None:
    state = launch(Phase.BAKING, hold=held(expires_ms=DONE_MS + 1))
    assert step(state, now_ms=DONE_MS, judged=safe(PASS)).events == ()


@pytest.mark.parametrize(("age_ms", "taken"), [(1_799_999, False), (1_800_000, True)])
def test_a_bake_is_read_every_half_hour(age_ms: int, taken: bool) -> None:
    reading = ev.ReadingTaken(Slot.GREEN, 10_000, 20, 2_000, 0, 5)
    decided = step(launch(Phase.BAKING, reading_ms=NOW_MS - age_ms), judged=Judged(reading=reading))
    assert (reading in decided.events) is taken
