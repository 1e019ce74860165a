"""`tminus backups`: the backups of a service, what proves them, what is due next, and what was put off."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from tminus.adapters.clock.system_clock import SystemClock
from tminus.cli.agent import agent_runs
from tminus.cli.upkeep_note import note_text
from tminus.domain.codec import to_json
from tminus.domain.launch.reading import JobPhase
from tminus.domain.plan.times import SECOND_MS, format_duration, format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.upkeep import Note, StoredBackup, UpkeepState, Work, decode_note
from tminus.engine.decide.readiness.upkeep import Due, UpkeepSight, failures_of, next_due, usable
from tminus.engine.upkeep import Basis, Surveyor, read_upkeep
from tminus.wiring import Home, find_launch, open_home, refuse_missing_home

LAST_NOTES = 8
"""Enough to see what happened lately; `--json` has so many too, and `--notes` more."""

_MEBIBYTE = 1024 * 1024
_DIGEST_SHOWN = 19  # `sha256:` and twelve digits
_WHAT = {Work.BACKUP: "backup", Work.RESTORE_TEST: "restore test", Work.ARCHIVE: "archive"}


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is shown.

    Attributes:
        service: of the database.
        environment: of the service.
        directory: where backups are kept.
        now_ms: when it was looked at.
        basis: the launch whose plan is in force; None where there is no schedule.
        agent: whether an agent runs, without which nothing is done.
        occupied: which launch has the database, and why; empty when none has.
        state: the fold over the book.
        backups: on disk, oldest first.
        due: per work; None where there is nothing to do it with, or no schedule.
        notes: the newest, oldest first, each with its time.
        archive: what the archive of the log says of itself; empty where none runs.
    """

    service: str
    environment: str
    directory: str
    now_ms: int
    basis: Basis | None
    agent: bool
    occupied: str
    state: UpkeepState
    backups: Sequence[StoredBackup]
    due: Mapping[Work, Due | None]
    notes: Sequence[tuple[Note, int]]
    archive: Mapping[str, Any] = field(default_factory=dict)

    @property
    def covered_ms(self) -> int | None:
        """Until when everything committed is held by the archived log; None where no backup leads into it."""
        if not self.archive or not any(each.whole and each.unbroken for each in usable(self.backups)):
            return None
        covered = self.archive.get("covered_ms")
        return covered if isinstance(covered, int) else None

    @property
    def newest(self) -> StoredBackup | None:
        """The newest backup that no restore test has found wanting."""
        found = usable(self.backups)
        return found[-1] if found else None

    @property
    def last_test(self) -> StoredBackup | None:
        """The backup whose restore test is the newest."""
        tested = [each for each in self.backups if each.tested_ms is not None]
        return max(tested, key=lambda each: each.tested_ms or 0, default=None)


