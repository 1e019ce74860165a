"""What is done once, in order, before a candidate starts: checks, backup, migrations, one-off commands."""

from collections.abc import Iterator
from dataclasses import dataclass

from tminus.domain.launch.command import StartJob
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import ArtifactSmoke
from tminus.domain.plan.timeline import BUILD_DUE_MS, PREPARE_AHEAD_MS, VERIFY_AHEAD_MS
from tminus.engine.decide.launch import work
from tminus.engine.decide.launch.image_work import pull_job
from tminus.engine.decide.step import Observation

AT_ONCE_MS = 1 << 50
"""Longer before T-0 than any launch is entered: the final build begins when its commit is known."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work that must have ended well before the launch goes on.

    Attributes:
        what: as it is called in the log and by `tminus why`.
        job: starts it.
        failure: how its failure is told.
        ahead_ms: how long before T-0 it begins.
        due_ahead_ms: how long before T-0 it must have ended; it is late from then on.
    """

    what: str
    job: StartJob
    failure: str
    ahead_ms: int = 0
    due_ahead_ms: int = 0


def countdown_tasks(state: LaunchState) -> Iterator[Task]:
    """What is due before T-0, in order; each begins when the one before has ended."""
    plan = state.plan
    if plan.adopt:
        return
    yield Task("the build", work.build_job(state), "the build failed", AT_ONCE_MS, -BUILD_DUE_MS)
    if plan.build.smoke is not ArtifactSmoke.OFF:
        alone = work.artifact_smoke_job(state)
        failure = "the artifact does not work alone"
        yield Task("the artifact's own smoke suite", alone, failure, AT_ONCE_MS, -BUILD_DUE_MS)
    yield Task("the artifact's digest", work.artifact_job(state), "the artifact changed", VERIFY_AHEAD_MS)
    yield Task("resources", work.resources_job(plan), "the machine is short of resources", PREPARE_AHEAD_MS)
    if plan.database is None:
        return
    backup = work.backup_job(state, plan.database)
    yield Task("the backup", backup, "the backup failed", PREPARE_AHEAD_MS)
    if work.backup_path(state):
        restore = work.restore_job(state, plan.database)
        yield Task(
            "the restore test", restore, "the backup could not be restored as it was", PREPARE_AHEAD_MS
        )


def staging_tasks(state: LaunchState, seen: Observation) -> Iterator[Task]:
    """What is done at T-0 before the candidate starts, in order."""
    plan, artifact = state.plan, state.artifact
    if plan.adopt or artifact is None:
        return
    if plan.run.container is not None:
        yield Task("the image on every machine", pull_job(state), "the image could not be pulled")
    database = plan.database
    if database is not None and state.owed is not None:
        owed = work.migrate_job(state, database, work.OWED, state.owed.command, state.owed.digest)
        yield Task(
            "the contract migration that was owed", owed, "the contract migration that was owed failed"
        )
    if database is not None and database.migrations.expand:
        expand = work.migrate_job(state, database, work.EXPAND, database.migrations.expand, artifact)
        yield Task("the expand migration", expand, "the expand migration failed")
        stable = None if state.stable is None else seen.slot(state.stable)
        if stable is not None:
            smoke = work.stable_smoke_job(state, stable)
            failure = "the stable version does not work on the expanded schema"
            yield Task("the stable version on the expanded schema", smoke, failure)
    for one_off in plan.run.one_offs:
        yield Task(one_off.name, work.one_off_job(state, one_off), f"{one_off.name} failed")


def next_task(state: LaunchState, tasks: Iterator[Task]) -> Task | None:
    """The first task that has not ended."""
    return next((task for task in tasks if task.job.key not in state.jobs), None)


def failed_task(state: LaunchState, tasks: Iterator[Task]) -> tuple[Task, str] | None:
    """The first task that ended badly, with the reason."""
    for task in tasks:
        ended = state.jobs.get(task.job.key)
        if ended is None:
            return None
        why = work.failure_of(ended)
        if why:
            return task, why
    return None


def task_due_ms(state: LaunchState, task: Task) -> int:
    """When a task of the countdown begins; at once where no T-0 is set."""
    return 0 if state.t0_ms is None else state.t0_ms - task.ahead_ms


def task_late_ms(state: LaunchState, task: Task) -> int | None:
    """From when on a task of the countdown that has not ended is late; never where no T-0 is set."""
    return None if state.t0_ms is None else state.t0_ms - task.due_ahead_ms
