"""What a launch waits for: since when, until when, and what happens then by itself."""

from typing import Any

import pytest

from tests.unit.engine.launches import (
    COUNTED,
    ENTERED_MS,
    NEW,
    NOW_MS,
    PASS,
    SMOKE_PASSED,
    UNSURE,
    WALKED,
    a_router,
    held,
    launch,
    on_target,
    safe,
    sent,
    step,
)
from tests.unit.polling.polls import polled
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import Attempt, LaunchState
from tminus.engine.decide.launch.bounds import (
    CONFIRM_DEADLINE_MS,
    PROMOTE_DEADLINE_MS,
    SMOKE_DEADLINE_MS,
    STAGING_SLACK_MS,
)
from tminus.engine.decide.step import Waiting

JOBS = {"smoke": SMOKE_PASSED, "critical-paths": WALKED}
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
AT_REST = a_router(launch(Phase.CUTOVER), route=Route(Slot.BLUE, generation=4, epoch=12))


def after(state: LaunchState, elapsed_ms: int = 1_000, **changes: Any) -> tuple[str, int | None, str]:  # noqa: ANN401 - fields of Observation
    """What is waited for so long after the phase began, how long in all, and what comes then."""
    found = step(state, now_ms=ENTERED_MS + elapsed_ms, **changes).waiting
    assert found.since_ms == ENTERED_MS
    return found.what, None if found.until_ms is None else found.until_ms - ENTERED_MS, found.then


def test_a_build_is_waited_for_until_its_deadline() -> None:
    begun = Attempt(StartJob("build", "build", {}, 1), 1, ENTERED_MS, performed=True)
    state = launch(Phase.COUNTDOWN, commands={"countdown:start-job:build": begun})
    assert after(state) == ("the build", 20 * MINUTE_MS + STAGING_SLACK_MS, "scrub")


def test_a_task_that_is_due_and_not_begun_has_its_whole_time_from_now() -> None:
    assert after(launch(Phase.COUNTDOWN), 5_000)[1] == 5_000 + 20 * MINUTE_MS + STAGING_SLACK_MS


def test_a_task_that_is_not_due_is_waited_for_until_it_is() -> None:
    built = {"build": COUNTED["build"]}
    state = launch(Phase.COUNTDOWN, artifact=NEW, jobs=built, t0_ms=ENTERED_MS + 3 * HOUR_MS)
    assert after(state) == ("the time for the artifact's digest", 2 * HOUR_MS, "the artifact's digest begins")


def test_t0_is_waited_for() -> None:
    state = launch(Phase.COUNTDOWN, artifact=NEW, jobs=COUNTED, t0_ms=ENTERED_MS + HOUR_MS)
    assert after(state) == ("T-0", HOUR_MS, "staging begins")


def test_staging_is_waited_for_until_its_deadline() -> None:
    deadline_ms = MINUTE_MS + SMOKE_DEADLINE_MS + STAGING_SLACK_MS
    assert after(launch(Phase.STAGING), hosting=None) == ("the runtime to answer", deadline_ms, "scrub")


def test_a_route_is_waited_for_until_it_must_be_confirmed() -> None:
    state = launch(Phase.CUTOVER, confirmed=False, tried=False)
    assert after(state, router=AT_REST) == (
        "the router to confirm 10 % on green",
        CONFIRM_DEADLINE_MS,
        "rollback",
    )


def test_evidence_of_a_step_is_waited_for_until_its_deadline() -> None:
    found = after(launch(Phase.CUTOVER), judged=safe(UNSURE))
    assert found == ("evidence at 10 % on green: too few to judge", 10 * MINUTE_MS, "hold")


