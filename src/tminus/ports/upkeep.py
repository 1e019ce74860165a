"""Upkeep between launches: the backups on disk, and the book of what was done by schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tminus.domain.canonical import Json
from tminus.domain.readiness.upkeep import StoredBackup


@dataclass(frozen=True, slots=True)
class Entry:
    """One note in the book; `number` rises within the book, `body` is a canonical JSON object."""

    number: int
    kind: str
    at_ms: int
    body: Json


class UpkeepBook(Protocol):
    """What was done by schedule, per service and environment. It stands beside the launches' chains."""

    def add_note(self, service: str, environment: str, kind: str, at_ms: int, body: Json) -> None:
        """Enters a note, durably.

        Raises:
            Unavailable: `journal-full`, or the database does not answer; nothing was entered.
            Unknown: it may have been entered.
        """
        ...

    def notes(self, service: str, environment: str, newest: int | None = None) -> Sequence[Entry]:
        """All notes, or so many of the newest, oldest first.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class BackupStore(Protocol):
    """The folder in which backups are kept."""

    def list_backups(self, directory: Path) -> Sequence[StoredBackup]:
        """Complete backups that tminus has made, oldest first; whatever else lies there is passed over.

        Raises:
            Unavailable: `backups-unreadable`.
        """
        ...

    def remove_backup(self, path: Path) -> None:
        """Removes a backup with what stands beside it; one that is not there is removed already.

        Raises:
            Refused: `backup-foreign`, it is none that tminus has made.
            Unavailable: `backup-not-removed`.
        """
        ...

    def trim_log(self, directory: Path) -> int:
        """Removes what is archived of the log and leads from no backup any more; how many files that were.

        Raises:
            Unavailable: `backups-unreadable`, `backup-not-removed`.
        """
        ...
