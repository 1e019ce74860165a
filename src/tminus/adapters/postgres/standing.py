"""Whether a server and a role allow what base backups and an archive of the log need."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg import pq
from psycopg.conninfo import make_conninfo

from tminus.adapters.postgres.programs import find_program
from tminus.adapters.postgres.session import (
    APPLICATION,
    CONNECT_LIMIT_S,
    Address,
    Connection,
    connect,
    faults,
    limited,
    parse_address,
)
from tminus.ports.fault import Refused

PROGRAMS = ("pg_basebackup", "pg_receivewal", "pg_verifybackup", "postgres")
MIRRORED_SETTINGS = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""A copy that replays the log refuses to with less of these than the server had."""

_LEAST_SENDERS = 3  # one of the archive, two of a base backup
_LEAST_SLOTS = 2  # the archive's, and that of a base backup
_ASK_LIMIT_MS = 10_000  # of questions that take milliseconds


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server says of itself and of the role.

    Attributes:
        version: as PostgreSQL counts, 160003 for 16.3.
        settings: by name.
        replication: the role may replicate.
        tablespaces: that lie outside of the server's own folder.
    """

    version: int
    settings: Mapping[str, str]
    replication: bool
    tablespaces: Sequence[str]

    @property
    def major(self) -> int:
        """16 for 16.3."""
        return self.version // 10_000

    @property
    def segment_bytes(self) -> int:
        """Length of a segment of the log."""
        return int(self.settings["wal_segment_size"])


def read_standing(connection: Connection) -> Standing:
    """Asks the server.

    Raises:
        psycopg.Error: the connection ended.
    """
    names = [*MIRRORED_SETTINGS, "wal_segment_size", "wal_level", "max_replication_slots"]
    rows = connection.execute(
        "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY(%s)", [names]
    ).fetchall()
    role = connection.execute(
        "SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    spaces = connection.execute(
        "SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')"
    ).fetchall()
    return Standing(
        connection.info.server_version, dict(rows), role == (True,), [str(name) for (name,) in spaces]
    )


def check_standing(standing: Standing) -> None:
    """Returns where base backups and an archive are possible.

    Raises:
        Refused: `replication-denied`, `wal-level-low`, `wal-senders-few`, `tablespaces-apart`.
    """
    if not standing.replication:
        why = (
            "its role may not replicate: ALTER ROLE … REPLICATION, and an entry `replication` in pg_hba.conf"
        )
        raise Refused("replication-denied", f"the log of the database cannot be archived: {why}")
    level = standing.settings["wal_level"]
    if level == "minimal":
        raise Refused("wal-level-low", "wal_level of the server is minimal: set it to replica")
    senders = int(standing.settings["max_wal_senders"])
    if senders < _LEAST_SENDERS:
        why = f"max_wal_senders of the server is {senders}: set it to {_LEAST_SENDERS} or more"
        raise Refused("wal-senders-few", why)
    slots = int(standing.settings["max_replication_slots"])
    if slots < _LEAST_SLOTS:
        why = f"max_replication_slots of the server is {slots}: set it to {_LEAST_SLOTS} or more"
        raise Refused("wal-senders-few", why)
    if standing.tablespaces:
        spaces = ", ".join(standing.tablespaces)
        raise Refused(
            "tablespaces-apart", f"the server keeps tablespaces apart, which is not supported: {spaces}"
        )


def check_archiving(url: str) -> None:
    """Asks server, role and this machine, before anything is begun that needs them.

    Raises:
        Refused: as `check_standing`; `pg-tools-missing`, `pg-tools-older`, `pg-tools-newer`,
            `database-url-invalid`.
        Unavailable: `database-unreachable`, `database-slow`.
    """
    address = parse_address(url)
    with closing(connect(address)) as connection, limited(connection, _ASK_LIMIT_MS), faults(address):
        standing = read_standing(connection)
    check_standing(standing)
    for name in PROGRAMS:
        find_program(name, standing.major, exactly=name == "postgres")
    _check_connection(address)


def _check_connection(address: Address) -> None:
    """A role that may replicate can still be kept out by the server's list of who may connect."""
    parts = {**address.parts, "replication": "true", "application_name": APPLICATION}
    parts["connect_timeout"] = CONNECT_LIMIT_S
    connection = pq.PGconn.connect(make_conninfo("", **parts).encode())
    try:
        if connection.status != pq.ConnStatus.OK:
            why = address.scrubbed(connection.error_message.decode(errors="replace"))
            raise Refused("replication-denied", f"no connection for replication to the database: {why}")
    finally:
        connection.finish()
