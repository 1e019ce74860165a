"""Every port of the journal over one database, for the composition root."""

from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.database.book import SqlLaunchBook
from tminus.adapters.database.claims import SqlClaims
from tminus.adapters.database.database import Database
from tminus.adapters.database.evidence import SqlEvidenceShelf
from tminus.adapters.database.history import SqlHistory
from tminus.adapters.database.inbox import SqlInbox
from tminus.adapters.database.journal import SqlJournal, SqlRawRecords
from tminus.adapters.database.samples import RING_SLOTS, SqlSampleRing
from tminus.adapters.database.shelf import SqlShelf
from tminus.adapters.database.sqlite import open_sqlite
from tminus.adapters.database.upkeep import SqlUpkeepBook
from tminus.domain.watch.history import MOST_POINTS


@dataclass(frozen=True, slots=True)
class Store:
    """The ports of `tminus.ports.journal`, and the book of upkeep, over `database`; `close` when done."""

    database: Database
    journal: SqlJournal
    raw: SqlRawRecords
    book: SqlLaunchBook
    claims: SqlClaims
    inbox: SqlInbox
    shelf: SqlShelf
    ring: SqlSampleRing
    upkeep: SqlUpkeepBook
    history: SqlHistory
    evidence: SqlEvidenceShelf

    def close(self) -> None:
        """Closes the connections."""
        self.database.close()


def store_over(database: Database, ring_slots: int = RING_SLOTS, history_points: int = MOST_POINTS) -> Store:
    """All ports over a database; so many samples and points are kept per launch."""
    return Store(
        database,
        SqlJournal(database),
        SqlRawRecords(database),
        SqlLaunchBook(database),
        SqlClaims(database),
        SqlInbox(database),
        SqlShelf(database),
        SqlSampleRing(database, ring_slots),
        SqlUpkeepBook(database),
        SqlHistory(database, history_points),
        SqlEvidenceShelf(database),
    )


def sqlite_store(
    path: Path, *, create: bool = True, ring_slots: int = RING_SLOTS, history_points: int = MOST_POINTS
) -> Store:
    """All ports over the SQLite file at `path`.

    Raises:
        Refused: `journal-missing`, `journal-newer`, `journal-foreign`, `journal-corrupt`.
        Unavailable: the file cannot be opened now.
    """
    return store_over(open_sqlite(path, create=create), ring_slots, history_points)
