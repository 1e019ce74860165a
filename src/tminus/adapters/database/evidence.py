"""Evidence that was put aside: what may be lost, because the router's counters hold most of it still."""

from sqlalchemy import insert, select, update

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import evidences
from tminus.domain.canonical import digest_of_bytes
from tminus.ports.journal import KeptEvidence


class SqlEvidenceShelf:
    """Implements EvidenceShelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_evidence(self, kept: KeptEvidence) -> None:
        """See `EvidenceShelf`; also Refused `launch-unknown`."""
        columns = {
            "sampled_ms": kept.sampled_ms,
            "text": kept.text,
            "digest": digest_of_bytes(kept.text.encode()),
        }
        mine = evidences.c.launch == kept.launch
        with self._database.transaction(Mode.QUICK) as connection:
            lock_launch(connection, kept.launch)
            sampled_ms = connection.scalar(select(evidences.c.sampled_ms).where(mine))
            if sampled_ms is None:
                connection.execute(insert(evidences).values(launch=kept.launch, **columns))
            elif sampled_ms <= kept.sampled_ms:
                connection.execute(update(evidences).where(mine).values(**columns))

    def evidence(self, launch: str) -> KeptEvidence | None:
        """See `EvidenceShelf`; None also for evidence that does not fit its digest."""
        query = select(evidences.c.sampled_ms, evidences.c.text, evidences.c.digest)
        with self._database.transaction(Mode.READ) as connection:
            row = connection.execute(query.where(evidences.c.launch == launch)).first()
        if row is None or digest_of_bytes(str(row.text).encode()) != row.digest:
            return None
        return KeptEvidence(launch, row.sampled_ms, row.text)