@pytest.mark.parametrize(
    ("elapsed_ms", "until_ms", "then"),
    [
        (1_000, 10 * MINUTE_MS, "the bake begins if every target holds"),
        (10 * MINUTE_MS, 20 * MINUTE_MS, "hold"),
        (20 * MINUTE_MS - 1, 20 * MINUTE_MS, "hold"),
    ],
)
def test_verification_is_waited_for_and_then_its_evidence(elapsed_ms: int, until_ms: int, then: str) -> None:
    found = after(launch(Phase.VERIFYING, jobs=JOBS), elapsed_ms, judged=on_target(UNSURE))
    assert found == ("verification: too few to judge", until_ms, then)


def test_critical_paths_that_were_not_walked_yet_are_named() -> None:
    found = after(launch(Phase.VERIFYING), 10 * MINUTE_MS, judged=on_target(PASS))
    assert found == ("verification: the critical paths have not ended", 20 * MINUTE_MS, "hold")


@pytest.mark.parametrize(
    ("elapsed_ms", "until_ms", "then"),
    [
        (1_000, HOUR_MS, "green is promoted if every limit holds"),
        (HOUR_MS, HOUR_MS + 10 * MINUTE_MS, "hold"),
    ],
)
def test_the_bake_is_waited_for_and_then_its_evidence(elapsed_ms: int, until_ms: int, then: str) -> None:
    found = after(launch(Phase.BAKING), elapsed_ms, judged=safe(UNSURE))
    assert found == ("the bake to end: too few to judge", until_ms, then)


def test_a_bakes_route_is_waited_for_until_it_must_be_confirmed() -> None:
    state = launch(Phase.BAKING, confirmed=False)
    router = a_router(launch(Phase.CUTOVER, step=2))
    found = after(state, router=router)
    assert found == ("the router to confirm 100 % on green", CONFIRM_DEADLINE_MS, "rollback")


def test_a_commit_is_waited_for_until_it_must_be_seen() -> None:
    found = after(launch(Phase.PROMOTING, confirmed=False))
    assert found == ("the router to commit the route", PROMOTE_DEADLINE_MS, "hold")


def test_a_drain_is_waited_for_until_it_is_cut() -> None:
    found = after(launch(Phase.WATCHING))
    assert found == ("requests in flight on blue to end", 30_000, "what is left is cut and counted")


def test_the_watch_is_waited_for() -> None:
    assert after(launch(Phase.WATCHING, retired=True)) == (
        "the watch to end",
        24 * HOUR_MS,
        "the launch is closed",
    )


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_an_ended_launch_waits_for_nothing(phase: Phase) -> None:
    assert after(launch(phase)) == (f"nothing: the launch is {phase.value}", None, "nothing")


@pytest.mark.parametrize(
    ("phases", "then"),
    [(BEFORE_TRAFFIC, "scrub"), (TRIAL, "rollback"), ({Phase.WATCHING}, "the hold is released")],
    ids=["before traffic", "in a trial", "in the watch"],
)
def test_a_held_launch_says_what_ends_the_hold(phases: frozenset[Phase], then: str) -> None:
    hold = held()
    for phase in phases:
        assert step(launch(phase, hold=hold)).waiting == Waiting(
            "somebody to lift the hold of ann: lunch",
            hold.since_ms,
            hold.expires_ms,
            then,
            "tminus resume, or tminus abort",
        )


@pytest.mark.parametrize("phase", sorted(set(Phase) - TERMINAL - ENDING))
def test_a_deadline_does_not_recede(phase: Phase) -> None:
    """Looked at a second later, the same wait ends at the same time; what is due is begun by then."""
    begun = {"countdown:start-job:build": sent(StartJob("build", "build", {}, 1))}
    how: dict[str, Any] = {"confirmed": phase in {Phase.VERIFYING, Phase.WATCHING}, "tried": False}
    asked = polled if phase is Phase.POLL else launch
    state = asked(phase, commands=begun, **how)
    router = AT_REST if phase in TRIAL - {Phase.VERIFYING} else a_router(state)
    first, second = (
        step(state, now_ms=NOW_MS + late_ms, router=router, judged=on_target(UNSURE)).waiting
        for late_ms in (0, 1_000)
    )
    assert first == second
