"""What one server says of its role, its replicas, its connections and its locks. Must not judge them."""

from contextlib import closing
from dataclasses import dataclass

from tminus.adapters.postgres.session import Address, Connection, connect, faults, limited

_MILLION = 1_000_000
_WAIT_SINCE = 140_000  # the version that tells since when a lock is waited for

# Of others than replicas, such as an archive of the log, no position of replay is known. A role that may not
# look at other sessions sees rows without a state. A lag is told for a while after it was made up.
_REPLICAS = """
SELECT pg_catalog.count(*) FILTER (WHERE state = 'streaming' AND replay_lsn IS NOT NULL),
       pg_catalog.count(*) FILTER (WHERE state IS NULL),
       (pg_catalog.max(CASE WHEN replay_lsn >= pg_catalog.pg_current_wal_lsn() THEN 0
                       ELSE extract(epoch FROM coalesce(replay_lag, interval '0')) END)
        FILTER (WHERE state = 'streaming' AND replay_lsn IS NOT NULL) * 1000)::bigint,
       (pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))
        FILTER (WHERE state = 'streaming'))::bigint
FROM pg_catalog.pg_stat_replication
"""
# What was received and replayed has no lag, however long ago it was.
_STANDBY = """
SELECT (SELECT pg_catalog.count(*) FILTER (WHERE status = 'streaming') FROM pg_catalog.pg_stat_wal_receiver),
       (SELECT pg_catalog.count(*) FILTER (WHERE status IS NULL) FROM pg_catalog.pg_stat_wal_receiver),
       (CASE WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
        ELSE extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END
        * 1000)::bigint,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(),
                                  pg_catalog.pg_last_wal_replay_lsn())::bigint
"""
_CONNECTIONS = """
SELECT (SELECT pg_catalog.sum(numbackends) FROM pg_catalog.pg_stat_database WHERE datid <> 0)::bigint,
       (SELECT pg_catalog.sum(CASE name WHEN 'max_connections' THEN setting::bigint ELSE -setting::bigint END)
        FROM pg_catalog.pg_settings
        WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections'))::bigint
"""
_WAITS = """
SELECT pg_catalog.count(DISTINCT pid),
       (pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp() - {since})) * 1000)::bigint
FROM pg_catalog.pg_locks WHERE NOT granted
"""


@dataclass(frozen=True, slots=True)
class Health:
    """What a server says of itself.

    Attributes:
        version: as PostgreSQL counts, 160003 for 16.3.
        primary: it takes writes.
        streaming: of a primary, replicas that stream and replay; of a replica, 1 where it streams.
        hidden: of these, what this role may not see.
        lag_ms: of the replica that is furthest behind; None where there is none, or none can be told.
        lag_bytes: the same, in bytes of the log.
        connections_ppm: in use, of those that this server gives to others than superusers.
        waiting: sessions that wait for a lock.
        longest_wait_ms: of these; None where none waits, or this server does not tell.
    """

    version: int
    primary: bool
    streaming: int
    hidden: int
    lag_ms: int | None
    lag_bytes: int | None
    connections_ppm: int
    waiting: int
    longest_wait_ms: int | None


def read_health(address: Address, limit_ms: int) -> Health:
    """Asks the server by a connection of its own that can only read.

    Args:
        address: of one server.
        limit_ms: for the questions; connecting has its own limit.

    Raises:
        Refused: `database-refused`.
        Unavailable: `database-unreachable`, `database-slow`.
    """
    with (
        closing(connect(address, read_only=True)) as connection,
        limited(connection, limit_ms),
        faults(address),
    ):
        return _read(connection)


def _read(connection: Connection) -> Health:
    (standby,) = _row(connection, "SELECT pg_catalog.pg_is_in_recovery()")
    streaming, hidden, lag_ms, lag_bytes = _row(connection, _STANDBY if standby else _REPLICAS)
    used, allowed = _row(connection, _CONNECTIONS)
    version = connection.info.server_version
    since = "waitstart" if version >= _WAIT_SINCE else "NULL::timestamptz"
    waiting, wait_ms = _row(connection, _WAITS.format(since=since))
    if waiting and wait_ms is None and version >= _WAIT_SINCE:
        wait_ms = 0  # the wait has begun so lately that its beginning is not written yet
    return Health(
        version=version,
        primary=not standby,
        streaming=streaming or 0,
        hidden=hidden or 0,
        lag_ms=lag_ms,
        lag_bytes=lag_bytes,
        connections_ppm=(used or 0) * _MILLION // max(1, allowed or 0),
        waiting=waiting or 0,
        longest_wait_ms=wait_ms,
    )


def _row(connection: Connection, sql: str) -> tuple[int | None, ...]:
    row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row
