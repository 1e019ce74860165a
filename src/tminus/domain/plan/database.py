"""What a launch knows of the service's database. Must not know which database it is."""

from dataclasses import dataclass, field

from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_LEAST_BEAT_MS, _MOST_BEAT_MS = 500, 10 * SECOND_MS
"""A measurement adds two small records to the log: often enough to see a limit broken, and no oftener."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """The team's own migration commands, split so that both versions can run on the schema between.

    Attributes:
        expand: run before the candidate starts; the stable version must live with its result.
        contract: removes what only the earlier version needs; the point of no return. Empty for none.
        deadline_ms: a command that takes longer is killed and counts as failed.
        lock_timeout_ms: a statement of it waits no longer for a lock, so that it never queues traffic
            behind itself.
    """

    expand: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    deadline_ms: int = 10 * MINUTE_MS
    lock_timeout_ms: int = 3 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Backups:
    """When backups are taken and how they are proven.

    Attributes:
        every_ms: between two scheduled backups.
        keep_ms: older ones are removed, the newest that was restored successfully never.
        restore_every_ms: between two scheduled restore tests.
        deadline_ms: of one backup or restore.
        oldest_ms: a launch needs a verified backup not older than this before it migrates.
        rpo_ms: how much may be lost at most; None where a dump every so often is enough.
    """

    every_ms: int = HOUR_MS
    keep_ms: int = DAY_MS
    restore_every_ms: int = 7 * DAY_MS
    deadline_ms: int = 30 * MINUTE_MS
    oldest_ms: int = HOUR_MS
    rpo_ms: int | None = None

    @property
    def archived(self) -> bool:
        """Less may be lost than lies between two backups, so the log between them is archived."""
        return self.rpo_ms is not None and self.rpo_ms < self.every_ms

    @property
    def method(self) -> str:
        """How a backup is taken: `dump` of the database, or `base` for what the log can be replayed on."""
        return "base" if self.archived else "dump"

    @property
    def beat_ms(self) -> int:
        """How often it is measured how much would be lost."""
        return max(_LEAST_BEAT_MS, min((self.rpo_ms or _MOST_BEAT_MS) // 4, _MOST_BEAT_MS))


@dataclass(frozen=True, slots=True)
class Integrity:
    """A query whose first value must be `expect`, compared as text."""

    name: str
    sql: str
    expect: str


@dataclass(frozen=True, slots=True)
class Question:
    """Business truth that no router sees: a query that counts bad and all cases.

    Attributes:
        name: a limit refers to it by this.
        sql: answers one row of two integers, bad and all, over the recent past; `{version}` and `{slot}`
            are replaced by the candidate's.
        every_ms: how often it is asked.
        limit_ms: a slower answer is no answer.
    """

    name: str
    sql: str
    every_ms: int = SECOND_MS
    limit_ms: int = 500


@dataclass(frozen=True, slots=True)
class Database:
    """The service's database.

    Attributes:
        url: reference to its connection string, for example `env:DATABASE_URL`.
        integrity: must hold after traffic moved.
        questions: asked while the candidate is on trial and during the watch.
    """

    url: SecretRef
    migrations: Migrations = field(default_factory=Migrations)
    backups: Backups = field(default_factory=Backups)
    integrity: tuple[Integrity, ...] = ()
    questions: tuple[Question, ...] = ()