@click.command("backups")
@click.argument("service", required=False)
@click.option("--notes", "count", default=LAST_NOTES, show_default=True, help="How many notes to show.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(service: str | None, count: int, *, as_json: bool) -> None:
    """Show the backups of SERVICE: a service, a launch of it, or the newest launch of ./launch.yaml.

    Says how old each is, how it was proven, how long the last restore took, what is due next, and what was
    deferred and why. Changes nothing; the agent takes backups by the schedule of the plan.
    """
    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, service)
        found = overview(home, row.service, row.environment, count)
    finally:
        home.close()
    if as_json:
        click.echo(json.dumps(overview_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(overview_lines(found)))


def overview(home: Home, service: str, environment: str, count: int = LAST_NOTES) -> Overview:
    """What is known of a service's backups.

    Raises:
        ProblemError: `no-backups`, there is neither a schedule nor a backup.
        PortFault: the journal or the folder cannot be read.
    """
    ports = home.upkeep(service, environment)
    now_ms = SystemClock().now_ms()
    rows = ports.book.launches(service, environment)
    survey = Surveyor(ports.journal, ports.shelf).survey(rows, ports.left_ms(), now_ms)
    backups = tuple(ports.store.list_backups(ports.directory))
    if survey.basis is None and not backups:
        raise ProblemError(_nothing(service, environment))
    entries = ports.notes.notes(service, environment)
    state = read_upkeep(entries)
    since_ms = 0 if survey.basis is None else survey.basis.since_ms
    sight = UpkeepSight(now_ms, since_ms, "", survey.occupied, {}, backups, survey.cited)
    due: dict[Work, Due | None] = dict.fromkeys(Work)
    if survey.basis is not None:
        schedule = survey.basis.database.backups
        due |= {work: next_due(schedule, state, sight, work) for work in (Work.BACKUP, Work.RESTORE_TEST)}
    return Overview(
        service=service,
        environment=environment,
        directory=str(ports.directory),
        now_ms=now_ms,
        basis=survey.basis,
        agent=agent_runs(home),
        archive=_archive(home, state),
        occupied=survey.occupied,
        state=state,
        backups=backups,
        due=due,
        notes=[
            (decode_note(each.kind, each.body), each.at_ms)
            for each in entries[len(entries) - count :]
            if count
        ],
    )


def _archive(home: Home, state: UpkeepState) -> Mapping[str, Any]:
    running = state.of(Work.ARCHIVE).running
    reading = None if running is None else home.jobs.read_jobs([running.key]).get(running.key)
    told = None if reading is None or reading.phase is not JobPhase.RUNNING else reading.progress
    return told if isinstance(told, dict) else {}


def _nothing(service: str, environment: str) -> Problem:
    return Problem(
        "no-backups",
        f"nothing backs up a database of {service}",
        f"{service} in {environment}",
        "no launch that was promoted has a plan with a database, and there is no backup on disk",
        "set `database.url` in launch.yaml, and launch",
    )


def overview_json(found: Overview) -> dict[str, Any]:
    """The answer for machines; times are milliseconds since the epoch."""
    basis = found.basis
    return {
        "service": found.service,
        "environment": found.environment,
        "directory": found.directory,
        "now_ms": found.now_ms,
        "launch": None if basis is None else basis.launch,
        "schedule": None if basis is None else to_json(basis.database.backups),
        "agent": found.agent,
        "occupied": found.occupied,
        "loss_ms": _loss_ms(found),
        "archive": dict(found.archive),
        "restored_in_ms": None if found.last_test is None else found.last_test.restored_in_ms,
        "backups": to_json(tuple(found.backups)),
        "works": {work.value: _work_json(found, work) for work in Work},
        "notes": [{"at_ms": at_ms, **_object(to_json(note))} for note, at_ms in found.notes],
    }


def _work_json(found: Overview, work: Work) -> dict[str, Any]:
    history, due = found.state.of(work), found.due.get(work)
    return {
        "due_ms": None if due is None else due.at_ms,
        "running": history.running is not None,
        "failures": history.failures,
        "last": None if history.last is None else to_json(history.last),
        "last_ms": history.last_ms or None,
        "good_ms": history.good_ms,
        "deferred": None if history.deferred is None else to_json(history.deferred),
    }


def _object(body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON that is known to be an object
    assert isinstance(body, dict)
    return body


def overview_lines(found: Overview) -> Iterator[str]:
    """The answer for people."""
    yield f"{found.service} in {found.environment}, backups in {found.directory}"
    yield from _schedule(found)
    yield ""
    yield from _table(found)
    yield ""
    yield from _measured(found)
    for work in Work:
        yield from _work(found, work)
    if found.notes:
        yield ""
        yield "lately"
        yield from (f"  {format_utc(at_ms)}  {note_text(note)}" for note, at_ms in found.notes)


def _schedule(found: Overview) -> Iterator[str]:
    if found.basis is None:
        yield "no schedule: no launch that was promoted and stands has a plan with a database"
        return
    plan = found.basis.database.backups
    every, keep, test = map(format_duration, (plan.every_ms, plan.keep_ms, plan.restore_every_ms))
    yield f"every {every}, kept for {keep}, restored every {test}, by the plan of {found.basis.launch}"
    if plan.rpo_ms is not None:
        how = "the log is archived" if plan.archived else "dumps alone are enough"
        yield f"at most {format_duration(plan.rpo_ms)} may be lost: {how}"
    if not found.agent:
        yield "no agent runs, so nothing is done by schedule: run `tminus agent`"


def _table(found: Overview) -> Iterator[str]:
    if not found.backups:
        yield "no backup yet"
        return
    rows: list[tuple[str, ...]] = [("age", "taken", "size", "tables", "rows", "digest", "restore test")]
    rows += [_row(found, each) for each in reversed(found.backups)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(found: Overview, each: StoredBackup) -> tuple[str, ...]:
    return (
        _rough(found.now_ms - each.taken_ms),
        format_utc(each.taken_ms),
        f"{each.size_bytes / _MEBIBYTE:.1f} MiB",
        str(each.tables),
        str(each.rows),
        each.digest[:_DIGEST_SHOWN],
        _tested(found, each),
    )


def _tested(found: Overview, each: StoredBackup) -> str:
    if each.tested_ms is None:
        return "not yet"
    ago = _rough(found.now_ms - each.tested_ms)
    return f"passed {ago} ago" if each.passed else f"FAILED {ago} ago"


def _measured(found: Overview) -> Iterator[str]:
    loss_ms = _loss_ms(found)
    if loss_ms is not None:
        since = "the newest backup" if found.covered_ms is None else "the log that is archived"
        yield f"would be lost now    {_rough(loss_ms)}: what was written since {since}"
    if found.archive.get("why"):
        yield f"the archive          {found.archive['why']}"
    test = found.last_test
    if test is not None and test.restored_in_ms is not None and test.tested_ms is not None:
        when = format_utc(test.tested_ms)
        seconds = f"{test.restored_in_ms / SECOND_MS:.1f} s"
        yield f"restored in          {seconds}, counted and compared, at {when}"


def _loss_ms(found: Overview) -> int | None:
    newest = found.newest
    if newest is None:
        return None
    held_ms = newest.taken_ms if found.covered_ms is None else max(newest.taken_ms, found.covered_ms)
    return max(0, found.now_ms - held_ms)


def _work(found: Overview, work: Work) -> Iterator[str]:
    history, due, what = found.state.of(work), found.due.get(work), _WHAT[work]
    if history.running is not None:
        yield f"{what + ' runs':<19}  since {format_utc(history.begun_ms)}"
    elif due is not None:
        late_ms = found.now_ms - due.at_ms
        when = f"due since {_rough(late_ms)}" if late_ms >= 0 else f"in {_rough(-late_ms)}"
        yield f"{'next ' + what:<19}  {when} ({format_utc(due.at_ms)})"
    why = failures_of(history)
    if why:
        last = f"{history.failures} in a row, last {format_utc(history.last_ms)}"
        yield f"{what + ' failed':<19}  {last}: {why}"
    if history.deferred is not None:
        yield f"{what + ' waits':<19}  due {format_utc(history.deferred.due_ms)}: {history.deferred.why}"


def _rough(duration_ms: int) -> str:
    """In whole seconds, or whole minutes from an hour on."""
    unit_ms = SECOND_MS if abs(duration_ms) < 3_600 * SECOND_MS else 60 * SECOND_MS
    return format_duration(duration_ms // unit_ms * unit_ms)
