"""Migrations: the team's own command, alone on the database, never in the way of traffic for long."""

import hashlib
import select
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tminus.adapters.postgres.guarded import Ending, Guarded
from tminus.adapters.postgres.precedence import await_backups
from tminus.adapters.postgres.session import (
    CONNECT_LIMIT_S,
    Connection,
    check_options,
    connect,
    faults,
    limited,
    parse_address,
)
from tminus.adapters.postgres.version import read_schema_version
from tminus.ports.database import MigrationReading, MigrationSpec
from tminus.ports.fault import PortFault, Refused, Unknown

APPLICATION = "tminus-migration"
_LOCK_WAIT_MS = 2_000  # the session of a run that was killed is gone by then
_LOOK_S = 0.1  # how often the command, the lock and a wish to stop are looked at
_ASK_LIMIT_MS = 10_000  # of a question beside the command; each takes milliseconds
_END_SESSIONS_S = 10.0  # for the server to end the sessions of a command that was killed
_DRIVERS_WITHOUT_OPTIONS = ("asyncpg", "pg8000")  # they refuse a connection string with `options`


class PostgresMigration:
    """`ports.database.Migration` under a lock that vanishes with the session that holds it."""

    def __init__(self, url: str, log_directory: Path, secrets: Sequence[str] = ()) -> None:
        """Makes no call.

        Args:
            url: connection string, password included; it must lead to the server itself, since a pooler
                that lends sessions out by the transaction keeps no lock.
            log_directory: the command's output is kept there, in `migrate.log`.
            secrets: more texts that must not get into the log.

        Raises:
            Refused: `database-url-invalid`.
        """
        self._url = url
        self._address = parse_address(url)
        self._logs = log_directory
        self._secrets = (*self._address.secrets, url, *secrets)

    def migrate(self, migration: MigrationSpec, stop: threading.Event) -> MigrationReading:
        """See the port. Where the connection string stands in the environment, options are added to it.

        Raises:
            Refused: `migration-running`, `migration-failed`, `migration-deadline`, `migration-stopped`.
            Unavailable: `database-unreachable`.
        """
        started = time.monotonic()
        with closing(connect(self._address)) as connection:
            with (
                limited(connection, _LOCK_WAIT_MS + _ASK_LIMIT_MS),
                faults(self._address, "migration-refused"),
            ):
                _lock(connection)
                _end_sessions(connection)
                before = read_schema_version(connection)
            await_backups(connection, self._address, stop)
            ending = self._run(migration, connection, stop)
            if not ending.fine:
                self._sweep()
        _judge(migration, ending)
        return MigrationReading(before, self._after(), int((time.monotonic() - started) * 1000))

    def _run(self, migration: MigrationSpec, connection: Connection, stop: threading.Event) -> Ending:
        """Runs the command for as long as it, the lock, and the wish for it last."""
        guarded = Guarded(
            migration.command,
            migration.directory,
            self._environment(migration, connection.info.server_version),
            deadline_ms=migration.deadline_ms,
            log=self._logs / "migrate.log",
            secrets=self._secrets,
            after=migration.after,
        )
        told = lost = False
        with guarded:
            while (ending := guarded.wait(_LOOK_S)) is None:
                lost = lost or _has_ended(connection)
                if not told and (lost or stop.is_set()):
                    guarded.stop()
                    told = True
        return replace(ending, ended="unlocked") if lost and not ending.fine else ending

    def _environment(self, migration: MigrationSpec, server_version: int) -> dict[str, str]:
        """The command's environment: every libpq in it keeps to the limits, whatever opens the connection."""
        options = f"-c lock_timeout={migration.lock_timeout_ms} {check_options(server_version)}".strip()
        environment = dict(migration.environment)
        for name, value in migration.environment.items():
            if value == self._url:
                environment[name] = with_options(value, f"{options} -c application_name={APPLICATION}")
        environment["PGOPTIONS"] = f"{options} {environment.get('PGOPTIONS', '')}".strip()
        environment.setdefault("PGAPPNAME", APPLICATION)
        environment.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_LIMIT_S))
        return environment

    def _sweep(self) -> None:
        """Ends what a killed command left running in the server, where the server can be reached."""
        with (
            suppress(PortFault),
            closing(connect(self._address)) as connection,
            limited(connection, _ASK_LIMIT_MS),
            faults(self._address),
        ):
            _end_sessions(connection)

    def _after(self) -> str:
        try:
            with (
                closing(connect(self._address)) as connection,
                limited(connection, _ASK_LIMIT_MS),
                faults(self._address),
            ):
                return read_schema_version(connection)
        except PortFault as fault:
            why = f"the command ended with 0, but what it did cannot be read: {fault.why}"
            raise Unknown("migration-unread", why) from fault


