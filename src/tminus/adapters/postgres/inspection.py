"""Questions to PostgreSQL, each in a read-only transaction with a time limit. Must not change anything."""

import math
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from tminus.adapters.postgres.session import Connection, connect, faults, limited, parse_address
from tminus.adapters.postgres.version import read_schema_version
from tminus.domain.plan.database import Integrity
from tminus.ports.database import DatabaseReading, IntegrityAnswer, Share
from tminus.ports.fault import PortFault, Refused

T = TypeVar("T")
_LIMIT_LEAST_MS = 1  # PostgreSQL takes 0 for no limit
_CUT_AFTER_MS = 500  # the server ends what is late; a server that hangs is cut off so much later
_SAFE_INTEGER = 2**53 - 1  # more cannot be written as JSON
_SHOWN_CHARS = 80  # of a value in a sentence
_MILLION = 1_000_000
_BOOLEAN_OID = 16
_BOOLEANS = {"t": "true", "f": "false"}

# Connections by database and not by session: what another session is may be hidden from this role.
_CONNECTIONS = """
SELECT (SELECT pg_catalog.sum(numbackends) FROM pg_catalog.pg_stat_database WHERE datid <> 0)::bigint,
       (SELECT pg_catalog.sum(CASE name WHEN 'max_connections' THEN setting::bigint ELSE -setting::bigint END)
        FROM pg_catalog.pg_settings
        WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections'))::bigint,
       (SELECT pg_catalog.count(DISTINCT pid) FROM pg_catalog.pg_locks WHERE NOT granted)
"""
# An idle replica that has caught up has no lag to tell.
_REPLICAS = """
SELECT (pg_catalog.max(extract(epoch FROM coalesce(replay_lag, interval '0'))) * 1000)::bigint
FROM pg_catalog.pg_stat_replication WHERE state = 'streaming'
"""


