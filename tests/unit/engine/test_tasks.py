"""What is done once before a candidate starts: its order, when it is due, and what its failure says."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    COUNTED,
    DONE,
    FAILED,
    NEW,
    NOW_MS,
    OLD,
    SMOKE_PASSED,
    STABLE,
    a_plan,
    a_router,
    commands,
    jobs_started,
    launch,
    only,
    phases,
    sent,
    slots_of,
    step,
    why,
)
from tminus.domain.canonical import Json
from tminus.domain.codec import from_json
from tminus.domain.launch import command as cmd
from tminus.domain.launch.event import JobEnded, OwedContract, Slipped, StepLate
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading, SlotReading
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.database import Database, Integrity, Migrations, Question
from tminus.domain.plan.plan import ArtifactSmoke, Build, Meter, OneOff, Run, Stay, Warming
from tminus.domain.plan.request import Request
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS
from tminus.engine.decide.launch.bounds import SHORT_DEADLINE_MS, STAGING_SLACK_MS
from tminus.engine.decide.launch.work import sampler_job
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R6")

MIGRATIONS = Migrations(expand=("migrate", "expand"), contract=("migrate", "contract"))
DATABASE = Database(parse_secret_ref("env:SHOP_DATABASE_URL"), MIGRATIONS)
SEED = OneOff("seed", ("./seed",))
PLAN = a_plan(database=DATABASE, run=Run(("serve",), instances=3, one_offs=(SEED,)))
OWED = OwedContract(("migrate", "contract", "old"), OLD)
PASSED = {"passed": True}
ANSWERS: dict[str, Any] = {"build": {"digest": NEW}, "backup": {"path": "/backups/1.dump"}}
BEFORE_T0 = ["build", "verify-artifact", "resources", "backup", "restore-test"]
AT_T0 = ["owed-contract", "expand", "smoke-stable", "one-off-seed"]


def ended(*keys: str) -> dict[str, JobEnded]:
    """Jobs that have ended well."""
    return {key: JobEnded(key, DONE, ANSWERS.get(key, PASSED), "", "") for key in keys}


def counting(*keys: str, plan: Any = PLAN, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A countdown in which these jobs have ended well."""
    artifact = NEW if "build" in keys else None
    return launch(Phase.COUNTDOWN, plan=plan, artifact=artifact, jobs=ended(*keys), **changes)


