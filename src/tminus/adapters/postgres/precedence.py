"""Who waits for whom on one database: a migration lets a backup end that has begun, for a while."""

import hashlib
import threading
import time

from tminus.adapters.postgres.session import Address, Connection, faults, limited

_WAIT_S = 30.0  # whoever schedules backups stops one within seconds when a launch needs the database
_LOOK_S = 0.1
_ASK_LIMIT_MS = 10_000  # of one question, which takes milliseconds


def announce_backup(connection: Connection) -> None:
    """Says to migrations that a backup reads every table; ends with the session.

    Raises:
        psycopg.Error: the connection ended.
    """
    connection.execute("SELECT pg_catalog.pg_advisory_lock_shared(%s)", [_key()])


def await_backups(connection: Connection, address: Address, stop: threading.Event) -> None:
    """Returns once no backup is under way, or has gone on for so long that the migration's own limit decides.

    pg_dump holds a lock on every table: a migration that began meanwhile would fail by its lock timeout.

    Raises:
        Unavailable: `database-unreachable`, `database-slow`.
    """
    ends_at = time.monotonic() + _WAIT_S
    while time.monotonic() < ends_at:
        with limited(connection, _ASK_LIMIT_MS), faults(address, "migration-refused"):
            if connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [_key()]).fetchone() == (
                True,
            ):
                connection.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [_key()])
                return
        if stop.wait(_LOOK_S):
            return


def _key() -> int:
    return int.from_bytes(hashlib.sha256(b"tminus-backup").digest()[:8], signed=True)
