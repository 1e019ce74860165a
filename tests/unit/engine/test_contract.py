"""The contract migration: when a person may order it, what it closes, and who runs it where nobody did."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    DONE,
    FAILED,
    LOST,
    NEW,
    NOW_MS,
    OLD,
    OLD_RUN,
    RUNNING,
    UNMEASURED,
    a_plan,
    jobs_started,
    kinds,
    launch,
    order,
    phases,
    sent,
    step,
)
from tminus.domain.codec import to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL, Phase
from tminus.domain.launch.reading import JobReading
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.database import Database, Migrations
from tminus.domain.plan.plan import Stay
from tminus.domain.plan.secret import parse_secret_ref
from tminus.engine.open import Serving, serving_now
from tminus.ports.journal import GENESIS, LaunchRow, Snapshot
from tminus.testing.memory_journal import MemoryJournal

pytestmark = pytest.mark.req("R8")

DATABASE = Database(parse_secret_ref("env:DATABASE_URL"), Migrations(contract=("migrate", "contract")))
PLAN = a_plan(database=DATABASE)
RETIRED = launch(Phase.WATCHING, plan=PLAN, retired=True, jobs={})
OWED = ev.OwedContract(("migrate", "contract"), NEW)
OWED_BEFORE = ev.OwedContract(("migrate", "contract", "old"), OLD)
JOB = JobReading("contract-1", RUNNING)


def ended(phase: Any = DONE, key: str = "contract-1") -> dict[str, ev.JobEnded]:  # noqa: ANN401 - a JobPhase
    failed = phase is not DONE
    return {key: ev.JobEnded(key, phase, None, "migration-failed" if failed else "", "exit code 1")}


def refusal(state: LaunchState, verb: str = "contract") -> str:
    """The code an order is refused with, nothing when it is taken."""
    events = step(state, orders=(order(verb),)).events
    return "".join(event.code for event in events if isinstance(event, ev.OrderRefused))


# The order


@pytest.mark.parametrize("phase", sorted(BEFORE_TRAFFIC | TRIAL | {Phase.WATCHING, Phase.CLOSED}))
def test_it_is_refused_before_the_stable_slot_was_retired_and_after_the_launch(phase: Phase) -> None:
    assert refusal(launch(phase, plan=PLAN)) == "too-early"


def test_it_is_refused_without_a_contract_migration() -> None:
    assert refusal(launch(Phase.WATCHING, retired=True)) == "no-contract"


def test_it_starts_the_migration_in_the_artifact_of_the_candidate_in_the_same_tick() -> None:
    decided = step(RETIRED, orders=(order("contract"),))
    [job] = [each.command for each in decided.commands if isinstance(each.command, StartJob)]
    assert (job.key, job.work, job.arguments["command"], job.arguments["artifact"]) == (
        "contract-1",
        "migrate",
        ["migrate", "contract"],
        NEW,
    )


def test_a_promoted_first_launch_has_nothing_to_retire_before() -> None:
    assert refusal(launch(Phase.WATCHING, plan=PLAN, first=True)) == ""


def test_nothing_is_migrated_without_the_order() -> None:
    assert jobs_started(step(RETIRED)) == []


@pytest.mark.parametrize("jobs", [{}, ended()], ids=["under way", "done"])
def test_it_is_ordered_once(jobs: dict[str, ev.JobEnded]) -> None:
    assert refusal(replace(RETIRED, contracts=1, jobs=jobs)) == "contract-ordered"


@pytest.mark.parametrize("phase", [FAILED, LOST])
def test_it_may_be_ordered_again_after_a_failure(phase: Any) -> None:  # noqa: ANN401 - a JobPhase
    state = replace(RETIRED, contracts=1, jobs=ended(phase))
    assert jobs_started(step(state)) == []
    assert jobs_started(step(state, orders=(order("contract", key="o2"),))) == ["contract-2"]


def test_a_migration_that_fails_rolls_nothing_back() -> None:
    state = replace(RETIRED, contracts=1)
    decided = step(state, jobs={"contract-1": JobReading("contract-1", FAILED, None, "c", "w")})
    assert (kinds(decided)[0], phases(decided)) == ("job-ended", [])


@pytest.mark.parametrize("verb", ["rollback", "abort"])
@pytest.mark.parametrize("jobs", [{}, ended(), ended(FAILED)], ids=["under way", "done", "failed"])
def test_after_it_there_is_no_way_back(verb: str, jobs: dict[str, ev.JobEnded]) -> None:
    assert refusal(replace(RETIRED, contracts=1, jobs=jobs), verb) == "past-no-return"


# The end of the watch


def over(**changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """The watch is over and nothing else is left to do."""
    return replace(RETIRED, plan=replace(PLAN, watch=Stay(1, 1)), loss=UNMEASURED, **changes)


def test_a_watch_that_is_over_closes() -> None:
    assert phases(step(over(), jobs={})) == [Phase.CLOSED]


def test_a_migration_that_was_ordered_in_the_last_tick_is_run_before_the_launch_closes() -> None:
    decided = step(over(), jobs={}, orders=(order("contract"),))
    assert (phases(decided), jobs_started(decided)) == ([], ["contract-1"])


def test_a_migration_under_way_keeps_the_launch_open() -> None:
    assert phases(step(over(contracts=1), jobs={"contract-1": JOB})) == []


@pytest.mark.parametrize("phase", [DONE, FAILED])
def test_a_migration_that_has_ended_lets_the_launch_close(phase: Any) -> None:  # noqa: ANN401 - a JobPhase
    assert phases(step(over(contracts=1, jobs=ended(phase)), jobs={})) == [Phase.CLOSED]


def test_a_migration_that_cannot_be_started_does_not_keep_the_launch_open() -> None:
    attempt = sent(StartJob("contract-1", "migrate", {}, 1), performed=False, refused=True, code="c")
    state = over(contracts=1, commands={"watching:start-job:contract-1": attempt})
    assert phases(step(state, jobs={})) == [Phase.CLOSED]


# What the next launch is told


def serving_after(state: LaunchState, **changes: Any) -> Serving:  # noqa: ANN401 - arguments of serving_now
    """What serves after a launch that stands like that."""
    journal = MemoryJournal()
    row = LaunchRow("shop-2.0.0", "shop", "production", 1, open=True)
    journal.open_launch(row, [])
    journal.save_snapshot(Snapshot(row.launch, 0, GENESIS, to_json(state)))
    return serving_now(journal, journal, [row], **changes)


CLOSED = launch(Phase.CLOSED, plan=PLAN, jobs={}, retired=True)
SCRUBBED = launch(Phase.SCRUBBED, plan=PLAN, jobs={}, owed=OWED_BEFORE)


@pytest.mark.parametrize(
    "changes",
    [{}, {"contracts": 1}, {"contracts": 1, "jobs": ended(FAILED)}],
    ids=["never ordered", "never begun", "failed"],
)
def test_a_contract_that_nobody_has_run_is_owed_by_the_next_launch(changes: dict[str, Any]) -> None:
    assert serving_after(replace(CLOSED, **changes)).owed == OWED


@pytest.mark.parametrize(
    "state",
    [
        replace(CLOSED, contracts=1, jobs=ended()),
        replace(CLOSED, contracts=2, jobs={**ended(FAILED), **ended(DONE, "contract-2")}),
        launch(Phase.CLOSED),
        launch(
            Phase.CLOSED,
            plan=a_plan(database=Database(DATABASE.url)),
            owed=OWED_BEFORE,
            jobs=ended(DONE, "owed-contract"),
        ),
    ],
    ids=["run", "run at the second time", "no contract", "owed before and run in staging"],
)
def test_nothing_is_owed_where_it_was_run_or_there_is_none(state: LaunchState) -> None:
    assert serving_after(state).owed is None


@pytest.mark.parametrize(
    ("jobs", "owed"),
    [
        ({}, OWED_BEFORE),
        (ended(FAILED, "owed-contract"), OWED_BEFORE),
        (ended(DONE, "owed-contract"), None),
    ],
    ids=["not reached", "failed", "run"],
)
def test_a_launch_that_was_taken_back_owes_what_was_owed_before_unless_it_has_run_it(
    jobs: dict[str, ev.JobEnded], owed: ev.OwedContract | None
) -> None:
    assert serving_after(replace(SCRUBBED, jobs=jobs)).owed == owed


def test_a_launch_whose_plan_has_no_database_leaves_what_was_owed_before() -> None:
    assert serving_after(replace(CLOSED, owed=OWED_BEFORE, plan=a_plan())).owed == OWED_BEFORE


def test_a_launch_that_was_taken_back_leaves_its_own_contract_to_nobody() -> None:
    assert serving_after(replace(SCRUBBED, owed=None)).owed is None


def test_the_next_launch_knows_how_the_stable_slot_is_started_again() -> None:
    assert serving_after(CLOSED).run == PLAN.run
    assert serving_after(SCRUBBED).run == OLD_RUN
    adopted = launch(Phase.CLOSED, plan=a_plan(adopt=("127.0.0.1:9000",)), first=True)
    assert serving_after(adopted).run is None


def test_what_was_left_owes_nothing() -> None:
    assert serving_after(CLOSED, left_ms=NOW_MS) == Serving(generation=CLOSED.generation, fence=CLOSED.fence)
