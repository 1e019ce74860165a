"""A database as a launch needs it: backup, restore test, migration, integrity, readings. Used inside jobs."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tminus.domain.plan.database import Integrity


@dataclass(frozen=True, slots=True)
class BackupReading:
    """A backup that was taken.

    Attributes:
        path: of the file or folder.
        digest: `sha256:` of its content.
        size_bytes: of its content.
        taken_ms: when its snapshot was taken, milliseconds since the epoch.
        took_ms: how long it took.
        tables: counted in its snapshot.
        rows: of all tables.
    """

    path: str
    digest: str
    size_bytes: int
    taken_ms: int
    took_ms: int
    tables: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of a table and a checksum over them that does not depend on their order."""

    table: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class RestoreReading:
    """A backup restored into a scratch database, and compared with the snapshot it was taken from.

    `differences` are sentences; empty means that every table of the snapshot came back row for row.
    """

    tables: tuple[TableCount, ...]
    differences: tuple[str, ...]
    took_ms: int


@dataclass(frozen=True, slots=True)
class DatabaseReading:
    """What the database says of itself.

    Attributes:
        connections_ppm: share of the connections allowed that are in use.
        latency_us: of a trivial query.
        replica_lag_ms: of the slowest streaming replica; None without replicas.
        schema_version: as the migration tool recorded it; empty where it records none.
        waiting: sessions that wait for a lock.
    """

    connections_ppm: int
    latency_us: int
    replica_lag_ms: int | None = None
    schema_version: str = ""
    waiting: int = 0


class Backup(Protocol):
    """Takes and proves backups."""

    def take_backup(self, directory: Path, stop: threading.Event) -> BackupReading:
        """Takes a consistent backup into `directory`, with the counts of its own snapshot beside it.

        Raises:
            Refused: `backup-failed`, with the tool's last lines; nothing half-written is left.
            Unavailable: `database-unreachable`, or `disk-full`.
        """
        ...

    def test_restore(self, path: Path, stop: threading.Event) -> RestoreReading:
        """Restores into a scratch database, compares, and removes the scratch database in every case.

        Raises:
            Refused: `backup-unreadable`, `restore-failed`.
            Unavailable: `database-unreachable`, or `disk-full`.
        """
        ...


class Migration(Protocol):
    """Runs the team's own migration command, alone."""

    def migrate(self, migration: "MigrationSpec", stop: threading.Event) -> "MigrationReading":
        """Runs the command while holding the database's migration lock.

        Raises:
            Refused: `migration-running`, somebody holds the lock; `migration-failed`, `migration-deadline`,
                with the command's last lines.
            Unavailable: `database-unreachable`.
        """
        ...


@dataclass(frozen=True, slots=True)
class MigrationSpec:
    """A migration command and what it runs with; `environment` may hold secrets and is never shown.

    `after` is run when the command has ended, however it did: it takes away what is left elsewhere.
    """

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    deadline_ms: int = 600_000
    lock_timeout_ms: int = 3_000
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationReading:
    """Schema versions before and after, empty where the tool records none, and how long it took."""

    before: str
    after: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class IntegrityAnswer:
    """The answer of one integrity query; `why` is empty when it passed."""

    name: str
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Bad and all cases that a question counted."""

    bad: int
    total: int


class Inspection(Protocol):
    """Asks the database, with a time limit on every question."""

    def read_database(self, limit_ms: int) -> DatabaseReading:
        """What it says of itself.

        Raises:
            Unavailable: `database-unreachable`, `database-slow`.
        """
        ...

    def check_integrity(self, checks: Sequence[Integrity], limit_ms: int) -> tuple[IntegrityAnswer, ...]:
        """Every check, also after one failed; a query that cannot be run did not pass.

        Raises:
            Unavailable: `database-unreachable`.
        """
        ...

    def ask(self, sql: str, limit_ms: int) -> Share:
        """One row of two integers.

        Raises:
            Refused: `question-invalid`, another shape, negative numbers, more bad than all, or no such table.
            Unavailable: `database-unreachable`, `database-slow`.
        """
        ...
