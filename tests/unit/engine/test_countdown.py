"""The countdown: the artifact is built once, and staging begins at T-0 within the window."""

from typing import Any

import pytest

from tests.unit.engine.launches import (
    COUNTED,
    DONE,
    FAILED,
    LOST,
    NEW,
    NOW_MS,
    RUNNING,
    a_plan,
    commands,
    held,
    jobs_started,
    kinds,
    launch,
    only,
    phases,
    sent,
    started,
    step,
    why,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading
from tminus.domain.plan.plan import Build, Freeze, Source, Window
from tminus.engine.decide.launch.bounds import STAGING_SLACK_MS

COUNTDOWN = launch(Phase.COUNTDOWN)
BUILT: dict[str, Any] = {"artifact": NEW, "jobs": {"build": COUNTED["build"]}}
READY: dict[str, Any] = {"artifact": NEW, "jobs": COUNTED}
BUILD_MS = Build().deadline_ms


@pytest.mark.req("R4")
def test_the_commit_of_the_tag_is_built() -> None:
    plan = a_plan(source=Source("/repository", "v2.0.0"), build=Build(("make",), 60_000))
    arguments = {"repository": "/repository", "tag": "v2.0.0", "commit": "c0ffee", "command": ["make"]}
    assert only(step(launch(Phase.COUNTDOWN, plan=plan))) == StartJob("build", "build", arguments, 60_000)


@pytest.mark.parametrize("phase", [RUNNING, DONE, FAILED])
def test_a_build_that_runs_or_has_ended_is_not_started_again(phase: str) -> None:
    found = {"build": JobReading("build", phase, {"digest": NEW})}  # type: ignore[arg-type]  # a phase
    assert "build" not in jobs_started(step(COUNTDOWN, jobs=found))


def test_a_lost_build_is_started_again() -> None:
    assert isinstance(only(step(COUNTDOWN, jobs={"build": JobReading("build", LOST)})), StartJob)


def test_a_finished_build_is_journalled_and_what_is_next_begins_at_once_without_a_t0() -> None:
    found = {"build": JobReading("build", DONE, {"digest": NEW})}
    decided = step(COUNTDOWN, jobs=found)
    assert decided.events == (ev.JobEnded("build", DONE, {"digest": NEW}, "", ""),)
    assert jobs_started(decided) == ["verify-artifact"]


def test_staging_begins_at_once_without_a_t0_when_everything_has_ended() -> None:
    assert step(launch(Phase.COUNTDOWN, **READY)).events == (ev.PhaseEntered(Phase.STAGING, "ready"),)


def test_a_failed_build_scrubs() -> None:
    decided = step(COUNTDOWN, jobs={"build": JobReading("build", FAILED, None, "exit", "make said 2")})
    assert (phases(decided)[:1], decided.events[1]) == (
        [Phase.SCRUBBING],
        ev.PhaseEntered(Phase.SCRUBBING, "the build failed: make said 2 [exit]"),
    )


def test_a_build_that_is_not_done_in_time_scrubs() -> None:
    bound_ms = NOW_MS + BUILD_MS + STAGING_SLACK_MS
    begun = sent(StartJob("build", "build", {}, BUILD_MS))
    state = launch(Phase.COUNTDOWN, commands={"countdown:start-job:build": begun})
    runs = {"build": JobReading("build", RUNNING)}
    decided = [step(state, jobs=runs, now_ms=now_ms) for now_ms in (bound_ms - 1, bound_ms)]
    assert [bool(phases(each)) for each in decided] == [False, True]
    assert why(decided[1]) == "gave up waiting for the build"


def test_a_build_that_cannot_be_started_scrubs() -> None:
    attempt = sent(StartJob("build", "build", {}, 1), performed=False, refused=True, code="no-such-work")
    decided = step(launch(Phase.COUNTDOWN, commands={"countdown:start-job:build": attempt}))
    assert why(decided) == "could not start build:  [no-such-work]"


@pytest.mark.req("R2")
@pytest.mark.parametrize(("now_ms", "begins"), [(NOW_MS - 1, False), (NOW_MS, True)])
def test_staging_begins_at_t0(now_ms: int, begins: bool) -> None:
    decided = step(launch(Phase.COUNTDOWN, t0_ms=NOW_MS, **READY), now_ms=now_ms)
    assert phases(decided) == ([Phase.STAGING] if begins else [])


@pytest.mark.req("R2")
def test_staging_waits_for_the_window_to_open() -> None:
    plan = a_plan(window=Window(NOW_MS + 1, NOW_MS + 9_000))
    state = launch(Phase.COUNTDOWN, plan=plan, **READY)
    assert [phases(step(state, now_ms=now_ms)) for now_ms in (NOW_MS, NOW_MS + 1)] == [[], [Phase.STAGING]]


@pytest.mark.req("R2")
@pytest.mark.parametrize("built", [READY, BUILT, {}])
def test_a_window_that_closed_scrubs(built: dict[str, Any]) -> None:
    state = launch(Phase.COUNTDOWN, plan=a_plan(window=Window(0, NOW_MS)), **built)
    assert why(step(state)) == "the deployment window closed before the launch could begin"


def test_a_held_countdown_neither_builds_nor_goes_on() -> None:
    decided = step(launch(Phase.COUNTDOWN, t0_ms=NOW_MS, hold=held(), **READY))
    assert (decided.events, decided.commands) == ((), ())


def test_a_held_countdown_starts_no_build() -> None:
    assert commands(step(launch(Phase.COUNTDOWN, hold=held()))) == []


def test_jobs_that_could_not_be_read_have_not_ended() -> None:
    state = launch(Phase.COUNTDOWN, commands=started("build"))
    assert kinds(step(state, jobs_read=False)) == []


@pytest.mark.parametrize("result", [None, {}, {"digest": None}, {"digest": 1}, [], "sha256:new"])
def test_a_build_that_does_not_name_its_artifact_has_failed(result: Any) -> None:  # noqa: ANN401 - any JSON
    decided = step(COUNTDOWN, jobs={"build": JobReading("build", DONE, result)})
    assert decided.state.phase_why == "the build failed: its result names no artifact [no-artifact]"


@pytest.mark.req("R2", "R3")
@pytest.mark.parametrize(
    ("opens_ms", "into"), [(0, Phase.SCRUBBING), (1, Phase.STAGING), (-9, Phase.STAGING)]
)
def test_nothing_begins_in_a_freeze(opens_ms: int, into: Phase) -> None:
    freeze = Freeze(NOW_MS + opens_ms, NOW_MS + opens_ms + 9, "the sale")
    decided = step(launch(Phase.COUNTDOWN, plan=a_plan(freezes=(freeze,)), **READY))
    assert phases(decided)[0] is into
    if into is Phase.SCRUBBING:
        assert why(decided) == "a freeze began before the launch could begin: the sale"


@pytest.mark.req("R4")
def test_what_is_built_before_a_freeze_is_built_in_it() -> None:
    freeze = Freeze(NOW_MS, NOW_MS + 9, "the sale")
    state = launch(Phase.COUNTDOWN, plan=a_plan(freezes=(freeze,)), t0_ms=NOW_MS + 10)
    assert jobs_started(step(state)) == ["build"]
