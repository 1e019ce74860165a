"""The probe `restore`: the newest backup comes back, in time, and little would be lost. Measures both.

Everything is restored into a scratch database, or a server of its own, and removed again.
"""

import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.clock.pause import pause
from tminus.adapters.postgres.archive import WAL, newest_line
from tminus.adapters.postgres.backup import PostgresBackup
from tminus.adapters.postgres.base import read_base
from tminus.adapters.postgres.mark import write_on
from tminus.adapters.postgres.proof import prove_base
from tminus.adapters.postgres.session import connect, faults, limited, parse_address
from tminus.adapters.postgres.stored import PostgresBackups
from tminus.adapters.postgres.wal import filled_to, segments
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import HOUR_MS, Millis, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.readiness.upkeep import StoredBackup
from tminus.ports.database import RestoreReading
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted
from tminus.probes.guard import guarded

_AN_HOUR = Millis(HOUR_MS)
_TIDY_MS = 2_000  # kept back to remove what was restored
_TIDY_SHARE = 5  # of a short limit
_LOOK_MS = 50
_BROKEN = frozenset({"backup-unreadable", "restore-failed", "archive-broken"})
"""Codes of a backup that was seen not to come back; others are about this machine."""


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """What is restored where, and in which time.

    Attributes:
        url: a secret, the database of which tminus keeps backups; a scratch database is made beside it.
        rto: how long the restore and the comparison may take.
        rpo: how much time of work may be lost with what is kept.
    """

    url: SecretRef
    rto: Millis = _AN_HOUR
    rpo: Millis = _AN_HOUR

    def __post_init__(self) -> None:
        """Refuses what no backup could keep.

        Raises:
            ValueError: see its sentence.
        """
        if self.rto <= 0 or self.rpo <= 0:
            raise ValueError("rto and rpo are longer than 0s")


def _source(settings: RestoreSettings, target: Target) -> str:
    return f"the newest backup of {target.service or 'the service'}, restored beside {settings.url.text()}"


def _ask(settings: RestoreSettings, around: Around, limit_ms: int) -> Answer:
    source, url = _source(settings, around.target), around.secret(settings.url)
    backups = PostgresBackups().list_backups(around.backups)
    if not backups:
        return failed("there is no backup to restore", source)
    newest = backups[-1]
    stop = threading.Event()
    timer = threading.Timer((limit_ms - min(_TIDY_MS, limit_ms // _TIDY_SHARE)) / 1000, stop.set)
    timer.daemon = True
    timer.start()
    deadline = Deadline(limit_ms)
    try:
        rpo_ms = _loss_ms(newest, url, around, stop)
        began = deadline.taken_ms
        reading = _restored(newest, url, around, stop)
        rto_ms = deadline.taken_ms - began
    except Refused as fault:
        if fault.code in _BROKEN:
            return failed(f"{Path(newest.path).name} does not come back: {fault.why}", source)
        if fault.code.startswith("pg-"):
            return unknown(fault.why, source)
        raise
    except Unavailable as fault:
        late = f"it was not restored within {limit_ms} ms"
        return unknown(late if stop.is_set() else fault.why, source)
    finally:
        timer.cancel()
    return _judged(settings, reading, (rto_ms, rpo_ms), source)


def _judged(settings: RestoreSettings, reading: RestoreReading, took: tuple[int, int], source: str) -> Answer:
    rto_ms, rpo_ms = took
    rows = sum(table.rows for table in reading.tables)
    facts = {"rto_ms": rto_ms, "rpo_ms": rpo_ms, "tables": len(reading.tables), "rows": rows}
    if reading.differences:
        first, more = reading.differences[0], len(reading.differences) - 1
        why = f"not everything came back: {first}{f', and {more} more differences' if more else ''}"
        return failed(why, source, "\n".join(reading.differences), **facts)
    if not reading.tables:
        return failed("the backup holds no table, so it proves nothing", source, "", **facts)
    wrong = []
    if rto_ms > settings.rto:
        wrong.append(f"the restore took {_shown(rto_ms)}, limit {format_duration(settings.rto)}")
    if rpo_ms > settings.rpo:
        wrong.append(f"the work of {_shown(rpo_ms)} would be lost, limit {format_duration(settings.rpo)}")
    if wrong:
        return failed("; ".join(wrong), source, "", **facts)
    tables = counted(len(reading.tables), "table")
    why = f"{tables} came back row for row in {_shown(rto_ms)}; the work of {_shown(rpo_ms)} would be lost"
    return passed(why, source, "", **facts)


def _restored(newest: StoredBackup, url: str, around: Around, stop: threading.Event) -> RestoreReading:
    path = Path(newest.path)
    if not newest.whole:
        return PostgresBackup(url, around.scratch).test_restore(path, stop)
    archive = around.backups if newest.unbroken else None
    return prove_base(url, path, around.scratch, archive, stop)


def _loss_ms(newest: StoredBackup, url: str, around: Around, stop: threading.Event) -> int:
    """How old the newest state is that could be restored now.

    That of the backup; where the log is archived without a gap, how long it takes until what is written now
    is in the archive.

    Raises:
        Unavailable: `archive-behind`; as `connect`.
    """
    line = newest_line(around.backups / WAL) if newest.whole and newest.unbroken else None
    if line is None:
        return max(0, around.now_ms() - newest.taken_ms)
    address, segment_bytes = parse_address(url), read_base(Path(newest.path)).segment_bytes
    with closing(connect(address)) as connection, limited(connection, stop=stop), faults(address):
        wanted = write_on(connection)
    since = Deadline(HOUR_MS)
    while filled_to(segments(line, segment_bytes), segment_bytes) <= wanted:
        if stop.is_set() or not pause(_LOOK_MS, since):
            raise Unavailable("archive-behind", "the server's log does not come into the archive")
    return since.taken_ms


def _shown(duration_ms: int) -> str:
    return format_duration(duration_ms if duration_ms < 10_000 else duration_ms // 1000 * 1000)  # noqa: PLR2004 - shorter ones are shown exactly


RESTORE = ProbeKind(RestoreSettings, guarded(_ask, _source))
"""See `RestoreSettings`."""
