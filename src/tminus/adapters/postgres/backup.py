"""Backups of PostgreSQL: taken in one snapshot, and proven by restoring them."""

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from tminus.adapters.postgres.counts import count_tables, names_of_tables
from tminus.adapters.postgres.dump import DumpFile, Sidecar, alone_in, disk_faults
from tminus.adapters.postgres.guarded import Ending, Guarded
from tminus.adapters.postgres.precedence import announce_backup
from tminus.adapters.postgres.programs import find_program
from tminus.adapters.postgres.restore import Restore
from tminus.adapters.postgres.session import Address, Connection, connect, cut, faults, limited, parse_address
from tminus.ports.database import BackupReading, RestoreReading, TableCount
from tminus.ports.fault import PortFault, Refused, Unavailable

Find = Callable[[str, int], Path]
"""Finds a program by its name and the server's major version."""

_PIPE_BYTES = 1024 * 1024
_LOOK_S = 0.1  # how often a wish to stop is looked at
_LOCK_WAIT_MS = 10_000  # pg_dump waits so long for a table that a migration holds
_ASK_LIMIT_MS = 10_000  # of a question about the catalogue, which takes milliseconds
_MAINTENANCE = ("postgres", "template1")  # databases that every server has
_DEADLINE_MS = 24 * 3_600_000  # the job's own deadline is shorter; this one ends what nobody watches


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The state of the database that both pg_dump and the counts see."""

    name: str
    taken_ms: int
    server_version: int

    @property
    def server_major(self) -> int:
        return self.server_version // 10_000


class PostgresBackup:
    """`ports.database.Backup` with pg_dump and pg_restore."""

    def __init__(self, url: str, log_directory: Path, find: Find = find_program, *, wait_ms: int = 0) -> None:
        """Makes no call.

        Args:
            url: connection string, password included.
            log_directory: where the programs' output is kept.
            find: see `Find`.
            wait_ms: how long another backup into the same directory may take to end.

        Raises:
            Refused: `database-url-invalid`.
        """
        self._address = parse_address(url)
        self._logs = log_directory
        self._find = find
        self._wait_ms = wait_ms

    def take_backup(self, directory: Path, stop: threading.Event) -> BackupReading:
        """See the port. The dump is in pg_dump's custom format, readable by its owner only.

        Raises:
            Refused: `backup-failed`, `pg-tools-missing`, `pg-tools-older`.
            Unavailable: `database-unreachable`, `database-stopped`, `disk-full`, `backup-running`,
                `backup-unwritable`.
        """
        started = time.monotonic()
        with (
            alone_in(directory, stop, self._wait_ms),
            closing(connect(self._address)) as connection,
            limited(connection, stop=stop),
        ):
            with faults(self._address, "backup-failed"):
                announce_backup(connection)
                snapshot = _take_snapshot(connection)
            program = self._find("pg_dump", snapshot.server_major)
            with disk_faults(directory), DumpFile(directory, snapshot.taken_ms) as dump:
                sidecar = self._dump(program, connection, snapshot, dump, stop)
        took_ms = int((time.monotonic() - started) * 1000)
        return BackupReading(
            path=str(dump.path),
            digest=sidecar.digest,
            size_bytes=sidecar.size_bytes,
            taken_ms=sidecar.taken_ms,
            took_ms=took_ms,
            tables=len(sidecar.tables),
            rows=sum(count.rows for count in sidecar.tables),
        )

    def has_nothing(self) -> bool:
        """Whether there is no table to back up, because the database is empty or is not there.

        Raises:
            Unavailable: `database-unreachable`, `database-slow`.
        """
        try:
            connection = connect(self._address)
        except Unavailable:
            if self._is_absent():
                return True
            raise
        with closing(connection), limited(connection, _ASK_LIMIT_MS), faults(self._address, "backup-failed"):
            return not names_of_tables(connection)

    def _is_absent(self) -> bool:
        """Whether the server answers and has no database of that name."""
        parts = self._address.parts
        wanted = parts.get("dbname") or parts.get("user")
        for other in _MAINTENANCE:
            with (
                suppress(Unavailable),
                closing(connect(self._address, database=other)) as connection,
                limited(connection, _ASK_LIMIT_MS),
                faults(self._address, "backup-failed"),
            ):
                query = "SELECT FROM pg_catalog.pg_database WHERE datname = %s"
                return wanted is not None and connection.execute(query, [wanted]).fetchone() is None
        return False

    def test_restore(self, path: Path, stop: threading.Event) -> RestoreReading:
        """See the port. The scratch database is made on the same server.

        Raises:
            Refused: `backup-unreadable`, `restore-failed`, `pg-tools-missing`, `pg-tools-older`.
            Unavailable: `database-unreachable`, `database-stopped`, or `disk-full`.
        """
        return Restore(self._address, path, self._logs / "pg_restore.log", self._find).test(stop)

    def _dump(
        self,
        program: Path,
        connection: Connection,
        snapshot: _Snapshot,
        dump: DumpFile,
        stop: threading.Event,
    ) -> Sidecar:
        """Writes the dump while another thread counts; both must be fine."""
        with _Counting(connection, self._address) as counting:
            ending = self._copy(program, snapshot, dump, counting, stop)
            tables = counting.result()
        if stop.is_set():
            raise Unavailable("database-stopped", "told to stop")
        if not ending.fine:
            with closing(connect(self._address)):  # a server that has gone is another matter
                raise Refused("backup-failed", f"pg_dump ended with {ending.code}: {ending.tail}")
        return dump.finish(snapshot.taken_ms, snapshot.server_major, tables)

    def _copy(
        self, program: Path, snapshot: _Snapshot, dump: DumpFile, counting: "_Counting", stop: threading.Event
    ) -> Ending:
        """Runs pg_dump into `dump`, through a pipe, so that a full disk is seen here, as what it is."""
        argv = [str(program), "--format=custom", f"--snapshot={snapshot.name}", "--no-password"]
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "wb") as sink:
            guarded = Guarded(
                [*argv, f"--lock-wait-timeout={_LOCK_WAIT_MS}"],
                self._logs,
                self._address.environment(snapshot.server_version),
                deadline_ms=_DEADLINE_MS,
                log=self._logs / "pg_dump.log",
                secrets=self._address.secrets,
                stdout_fd=writer,
            )
            with guarded:
                sink.close()
                _pour(source, dump, guarded, lambda: stop.is_set() or counting.failed)
                while (ending := guarded.wait(_LOOK_S)) is None:
                    pass
                return ending


def _pour(source: IO[bytes], dump: DumpFile, guarded: Guarded, unwanted: Callable[[], bool]) -> None:
    """Writes what comes into the dump until nothing more comes; stops the program once it is unwanted."""
    told = False
    while True:
        ready, _, _ = select.select([source], [], [], _LOOK_S)
        content = source.read(_PIPE_BYTES) if ready else None
        if content:
            dump.write(content)
        elif content is not None:
            return
        if not told and unwanted():
            guarded.stop()
            told = True


class _Counting:
    """Counts in a thread of its own; leaving the block ends it."""

    def __init__(self, connection: Connection, address: Address) -> None:
        """Begins."""
        self._connection = connection
        self._address = address
        self._tables: tuple[TableCount, ...] = ()
        self._fault: PortFault | None = None
        self._thread = threading.Thread(target=self._count, name="count", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """The counts will not come."""
        return self._fault is not None

    def result(self) -> tuple[TableCount, ...]:
        """The counts, once they are there.

        Raises:
            PortFault: what kept them from coming.
        """
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        return self._tables

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            cut(self._connection)
            self._thread.join()

    def _count(self) -> None:
        try:
            with faults(self._address, "backup-failed"):
                self._tables = tuple(count_tables(self._connection))
        except PortFault as fault:
            self._fault = fault
        except Exception as error:  # noqa: BLE001 - a thread that ends unseen would count nothing
            self._fault = Refused("backup-failed", f"the tables cannot be counted: {type(error).__name__}")


def _take_snapshot(connection: Connection) -> _Snapshot:
    # The isolation that pg_dump itself asks for when it takes the snapshot over.
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    row = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
    assert row is not None
    return _Snapshot(row[0], time.time_ns() // 1_000_000, connection.info.server_version)
