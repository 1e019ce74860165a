"""What is done once at T-0, before a candidate starts, and what is asked afterwards."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    COUNTED,
    DONE,
    FAILED,
    NEW,
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
    slots_of,
    step,
)
from tests.unit.engine.tasks import (
    AT_T0,
    DATABASE,
    OWED,
    PLAN,
    ended,
    staging,
    without_candidate,
)
from tminus.domain.canonical import Json
from tminus.domain.launch import command as cmd
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading, SlotReading
from tminus.domain.plan.database import Database, Integrity, Migrations, Question
from tminus.domain.plan.plan import Meter, Stay, Warming
from tminus.domain.plan.times import HOUR_MS
from tminus.engine.decide.launch.work import sampler_job

pytestmark = pytest.mark.req("R6")


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
