"""Which scheduled work is due, given its history and the time. Pure; a launch only says that it is busy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.plan.database import Backups
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS, format_duration
from tminus.domain.readiness.upkeep import (
    Begun,
    Deferred,
    Ended,
    Note,
    Removed,
    StoredBackup,
    UpkeepState,
    Work,
    WorkState,
    evolve_upkeep,
)

BACKOFF_MS = (MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS)
"""Pause after failures in a row; the last repeats. A full disk or a server that is down needs somebody, and
an attempt an hour finds out that it has been seen to."""


@dataclass(frozen=True, slots=True)
class StartWork:
    """Start the job of a note that was written before."""

    begun: Begun


@dataclass(frozen=True, slots=True)
class StopWork:
    """Tell a job to end."""

    key: str


@dataclass(frozen=True, slots=True)
class ForgetWork:
    """Remove the folder of a job that has ended."""

    key: str


@dataclass(frozen=True, slots=True)
class TrimLog:
    """Remove the archived log that no backup needs any more."""


@dataclass(frozen=True, slots=True)
class RemoveBackup:
    """Remove a backup; the note is written after it has gone."""

    removed: Removed


Action = StartWork | StopWork | ForgetWork | RemoveBackup | TrimLog


@dataclass(frozen=True, slots=True)
class UpkeepSight:
    """What is seen of one service in one look.

    Attributes:
        now_ms: milliseconds since the epoch.
        since_ms: since when the plan that is in force has been.
        name: `service-environment`, for the keys of jobs.
        occupied: which launch has the database, and why; empty when none has.
        jobs: readings of the jobs that run, by key.
        backups: on disk, oldest first.
        cited: paths that an open launch depends on.
    """

    now_ms: int
    since_ms: int
    name: str
    occupied: str
    jobs: Mapping[str, JobReading]
    backups: Sequence[StoredBackup]
    cited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UpkeepStep:
    """Notes to write, then what to do."""

    notes: tuple[Note, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """When work is due, what it is done with, and how many runs have been missed by then."""

    at_ms: int
    path: str = ""
    every_ms: int = 0

    def skipped(self, now_ms: int) -> int:
        """Further runs that fell due until now."""
        return max(0, now_ms - self.at_ms) // self.every_ms if self.every_ms else 0


def decide_upkeep(schedule: Backups, state: UpkeepState, sight: UpkeepSight) -> UpkeepStep:
    """The next step: settle what has ended, give way to a launch, remove what is too old, begin what is due.

    One job of a service runs at a time, so that a backup is never restored while the next one is taken. The
    archive of the log alone runs beside it, and while a launch has the database.
    """
    settled = _settled(schedule, state, sight)
    if settled.notes or settled.actions:
        return settled
    archive = _archive_due(schedule, state, sight)
    if archive is not None:
        return _begun(state, sight, Work.ARCHIVE, archive)
    if any(begun.work is not Work.ARCHIVE for begun in state.running):
        return UpkeepStep()
    old = tuple(map(RemoveBackup, expired(schedule, sight)))
    if old:
        # Before the next one is taken, which may need the room.
        return UpkeepStep((), (*old, *([TrimLog()] if schedule.archived else [])))
    for work in (Work.BACKUP, Work.RESTORE_TEST):
        due = next_due(schedule, state, sight, work)
        if due is None or sight.now_ms < due.at_ms:
            continue
        if sight.occupied:
            if _is_news(state.of(work), due.at_ms):
                return UpkeepStep((Deferred(work, due.at_ms, sight.occupied),))
            continue
        return _begun(state, sight, work, due)
    return UpkeepStep()


def _begun(state: UpkeepState, sight: UpkeepSight, work: Work, due: Due) -> UpkeepStep:
    key = f"upkeep/{sight.name}/{work}-{sight.now_ms}"
    begun = Begun(work, key, due.at_ms, due.skipped(sight.now_ms), due.path)
    return UpkeepStep((begun,), (*map(ForgetWork, state.of(work).keys[:-1]), StartWork(begun)))


def _archive_due(schedule: Backups, state: UpkeepState, sight: UpkeepSight) -> Due | None:
    """When the archive of the log, which does not run, begins; None where it runs or is not due."""
    history = state.of(Work.ARCHIVE)
    if not schedule.archived or history.running is not None:
        return None
    again_ms = history.last_ms + _pause_ms(history, HOUR_MS) if history.failures else sight.since_ms
    return Due(again_ms) if again_ms <= sight.now_ms else None


def _pause_ms(history: WorkState, every_ms: int) -> int:
    return min(BACKOFF_MS[min(history.failures, len(BACKOFF_MS)) - 1], every_ms)


def next_due(schedule: Backups, state: UpkeepState, sight: UpkeepSight, work: Work) -> Due | None:
    """When this work is due next; None where there is nothing to do it with."""
    due = _backup_due(schedule, sight) if work is Work.BACKUP else _test_due(schedule, state, sight)
    history = state.of(work)
    if due is None or not history.failures:
        return due
    again_ms = history.last_ms + _pause_ms(history, due.every_ms or HOUR_MS)
    return Due(again_ms, due.path) if again_ms > due.at_ms else due


def _backup_due(schedule: Backups, sight: UpkeepSight) -> Due:
    # A backup that came from the future says nothing: the clock was wrong then, or is now.
    found = [each for each in standing(schedule, sight.backups) if each.taken_ms <= sight.now_ms]
    if not found:
        return Due(sight.since_ms)
    return Due(found[-1].taken_ms + schedule.every_ms, every_ms=schedule.every_ms)


def _test_due(schedule: Backups, state: UpkeepState, sight: UpkeepSight) -> Due | None:
    found = standing(schedule, sight.backups)
    if not found:
        return None
    newest = found[-1]
    tests = [each.tested_ms for each in found if each.tested_ms is not None]
    good_ms = state.of(Work.RESTORE_TEST).good_ms
    tests += [] if good_ms is None else [good_ms]
    if not tests:
        return Due(min(newest.taken_ms, sight.now_ms), newest.path)
    every_ms = schedule.restore_every_ms
    return Due(max(tests) + every_ms, newest.path, every_ms)


def usable(backups: Sequence[StoredBackup]) -> list[StoredBackup]:
    """Those that no restore test has found wanting."""
    return [each for each in backups if each.passed is not False]


def standing(schedule: Backups, backups: Sequence[StoredBackup]) -> list[StoredBackup]:
    """Those by which the schedule is kept: with an archive, only what can be brought up to later."""
    found = usable(backups)
    return [each for each in found if each.whole and each.unbroken] if schedule.archived else found


def expired(schedule: Backups, sight: UpkeepSight) -> Iterator[Removed]:
    """Backups older than they are kept; never the newest, the newest that was restored, or one in use."""
    found = usable(sight.backups)
    spared = {each.path for each in found[-1:]} | sight.cited
    spared |= {each.path for each in [each for each in found if each.passed][-1:]}
    for each in sight.backups:
        if each.path not in spared and sight.now_ms - each.taken_ms > schedule.keep_ms:
            why = f"older than {format_duration(schedule.keep_ms)}"
            yield Removed(each.path, each.taken_ms, why)


def wind_down(state: UpkeepState, sight: UpkeepSight) -> UpkeepStep:
    """The next step where no plan asks for anything any more: what runs is stopped."""
    return _settled(Backups(), state, sight)


def _settled(schedule: Backups, state: UpkeepState, sight: UpkeepSight) -> UpkeepStep:
    notes: list[Note] = []
    actions: list[Action] = []
    for begun in state.running:
        reading = sight.jobs.get(begun.key)
        if reading is None or reading.phase is not JobPhase.RUNNING:
            notes.append(_ended(begun, reading))
        elif begun.work is Work.ARCHIVE:
            actions += [] if schedule.archived else [StopWork(begun.key)]
        elif sight.occupied:
            if _is_news(state.of(begun.work), begun.due_ms):
                notes.append(Deferred(begun.work, begun.due_ms, f"it was stopped: {sight.occupied}"))
            actions.append(StopWork(begun.key))
    return UpkeepStep(tuple(notes), tuple(actions))


def _is_news(history: WorkState, due_ms: int) -> bool:
    """Whether this deferral does not stand in the book yet; a launch goes through many phases meanwhile."""
    return history.deferred is None or history.deferred.due_ms != due_ms


def _ended(begun: Begun, reading: JobReading | None) -> Ended:
    """How a job has ended; one that left nothing has failed."""
    if reading is None:
        return failed(begun, "job-lost", "it was never started, or its folder is gone")
    result = reading.result if isinstance(reading.result, dict) else {}
    if reading.phase is not JobPhase.DONE:
        return failed(begun, reading.code, reading.why)
    if begun.work is Work.ARCHIVE:
        return failed(begun, "job-stopped", "it was told to stop")
    if begun.work is Work.BACKUP:
        return _backup_ended(begun, result)
    return _test_ended(begun, result)


def failed(begun: Begun, code: str, why: str) -> Ended:
    """Work that came to nothing."""
    return Ended(begun.work, begun.key, passed=False, code=code, why=why, path=begun.path)


def _backup_ended(begun: Begun, result: Mapping[str, Any]) -> Ended:
    try:
        return Ended(
            begun.work,
            begun.key,
            passed=True,
            path=str(result["path"]),
            digest=str(result["digest"]),
            size_bytes=int(result["size_bytes"]),
            taken_ms=int(result["taken_ms"]),
            took_ms=int(result["took_ms"]),
            tables=int(result["tables"]),
            rows=int(result["rows"]),
        )
    except (KeyError, TypeError, ValueError):
        return failed(begun, "no-backup", "its result names no backup")


def _test_ended(begun: Begun, result: Mapping[str, Any]) -> Ended:
    tables = [each for each in result.get("tables") or [] if isinstance(each, dict)]
    differences = [str(each) for each in result.get("differences") or []]
    passed = result.get("passed") is True
    why = "" if passed else (differences[0] if differences else "its result does not say that it passed")
    return Ended(
        begun.work,
        begun.key,
        passed=passed,
        code="" if passed else "restore-differs",
        why=why,
        path=begun.path,
        took_ms=int(result.get("took_ms") or 0),
        tables=len(tables),
        rows=sum(int(each.get("rows") or 0) for each in tables),
    )


def failures_of(history: WorkState) -> str:
    """How the last run failed, empty when it did not."""
    last = history.last
    return "" if last is None or last.passed else f"{last.why} [{last.code}]"


def after(state: UpkeepState, notes: Sequence[Note], at_ms: int) -> UpkeepState:
    """The state once these notes stand in the book."""
    for note in notes:
        state = evolve_upkeep(state, note, at_ms)
    return state
