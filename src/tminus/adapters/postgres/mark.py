"""A point of the log at which the content of a database is known: a snapshot, its counts, a position."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tminus.adapters.postgres.counts import count_tables
from tminus.adapters.postgres.session import Connection
from tminus.adapters.postgres.wal import parse_lsn
from tminus.ports.database import TableCount

_QUIET_S = 5.0  # so long a moment is looked for in which no transaction writes
_LOOK_S = 0.01
_MOST_SUSPECTS = 10_000  # transactions between two moments that follow each other at once


@dataclass(frozen=True, slots=True)
class Mark:
    """See the module.

    Attributes:
        taken_ms: milliseconds since the epoch.
        position: of the log; every transaction that the snapshot sees has ended before it.
        snapshot: as PostgreSQL writes it, `xmin:xmax:xip,…`.
        tables: counted in the snapshot; logged tables alone, for others are not in the log.
    """

    taken_ms: int
    position: int
    snapshot: str
    tables: tuple[TableCount, ...]


def take_mark(connection: Connection, stopped: Callable[[], bool]) -> Mark:
    """A mark at a moment in which nobody writes, where there is one within seconds.

    Raises:
        psycopg.Error: the connection ended.
    """
    ends_at = time.monotonic() + _QUIET_S
    while True:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute(
            "SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_insert_lsn()::text"
        ).fetchone()
        assert row is not None
        snapshot, position = str(row[0]), parse_lsn(str(row[1]))
        if not _writing(snapshot) or time.monotonic() >= ends_at or stopped():
            break
        connection.execute("ROLLBACK")
        time.sleep(_LOOK_S)
    taken_ms = time.time_ns() // 1_000_000
    tables = tuple(count_tables(connection, logged_only=True))
    connection.execute("COMMIT")
    return Mark(taken_ms, position, snapshot, tables)


def write_on(connection: Connection) -> int:
    """Adds two small records to the log, and returns the position between them.

    Once the log is held beyond that position, everything that was committed before is held.

    Raises:
        psycopg.Error: the connection ended, or nothing may be written.
    """
    connection.execute("SELECT pg_catalog.pg_current_xact_id()")  # its commit is a record
    row = connection.execute("SELECT pg_catalog.pg_current_wal_insert_lsn()::text").fetchone()
    connection.execute("SELECT pg_catalog.pg_current_xact_id()")
    assert row is not None
    return parse_lsn(str(row[0]))


def committed_since(connection: Connection, snapshot: str) -> bool:
    """Whether a restored server holds a transaction that the snapshot did not see.

    Then the two cannot be compared: what differs may be right.

    Raises:
        psycopg.Error: the connection ended.
    """
    row = connection.execute("SELECT pg_catalog.pg_current_snapshot()::text").fetchone()
    assert row is not None
    ends = int(str(row[0]).split(":")[1])
    begins = int(snapshot.split(":")[1])
    suspects = [*_writing(snapshot), *range(begins, min(ends, begins + _MOST_SUSPECTS))]
    statuses = connection.execute(
        "SELECT pg_catalog.pg_xact_status(x::text::xid8) FROM pg_catalog.unnest(%s::bigint[]) AS x",
        [[suspect for suspect in suspects if suspect < ends]],
    ).fetchall()
    return any(status == "committed" for (status,) in statuses)


def _writing(snapshot: str) -> list[int]:
    """Transactions that had written, and not ended."""
    return [int(part) for part in snapshot.split(":")[2].split(",") if part]
