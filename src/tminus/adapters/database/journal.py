"""Events: appended under an expected sequence and epoch, verified link by link when read."""

from collections.abc import Sequence

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.events import extend, head_of, links_from, verified
from tminus.adapters.database.fence import require_epoch
from tminus.domain.launch.chain import Link
from tminus.ports.fault import Refused
from tminus.ports.journal import Draft, Head, Record


class SqlJournal:
    """Implements Journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        """See `Journal`; also Refused `launch-unknown`, and `journal-corrupt` for an edited head."""
        with self._database.transaction(Mode.WRITE) as connection:
            require_epoch(connection, launch, epoch)
            head = head_of(connection, launch)
            if head.seq != after_seq:
                raise Refused(
                    "unexpected-sequence",
                    f"launch {launch} stands at event {head.seq}, not {after_seq}: read on and decide again",
                )
            return extend(connection, head, epoch, drafts)

    def read(self, launch: str, after_seq: int = 0) -> Sequence[Record]:
        """See `Journal`."""
        with self._database.transaction(Mode.READ) as connection:
            links = links_from(connection, launch, after_seq)
        return tuple(verified(launch, after_seq, links))

    def head(self, launch: str) -> Head:
        """See `Journal`."""
        with self._database.transaction(Mode.READ) as connection:
            return head_of(connection, launch)


class SqlRawRecords:
    """Implements RawRecords."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def links(self, launch: str) -> Sequence[Link]:
        """See `RawRecords`."""
        with self._database.transaction(Mode.READ) as connection:
            # Also what stands at 0 or below, where only a foreign hand can have put it.
            return tuple(links_from(connection, launch, -(2**63)))
