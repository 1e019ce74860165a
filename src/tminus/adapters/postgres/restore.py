"""A backup proven: restored into a scratch database, counted there, compared, and removed again."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from tminus.adapters.postgres.counts import count_tables, differences
from tminus.adapters.postgres.dump import digest_of_file, read_sidecar
from tminus.adapters.postgres.guarded import Ending, Guarded
from tminus.adapters.postgres.session import Address, Connection, connect, faults, limited
from tminus.ports.database import RestoreReading, TableCount
from tminus.ports.fault import PortFault, Refused, Unavailable

_PREFIX = "tminus_restore_"
_DROP_LIMIT_MS = 60_000  # it waits for a checkpoint; what is left over is removed by the next run
_LOOK_S = 0.1  # how often a wish to stop is looked at
_DEADLINE_MS = 24 * 3_600_000  # the job's own deadline is shorter; this one ends what nobody watches
_ICU_SINCE, _LOCALE_SINCE = 150_000, 170_000  # versions in which pg_database got, and renamed, a column
# What a scratch database must not do or need: roles, replication, comments that only owners may write.
_OPTIONS = (
    "--exit-on-error",
    "--no-owner",
    "--no-privileges",
    "--no-publications",
    "--no-subscriptions",
    "--no-comments",
    "--no-security-labels",
    "--no-password",
)
_PROBE = """
CREATE TABLE public.tminus_probe AS
SELECT pg_catalog.md5(n::text) AS filler FROM pg_catalog.generate_series(1, 200000) AS n
"""


@dataclass(frozen=True, slots=True)
class Restore:
    """One test of one backup.

    Attributes:
        address: of the database that the backup was taken from, or another on a server to restore on.
        path: of the dump.
        log: where pg_restore's output is kept.
        find: finds a program by its name and the server's major version.
    """

    address: Address
    path: Path
    log: Path
    find: Callable[[str, int], Path]

    def test(self, stop: threading.Event) -> RestoreReading:
        """Restores, compares, and removes the scratch database in every case.

        Scratch databases of runs that were killed are removed first.

        Raises:
            Refused: `backup-unreadable`, `restore-failed`, `pg-tools-missing`, `pg-tools-older`.
            Unavailable: `database-unreachable`, `database-stopped`, or `disk-full`.
        """
        started = time.monotonic()
        sidecar = read_sidecar(self.path)
        altered = digest_of_file(self.path) != sidecar.digest
        with closing(connect(self.address)) as connection, limited(connection, stop=stop):
            version = connection.info.server_version
            program = self.find("pg_restore", version // 10_000)
            with faults(self.address, "restore-failed"):
                _remove_leftovers(connection)
                name = _make_scratch(connection)
            try:
                self._fill(program, name, self.address.environment(version), stop)
                tables = self._count(name, stop)
            finally:
                self._drop(connection, name)
        found = differences(sidecar.tables, tables)
        if altered:
            found = (f"the file {self.path.name} is not the one that was written: its digest differs", *found)
        return RestoreReading(tables, found, int((time.monotonic() - started) * 1000))

    def _fill(self, program: Path, name: str, environment: dict[str, str], stop: threading.Event) -> None:
        listing = self._run([str(program), "--list", str(self.path)], environment, stop)
        if not listing.fine:
            raise Refused("backup-unreadable", f"{self.path} is no backup of pg_dump: {listing.tail}")
        argv = [str(program), *_OPTIONS, f"--dbname={name}", str(self.path)]
        ending = self._run(argv, environment, stop)
        if not ending.fine:
            self._explain(name, stop)
            raise Refused("restore-failed", f"pg_restore ended with {ending.code}: {ending.tail}")

    def _run(self, argv: list[str], environment: dict[str, str], stop: threading.Event) -> Ending:
        with Guarded(
            argv,
            self.log.parent,
            environment,
            deadline_ms=_DEADLINE_MS,
            log=self.log,
            secrets=self.address.secrets,
        ) as guarded:
            while (ending := guarded.wait(_LOOK_S)) is None:
                if stop.is_set():
                    raise Unavailable("database-stopped", "told to stop")
        return ending

    def _explain(self, name: str, stop: threading.Event) -> None:
        """Looks for the cause of a failure where there is a code for it and not only a text.

        Raises:
            Unavailable: `database-unreachable`, `disk-full`.
        """
        with (
            closing(connect(self.address, database=name)) as scratch,
            limited(scratch, stop=stop),
            faults(self.address, "restore-failed"),
        ):
            scratch.execute(_PROBE)

    def _count(self, name: str, stop: threading.Event) -> tuple[TableCount, ...]:
        with (
            closing(connect(self.address, database=name)) as scratch,
            limited(scratch, stop=stop),
            faults(self.address, "restore-failed"),
        ):
            scratch.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return tuple(count_tables(scratch))

    def _drop(self, connection: Connection, name: str) -> None:
        """Drops the scratch database, over a new connection where the other was cut."""
        with (
            suppress(PortFault),
            closing(connect(self.address)) as other,
            limited(other, _DROP_LIMIT_MS),
            faults(self.address),
        ):
            _drop(other, name)
        connection.close()


def _make_scratch(connection: Connection) -> str:
    """An empty database with the encoding and order of this one, and a lock that says it is in use.

    The lock belongs to the session and vanishes with it, so what no session holds belongs to a dead run, on
    whichever machine that was.
    """
    query = "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
    row = connection.execute(query).fetchone()
    assert row is not None
    oid = row[0]
    name = f"{_PREFIX}{oid}_{os.getpid()}_{time.time_ns() // 1_000_000}"
    connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", [_key(name)])
    connection.execute(_creation(connection, name))
    return name


def _creation(connection: Connection, name: str) -> sql.Composed:
    version = connection.info.server_version
    locale = "datlocale" if version >= _LOCALE_SINCE else "daticulocale"
    more = f"datlocprovider::text, {locale}" if version >= _ICU_SINCE else "'c', NULL"
    query = f"""
        SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, {more}
        FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"""  # noqa: S608 - of constants
    row = connection.execute(query).fetchone()
    assert row is not None
    encoding, collate, ctype, provider, own = row
    made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        sql.Identifier(name), encoding, collate, ctype
    )
    if provider == "i":
        made += sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(own)
    elif provider == "b":
        made += sql.SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(own)
    return made


def _remove_leftovers(connection: Connection) -> None:
    """Drops scratch databases of this database that no living run holds, and that this role owns."""
    rows = connection.execute(
        """
        SELECT s.datname FROM pg_catalog.pg_database s, pg_catalog.pg_database d
        WHERE d.datname = pg_catalog.current_database()
          AND pg_catalog.starts_with(s.datname, %s || d.oid || '_')
          AND pg_catalog.pg_has_role(s.datdba, 'USAGE')
        """,
        [_PREFIX],
    ).fetchall()
    for (name,) in rows:
        held = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [_key(name)]).fetchone()
        if held == (True,):
            _drop(connection, name)
            connection.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [_key(name)])


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