class PostgresInspection:
    """`ports.database.Inspection` over one connection, opened when first needed and again after it ended."""

    def __init__(self, url: str) -> None:
        """Makes no call.

        Raises:
            Refused: `database-url-invalid`.
        """
        self._address = parse_address(url)
        self._connection: Connection | None = None

    def read_database(self, limit_ms: int) -> DatabaseReading:
        """See the port. Replicas that this role may not see count as none.

        Raises:
            Refused: `database-refused`.
            Unavailable: `database-unreachable`, `database-slow`.
        """
        return self._transact(limit_ms, "database-refused", _read)

    def check_integrity(self, checks: Sequence[Integrity], limit_ms: int) -> tuple[IntegrityAnswer, ...]:
        """See the port. A boolean is `true` or `false`, also `t` or `f`; every value else as psql shows it.

        Raises:
            Unavailable: `database-unreachable`.
        """
        return tuple(self._check(check, limit_ms) for check in checks)

    def ask(self, sql: str, limit_ms: int) -> Share:
        """See the port.

        Raises:
            Refused: `question-invalid`.
            Unavailable: `database-unreachable`, `database-slow`.
        """

        def question(connection: Connection) -> Share:
            # Binary results go by the protocol that takes one statement alone: none can end the transaction.
            cursor = connection.execute(sql.encode(), binary=True)
            if cursor.description is None:
                raise Refused("question-invalid", "it answers no rows: it must be a query")
            return _share(cursor.fetchmany(2))

        return self._transact(limit_ms, "question-invalid", question)

    def read_numbers(self, sql: str, limit_ms: int) -> tuple[str, ...] | None:
        """The numbers of the only row that a query answers, as texts; None where it answers none, or NULL.

        Raises:
            Refused: `question-invalid`.
            Unavailable: `database-unreachable`, `database-slow`.
        """

        def question(connection: Connection) -> tuple[str, ...] | None:
            # Binary, for the reason that `ask` has.
            cursor = connection.execute(sql.encode(), binary=True)
            if cursor.description is None:
                raise Refused("question-invalid", "it answers no rows: it must be a query")
            return _numbers(cursor.fetchmany(2))

        return self._transact(limit_ms, "question-invalid", question)

    def close(self) -> None:
        """Closes the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self, check: Integrity, limit_ms: int) -> IntegrityAnswer:
        try:
            value, accepted = self._transact(
                limit_ms, "check-invalid", lambda connection: _first_value(connection, check)
            )
        except PortFault as fault:
            if fault.code == "database-unreachable":
                raise
            return IntegrityAnswer(check.name, False, fault.why)  # noqa: FBT003 - the fields are named there
        passed = check.expect in accepted
        why = "" if passed else f"expected {_shown(check.expect)}, got {_shown(value)}"
        return IntegrityAnswer(check.name, passed, why)

    def _transact(self, limit_ms: int, fallback: str, question: Callable[[Connection], T]) -> T:
        """Asks in a transaction that can only read; the connection is left where it is not as it was."""
        limit_ms = max(limit_ms, _LIMIT_LEAST_MS)
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._address, read_only=True)
        connection = self._connection
        try:
            with limited(connection, limit_ms + _CUT_AFTER_MS), faults(self._address, fallback):
                connection.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms}".encode())
                answer = question(connection)
                connection.execute("ROLLBACK")
        except BaseException:
            self.close()
            raise
        return answer


def _read(connection: Connection) -> DatabaseReading:
    started = time.monotonic()
    connection.execute("SELECT 1")
    latency_us = int((time.monotonic() - started) * _MILLION)
    counts = connection.execute(_CONNECTIONS).fetchone()
    replicas = connection.execute(_REPLICAS).fetchone()
    assert counts is not None
    assert replicas is not None
    used, allowed, waiting = counts
    return DatabaseReading(
        connections_ppm=used * _MILLION // max(1, allowed),
        latency_us=latency_us,
        replica_lag_ms=replicas[0],
        schema_version=read_schema_version(connection),
        waiting=waiting,
    )


def _first_value(connection: Connection, check: Integrity) -> tuple[str | None, tuple[str, ...]]:
    """The first value as PostgreSQL writes it, None for NULL; and the texts that mean this value."""
    # Prepared, since only that protocol takes one statement alone and answers in text.
    cursor = connection.execute(check.sql.encode(), prepare=True)
    result = cursor.pgresult
    if cursor.description is None or result is None:
        raise Refused("check-invalid", "it answers no rows: it must be a query")
    if not result.ntuples or not result.nfields:
        raise Refused("check-invalid", "it answered no rows")
    value = result.get_value(0, 0)
    if value is None:
        return None, ()
    text = value.decode(errors="replace")
    return text, (text, _BOOLEANS[text]) if result.ftype(0) == _BOOLEAN_OID else (text,)


def _share(rows: Sequence[tuple[object, ...]]) -> Share:
    """The answer of a question.

    Raises:
        Refused: `question-invalid`.
    """
    if len(rows) != 1:
        raise Refused(
            "question-invalid", f"it must answer one row, and answered {'several' if rows else 'none'}"
        )
    if len(rows[0]) != 2:  # noqa: PLR2004 - bad and all
        raise Refused("question-invalid", f"it must answer two values, bad and all, not {len(rows[0])}")
    bad, total = (_count(value) for value in rows[0])
    if not 0 <= bad <= total:
        raise Refused("question-invalid", f"{bad} bad of {total} cases cannot be")
    return Share(bad, total)


def _numbers(rows: Sequence[tuple[object, ...]]) -> tuple[str, ...] | None:
    if not rows or None in rows[0]:
        return None
    if len(rows) > 1:
        raise Refused("question-invalid", "it must answer one row, and answered several")
    for value in rows[0]:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise Refused("question-invalid", f"it must answer numbers, not {type(value).__name__}")
    return tuple(str(value) for value in rows[0])


def _count(value: object) -> int:
    number = _whole(value)
    if number is None:
        kind = "NULL" if value is None else type(value).__name__
        raise Refused("question-invalid", f"it must answer two whole numbers, not {kind}")
    if abs(number) > _SAFE_INTEGER:
        raise Refused("question-invalid", "it answered a number beyond 2**53 - 1")
    return number


def _whole(value: object) -> int | None:
    """The integer that a value is, in whichever type PostgreSQL gave it; None when it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return None


def _shown(value: str | None) -> str:
    if value is None:
        return "NULL"
    return repr(value) if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]!r}…"
