"""What is done once before a candidate starts: its order, when it is due, and what its failure says."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    DONE,
    FAILED,
    NEW,
    NOW_MS,
    a_plan,
    jobs_started,
    only,
    phases,
    sent,
    step,
    why,
)
from tests.unit.engine.tasks import (
    BEFORE_T0,
    counting,
    jobs_of,
    late,
    paths_of,
)
from tminus.domain.launch import command as cmd
from tminus.domain.launch.event import JobEnded, Slipped, StepLate
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.plan import ArtifactSmoke, Build, Run
from tminus.domain.plan.request import Request
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS
from tminus.engine.decide.launch.bounds import SHORT_DEADLINE_MS, STAGING_SLACK_MS

pytestmark = pytest.mark.req("R6")


# The countdown


@pytest.mark.parametrize("done", range(len(BEFORE_T0)))
def test_a_task_begins_when_the_one_before_has_ended(done: int) -> None:
    assert jobs_started(step(counting(*BEFORE_T0[:done]))) == [BEFORE_T0[done]]


def test_staging_begins_when_every_task_has_ended() -> None:
    assert phases(step(counting(*BEFORE_T0))) == [Phase.STAGING]


def test_without_a_database_nothing_is_backed_up() -> None:
    assert phases(step(counting(*BEFORE_T0[:3], plan=a_plan()))) == [Phase.STAGING]


@pytest.mark.req("R5", "R16")
def test_before_a_first_launch_a_database_that_holds_something_is_backed_up() -> None:
    assert backup_arguments(counting(*BEFORE_T0[:3], first=True))["unless_empty"] is True
    assert jobs_started(step(counting(*BEFORE_T0[:4], first=True))) == ["restore-test"]
    assert backup_arguments(counting(*BEFORE_T0[:3]))["unless_empty"] is False


def backup_arguments(state: LaunchState) -> dict[str, Any]:
    job = only(step(state))
    assert isinstance(job, cmd.StartJob)
    assert job.key == "backup"
    return dict(job.arguments)


@pytest.mark.req("R16")
def test_before_a_first_launch_an_empty_database_needs_no_restore_test() -> None:
    state = counting(*BEFORE_T0[:3], first=True)
    empty = JobEnded("backup", DONE, {"path": ""}, "", "")
    assert phases(step(replace(state, jobs={**state.jobs, "backup": empty}))) == [Phase.STAGING]


def test_what_is_adopted_is_neither_built_nor_checked() -> None:
    state = counting(plan=a_plan(adopt=("127.0.0.1:9000",)), first=True)
    assert phases(step(state)) == [Phase.STAGING]


@pytest.mark.req("R2", "R4", "R5")
@pytest.mark.parametrize(
    ("done", "ahead_ms"),
    [
        (["build"], HOUR_MS),
        (BEFORE_T0[:2], 30 * MINUTE_MS),
        (BEFORE_T0[:3], 30 * MINUTE_MS),
        (BEFORE_T0[:4], 30 * MINUTE_MS),
    ],
    ids=BEFORE_T0[1:],
)
def test_a_task_is_due_so_long_before_t0(done: list[str], ahead_ms: int) -> None:
    t0_ms = NOW_MS + 24 * HOUR_MS
    state = counting(*done, t0_ms=t0_ms)
    decided = [step(state, now_ms=t0_ms - ahead_ms + late_ms) for late_ms in (-1, 0)]
    assert [jobs_started(each) for each in decided] == [[], [BEFORE_T0[len(done)]]]


SMOKED = a_plan(
    build=Build(
        smoke=ArtifactSmoke.SUITE,
        smoke_environment=(("LEVEL", "debug"), ("CACHE", "none")),
        smoke_secrets=(("DATABASE_URL", parse_secret_ref("env:SMOKE_URL")),),
    ),
    run=Run(
        ("serve", "{port}"),
        environment=(("LEVEL", "info"), ("REGION", "eu")),
        secrets=(("DATABASE_URL", parse_secret_ref("env:URL")), ("CACHE", parse_secret_ref("env:CACHE"))),
    ),
    smoke=(Request("GET /", "GET", "/"),),
)


@pytest.mark.req("R3", "R4")
def test_the_artifact_is_started_alone_after_its_build_with_what_differs_for_it() -> None:
    (job,) = jobs_of(step(counting("build", plan=SMOKED, t0_ms=NOW_MS + 90 * HOUR_MS)))
    assert (job.key, job.work) == ("artifact-smoke", "artifact-smoke")
    assert isinstance(job.arguments, dict)
    assert job.arguments["environment"] == {
        "LEVEL": "debug",
        "CACHE": "none",
        "REGION": "eu",
        "TMINUS_SLOT": "none",
        "TMINUS_VERSION": "2.0.0",
    }
    assert job.arguments["secrets"] == {"DATABASE_URL": "env:SMOKE_URL"}
    assert paths_of(job) == ["/"]


def test_an_artifact_that_is_only_asked_for_its_health_gets_no_other_request() -> None:
    plan = replace(SMOKED, build=Build(smoke=ArtifactSmoke.HEALTH))
    (job,) = jobs_of(step(counting("build", plan=plan)))
    assert paths_of(job) == ["/healthz"]


def test_an_artifact_that_does_not_work_alone_ends_the_launch() -> None:
    failed = JobEnded("artifact-smoke", FAILED, None, "artifact-not-up", "it ended with 1")
    state = counting("build", plan=SMOKED)
    decided = step(replace(state, jobs={**state.jobs, "artifact-smoke": failed}))
    assert phases(decided)[0] is Phase.SCRUBBING
    assert why(decided) == "the artifact does not work alone: it ended with 1 [artifact-not-up]"


@pytest.mark.req("R4")
@pytest.mark.parametrize(
    ("done", "ahead_ms", "named"),
    [([], 24 * HOUR_MS, "the build"), (BEFORE_T0[:3], 0, "the backup")],
)
def test_a_step_that_has_not_ended_when_it_is_due_is_late_once(
    done: list[str], ahead_ms: int, named: str
) -> None:
    state = counting(*done, t0_ms=NOW_MS + ahead_ms)
    assert late(step(state, now_ms=NOW_MS)) == []
    decided = step(state, now_ms=NOW_MS + 1)
    deadline_ms = jobs_of(decided)[0].deadline_ms + STAGING_SLACK_MS
    assert late(decided) == [StepLate(named, NOW_MS, NOW_MS + 1 + deadline_ms)]
    assert decided.waiting.what.startswith(f"{named}, due by 20")
    assert late(step(decided.state, now_ms=NOW_MS + 2)) == []


def test_a_step_is_late_again_for_another_t0() -> None:
    state = counting(t0_ms=NOW_MS, late=frozenset({"the build"}))
    slipped = evolve(state, Slipped(NOW_MS + HOUR_MS, "ann", ""), NOW_MS)
    assert [entry.due_ms for entry in late(step(slipped))] == [NOW_MS + HOUR_MS - 24 * HOUR_MS]


def test_without_a_t0_nothing_is_late() -> None:
    assert late(step(counting())) == []


@pytest.mark.req("R2")
def test_the_build_begins_when_the_launch_is_entered() -> None:
    assert jobs_started(step(counting(t0_ms=NOW_MS + 24 * HOUR_MS))) == ["build"]


@pytest.mark.req("R2")
def test_a_slip_puts_off_what_has_not_begun() -> None:
    state = counting("build", t0_ms=NOW_MS + HOUR_MS)
    assert jobs_started(step(state)) == ["verify-artifact"]
    assert jobs_started(step(replace(state, t0_ms=NOW_MS + HOUR_MS + 1))) == []


@pytest.mark.req("R2")
def test_staging_waits_for_a_task_that_is_late() -> None:
    assert phases(step(counting(*BEFORE_T0[:4], t0_ms=NOW_MS - 1))) == []


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("build", "the build failed"),
        ("verify-artifact", "the artifact changed"),
        ("resources", "the machine is short of resources"),
        ("backup", "the backup failed"),
        ("restore-test", "the backup could not be restored as it was"),
    ],
)
def test_a_task_that_fails_scrubs_with_its_sentence(key: str, sentence: str) -> None:
    state = counting(*BEFORE_T0[: BEFORE_T0.index(key)])
    decided = step(state, jobs={key: JobReading(key, FAILED, None, "some-code", "it broke")})
    assert (phases(decided)[0], decided.state.phase_why) == (
        Phase.SCRUBBING,
        f"{sentence}: it broke [some-code]",
    )


@pytest.mark.req("R5")
@pytest.mark.parametrize(
    ("key", "result", "reason"),
    [
        (
            "resources",
            {"passed": False, "answers": [{"name": "disk", "passed": False, "why": "2 % are free"}]},
            "the machine is short of resources: disk: 2 % are free",
        ),
        (
            "restore-test",
            {"passed": False, "tables": [], "differences": ["accounts has 3 rows, and had 4"]},
            "the backup could not be restored as it was: accounts has 3 rows, and had 4",
        ),
        ("resources", {}, "the machine is short of resources: its result does not say that it passed"),
    ],
)
def test_a_task_that_did_not_pass_scrubs_with_what_it_found(
    key: str, result: dict[str, Any], reason: str
) -> None:
    state = counting(*BEFORE_T0[: BEFORE_T0.index(key)])
    decided = step(state, jobs={key: JobReading(key, DONE, result)})
    assert decided.state.phase_why == reason


def test_a_task_that_does_not_end_in_time_scrubs() -> None:
    bound_ms = NOW_MS + SHORT_DEADLINE_MS + STAGING_SLACK_MS
    begun = {"countdown:start-job:resources": sent(cmd.StartJob("resources", "resources", {}, 1))}
    state = counting(*BEFORE_T0[:2], commands=begun)
    decided = [step(state, now_ms=now_ms) for now_ms in (bound_ms - 1, bound_ms)]
    assert [bool(phases(each)) for each in decided] == [False, True]
    assert why(decided[1]) == "gave up waiting for resources"


@pytest.mark.req("R4")
def test_the_artifact_is_hashed_again_under_the_digest_of_the_build() -> None:
    job = only(step(counting("build")))
    assert job == cmd.StartJob("verify-artifact", "verify-artifact", {"artifact": NEW}, SHORT_DEADLINE_MS)


@pytest.mark.req("R5", "R16")
def test_the_backup_of_this_launch_is_the_one_that_is_restored() -> None:
    job = only(step(counting(*BEFORE_T0[:4])))
    assert isinstance(job, cmd.StartJob)
    assert job.arguments == {
        "path": "/backups/1.dump",
        "secrets": {"DATABASE_URL": "env:SHOP_DATABASE_URL"},
    }


# At T-0
