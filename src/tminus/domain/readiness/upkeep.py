"""Upkeep: scheduled backups and restore tests of a service, told by notes. Must not decide anything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json, to_json

GAVE_WAY = frozenset({"database-stopped", "job-stopped", "backup-running"})
"""Codes of work that ended because a launch came first: no failure of its own."""


class Work(StrEnum):
    """What is done by a schedule."""

    BACKUP = "backup"
    RESTORE_TEST = "restore-test"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup on disk, as the files beside it tell.

    Attributes:
        path: of the dump.
        taken_ms: when its snapshot was taken, milliseconds since the epoch.
        size_bytes: of the dump.
        digest: `sha256:` of the dump.
        tables: counted in its snapshot.
        rows: of all tables.
        tested_ms: when it was last restored and compared; None before.
        passed: whether everything came back as it was; None before a test.
        restored_in_ms: how long the restore and the comparison took; None before a test.
        whole: a copy of the whole cluster, which the archived log can bring up to a later moment.
        unbroken: the log that is archived now follows it without a gap.
    """

    path: str
    taken_ms: int
    size_bytes: int
    digest: str
    tables: int
    rows: int
    tested_ms: int | None = None
    passed: bool | None = None
    restored_in_ms: int | None = None
    whole: bool = False
    unbroken: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """Scheduled work begins.

    Attributes:
        key: of its job.
        due_ms: when it was due.
        skipped: further runs that fell due since then and are not made up for.
        path: of the backup that is restored; empty for a backup.
    """

    kind: ClassVar[str] = "upkeep-begun"
    work: Work
    key: str
    due_ms: int
    skipped: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Scheduled work has ended.

    Attributes:
        passed: a backup is complete; a restore came back as it was.
        code: why not, for machines.
        why: the same for people.
        path: of the backup that was taken or restored.
        digest: of the backup, empty where it is not known.
        size_bytes: of the backup.
        taken_ms: when its snapshot was taken.
        took_ms: how long the work took.
        tables: counted.
        rows: counted.
    """

    kind: ClassVar[str] = "upkeep-ended"
    work: Work
    key: str
    passed: bool
    code: str = ""
    why: str = ""
    path: str = ""
    digest: str = ""
    size_bytes: int = 0
    taken_ms: int = 0
    took_ms: int = 0
    tables: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Deferred:
    """Work is due and waits, or gives way."""

    kind: ClassVar[str] = "upkeep-deferred"
    work: Work
    due_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A backup was removed."""

    kind: ClassVar[str] = "upkeep-removed"
    path: str
    taken_ms: int
    why: str


Note = Begun | Ended | Deferred | Removed
KINDS: Mapping[str, type[Note]] = {cls.kind: cls for cls in Note.__args__}


def encode_note(note: Note) -> tuple[str, Json]:
    """Kind and canonical body of a note."""
    body = to_json(note)
    assert isinstance(body, dict)
    del body["kind"]
    return note.kind, body


def decode_note(kind: str, body: Json) -> Note:
    """The note that `encode_note` wrote.

    Raises:
        DecodeError: a later release wrote it, or it does not fit.
    """
    if kind not in KINDS:
        raise DecodeError(f"note {kind!r} is not known to this release")
    return from_json(KINDS[kind], body)


@dataclass(frozen=True, slots=True)
class WorkState:
    """What became of one kind of work.

    Attributes:
        running: begun and not ended.
        begun_ms: when the last run began.
        last: how the last run that did not give way ended.
        last_ms: when.
        good_ms: when the last run that passed ended; None before.
        good: how it ended.
        failures: runs in a row that failed.
        deferred: waits since `deferred_ms`; None when it does not.
        keys: of jobs whose folders may still be there, oldest first.
    """

    running: Begun | None = None
    begun_ms: int = 0
    last: Ended | None = None
    last_ms: int = 0
    good: Ended | None = None
    good_ms: int | None = None
    failures: int = 0
    deferred: Deferred | None = None
    deferred_ms: int = 0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UpkeepState:
    """A fold over the notes of one service in one environment."""

    works: Mapping[Work, WorkState] = field(default_factory=dict)

    def of(self, work: Work) -> WorkState:
        """What became of this kind of work."""
        return self.works.get(work, WorkState())

    @property
    def running(self) -> tuple[Begun, ...]:
        """What was begun and has not ended."""
        found = (self.of(work).running for work in Work)
        return tuple(begun for begun in found if begun is not None)


_KEPT_KEYS = 2
"""The folder of the last job stays for whoever wants to look; the one before is removed when it begins."""


def evolve_upkeep(state: UpkeepState, note: Note, at_ms: int) -> UpkeepState:
    """The state after one more note, written at `at_ms`."""
    if isinstance(note, Removed):
        return state
    before = state.of(note.work)
    return replace(state, works={**state.works, note.work: _evolved(before, note, at_ms)})


def _evolved(before: WorkState, note: Begun | Ended | Deferred, at_ms: int) -> WorkState:
    match note:
        case Begun():
            keys = (*before.keys, note.key)[-_KEPT_KEYS:]
            return replace(before, running=note, begun_ms=at_ms, deferred=None, keys=keys)
        case Deferred():
            return replace(before, deferred=note, deferred_ms=at_ms)
        case Ended(passed=True):
            return replace(
                before, running=None, last=note, last_ms=at_ms, good=note, good_ms=at_ms, failures=0
            )
        case Ended() if note.code in GAVE_WAY:
            return replace(before, running=None)
        case Ended():
            return replace(before, running=None, last=note, last_ms=at_ms, failures=before.failures + 1)


def fold_upkeep(entries: Iterable[tuple[Note, int]]) -> UpkeepState:
    """The state after all (note, at_ms) entries, oldest first."""
    state = UpkeepState()
    for note, at_ms in entries:
        state = evolve_upkeep(state, note, at_ms)
    return state