def with_options(url: str, options: str) -> str:
    """The connection string with settings for its sessions put before those that it has.

    Strings for drivers that take no such settings stay as they are.
    """
    parts = urlsplit(url)
    if not parts.scheme:
        own = str(conninfo_to_dict(url).get("options") or "")
        return make_conninfo(url, options=f"{options} {own}".strip())
    if parts.scheme.partition("+")[2] in _DRIVERS_WITHOUT_OPTIONS:
        return url
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    own = " ".join(value for name, value in pairs if name == "options")
    kept = [(name, value) for name, value in pairs if name != "options"]
    query = urlencode([*kept, ("options", f"{options} {own}".strip())], quote_via=quote)
    return urlunsplit(parts._replace(query=query))


def _judge(migration: MigrationSpec, ending: Ending) -> None:
    if ending.fine:
        return
    end = f": {ending.tail}" if ending.tail else ""
    match ending.ended:
        case "deadline":
            why = f"the command was not done within {migration.deadline_ms} ms and was killed{end}"
            raise Refused("migration-deadline", why)
        case "stopped":
            raise Refused("migration-stopped", f"the command was told to stop{end}")
        case "unlocked":
            why = "the session that held the migration lock ended, so the command was stopped"
            raise Refused("migration-failed", f"{why}{end}")
        case "unstartable":
            raise Refused("migration-failed", f"the command cannot be run{end}")
    raise Refused("migration-failed", f"the command ended with {ending.code}{end}")


def _lock(connection: Connection) -> None:
    """Takes the database's migration lock.

    Raises:
        Refused: `migration-running`.
    """
    connection.execute(f"SET lock_timeout = {_LOCK_WAIT_MS}".encode())
    try:
        connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", [_lock_key()])
    except psycopg.errors.LockNotAvailable:
        why = f"somebody else holds the migration lock of this database ({_holder(connection)})"
        raise Refused("migration-running", why) from None


def _holder(connection: Connection) -> str:
    key = _lock_key() % 2**64
    row = connection.execute(
        "SELECT pid FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = "
        "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) "
        "AND classid = %s::bigint::oid AND objid = %s::bigint::oid",
        [key >> 32, key % 2**32],
    ).fetchone()
    return "it has just let go" if row is None else f"server process {row[0]}"


def _lock_key() -> int:
    return int.from_bytes(hashlib.sha256(b"tminus-migration").digest()[:8], signed=True)


def _end_sessions(connection: Connection) -> None:
    """Ends sessions of a command whose client is gone: the server may still be at a long statement of it.

    Only called while no command runs: before one is started, or after one was killed.
    """
    ends_at = time.monotonic() + _END_SESSIONS_S
    left = True
    while left and time.monotonic() < ends_at:
        rows = connection.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid), pg_catalog.pg_sleep(0.05) "
            "FROM pg_catalog.pg_stat_activity WHERE application_name = %s "
            "AND datname = pg_catalog.current_database() AND usename = current_user "
            "AND pid <> pg_catalog.pg_backend_pid()",
            [APPLICATION],
        ).fetchall()
        left = bool(rows)


def _has_ended(connection: Connection) -> bool:
    """Whether an idle session is over: the server has something to say although nothing was asked."""
    ready, _, _ = select.select([connection.fileno()], [], [], 0)
    if not ready:
        return False
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return True
    return False