def staging(*keys: str, plan: Any = PLAN, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A staging in which these jobs have ended well."""
    return launch(Phase.STAGING, plan=plan, jobs=ended(*BEFORE_T0, *keys), **changes)


def without_candidate(state: LaunchState) -> dict[str, Any]:
    return {"slots": {**slots_of(state), CANDIDATE: SlotReading(CANDIDATE)}}


def late(decided: Step) -> list[StepLate]:
    return [event for event in decided.events if isinstance(event, StepLate)]


def jobs_of(decided: Step) -> list[cmd.StartJob]:
    return [entry.command for entry in decided.commands if isinstance(entry.command, cmd.StartJob)]


def paths_of(job: cmd.StartJob) -> list[str]:
    assert isinstance(job.arguments, dict)
    return [request.path for request in from_json(tuple[Request, ...], job.arguments["requests"])]


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


@pytest.mark.parametrize("done", range(len(AT_T0)))
def test_what_is_done_at_t0_is_done_in_order_and_before_the_candidate_starts(done: int) -> None:
    state = staging(*AT_T0[:done], owed=OWED)
    assert jobs_started(step(state, **without_candidate(state))) == [AT_T0[done]]


def test_the_candidate_starts_when_all_of_it_has_ended() -> None:
    state = staging(*AT_T0, owed=OWED)
    assert commands(step(state, **without_candidate(state))) == [cmd.StartSlot(CANDIDATE, NEW)]


def test_nothing_is_owed_unless_the_launch_before_left_it() -> None:
    state = staging()
    assert jobs_started(step(state, **without_candidate(state))) == ["expand"]


def test_without_an_expand_migration_the_stable_version_is_not_tested_again() -> None:
    plan = replace(PLAN, database=replace(DATABASE, migrations=Migrations()))
    state = staging(plan=plan)
    assert jobs_started(step(state, **without_candidate(state))) == ["one-off-seed"]


def test_a_first_launch_has_no_stable_version_to_test() -> None:
    state = staging("expand", first=True)
    assert jobs_started(step(state, **without_candidate(state))) == ["one-off-seed"]


def test_migrations_wait_for_a_stable_slot_that_is_healthy() -> None:
    state = staging()
    ill = {**slots_of(state), STABLE: SlotReading(STABLE, OLD, 3)}
    assert jobs_started(step(state, slots=ill)) == []


def test_a_migration_runs_in_the_artifact_that_brought_it() -> None:
    jobs = [only(step(staging(*done, owed=OWED))) for done in ((), ("owed-contract",))]
    told = [
        (job.arguments["command"], job.arguments["artifact"]) for job in jobs if isinstance(job, cmd.StartJob)
    ]
    assert told == [(["migrate", "contract", "old"], OLD), (["migrate", "expand"], NEW)]


def test_the_stable_version_is_tested_on_the_expanded_schema_at_its_own_addresses() -> None:
    job = only(step(staging("expand")))
    assert isinstance(job, cmd.StartJob)
    stable = slots_of(staging())[STABLE]
    assert job.arguments["targets"] == [f"http://{instance.address}" for instance in stable.instances]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("owed-contract", "the contract migration that was owed failed"),
        ("expand", "the expand migration failed"),
        ("smoke-stable", "the stable version does not work on the expanded schema"),
        ("one-off-seed", "seed failed"),
    ],
)
def test_what_fails_at_t0_scrubs_with_its_sentence(key: str, sentence: str) -> None:
    state = staging(*AT_T0[: AT_T0.index(key)], owed=OWED)
    decided = step(state, jobs={key: JobReading(key, FAILED, None, "some-code", "it broke")})
    assert (phases(decided)[0], decided.state.phase_why) == (
        Phase.SCRUBBING,
        f"{sentence}: it broke [some-code]",
    )


@pytest.mark.req("R5")
def test_caches_are_warmed_before_the_smoke_suite_is_sent() -> None:
    plan = a_plan(warming=Warming(("/",)), meter=Meter(rate_per_s=0))
    state = launch(Phase.STAGING, plan=plan, slot_up=True, jobs=COUNTED)
    assert jobs_started(step(state)) == ["warm"]
    assert jobs_started(step(replace(state, jobs={**COUNTED, **ended("warm")}))) == ["smoke"]


@pytest.mark.req("R5")
def test_caches_that_could_not_be_warmed_scrub() -> None:
    state = launch(Phase.STAGING, plan=a_plan(warming=Warming(("/",))), slot_up=True, jobs=COUNTED)
    decided = step(state, jobs={"warm": JobReading("warm", FAILED, None, "warm-failed", "no answer")})
    assert decided.state.phase_why == "the caches could not be warmed: no answer [warm-failed]"


def test_the_sampler_asks_the_plans_questions_of_this_candidate_before_traffic_moves() -> None:
    question = Question("declined", "select {version}, '{slot}'")
    plan = a_plan(database=Database(DATABASE.url, questions=(question,)))
    state = launch(Phase.STAGING, plan=plan, slot_up=True, jobs={"smoke": SMOKE_PASSED})
    both = {"admitted": frozenset({STABLE, CANDIDATE}), "up": {STABLE: 3, CANDIDATE: 3}}
    job = only(step(state, router=a_router(state, **both)))
    assert isinstance(job, cmd.StartJob)
    assert (job.key, job.arguments["questions"][0]["sql"]) == ("sampler", "select 2.0.0, 'green'")


def test_the_sampler_outlasts_the_watch_however_long_the_plan_makes_it() -> None:
    watch = Stay(72 * HOUR_MS, HOUR_MS)
    plan = a_plan(database=DATABASE, watch=watch)
    stay_ms = plan.verify.for_ms + plan.bake.for_ms + watch.for_ms
    assert sampler_job(launch(Phase.STAGING, plan=plan), DATABASE).deadline_ms >= stay_ms + 24 * HOUR_MS


@pytest.mark.req("R7")
def test_the_integrity_of_the_database_is_asked_with_the_critical_paths_and_needed() -> None:
    database = replace(DATABASE, integrity=(Integrity("sum", "select 1", "1"),))
    state = launch(Phase.VERIFYING, plan=a_plan(database=database))
    assert jobs_started(step(state)) == ["critical-paths", "integrity"]


@pytest.mark.req("R7", "R9")
def test_a_database_that_is_not_what_it_should_be_rolls_back() -> None:
    database = replace(DATABASE, integrity=(Integrity("sum", "select 1", "1"),))
    state = launch(Phase.VERIFYING, plan=a_plan(database=database))
    answers: list[Json] = [{"name": "sum", "passed": False, "why": "2, expected 1"}]
    reading = JobReading("integrity", DONE, {"passed": False, "answers": answers})
    decided = step(state, jobs={"integrity": reading})
    assert (phases(decided), decided.state.phase_why) == (
        [Phase.ROLLING_BACK],
        "the database is not what it should be: sum: 2, expected 1",
    )
