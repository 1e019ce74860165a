"""Snapshots: what may be lost, because the events tell it again."""

import json

from sqlalchemy import insert, select, update

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import snapshots
from tminus.domain.canonical import canonical_bytes, digest_of_bytes
from tminus.ports.journal import Snapshot


class SqlShelf:
    """Implements Shelf."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Shelf`; also Refused `launch-unknown`. An older snapshot than the kept one is passed over."""
        state = canonical_bytes(snapshot.state)
        columns = {
            "seq": snapshot.seq,
            "hash": snapshot.hash,
            "state": state.decode(),
            "digest": digest_of_bytes(state),
        }
        mine = snapshots.c.launch == snapshot.launch
        with self._database.transaction(Mode.QUICK) as connection:
            lock_launch(connection, snapshot.launch)
            kept_seq = connection.scalar(select(snapshots.c.seq).where(mine))
            if kept_seq is None:
                connection.execute(insert(snapshots).values(launch=snapshot.launch, **columns))
            elif kept_seq <= snapshot.seq:
                connection.execute(update(snapshots).where(mine).values(**columns))

    def snapshot(self, launch: str) -> Snapshot | None:
        """See `Shelf`; None also for one that does not fit its digest: the events say the same, slower."""
        query = select(snapshots.c.seq, snapshots.c.hash, snapshots.c.state, snapshots.c.digest)
        with self._database.transaction(Mode.READ) as connection:
            row = connection.execute(query.where(snapshots.c.launch == launch)).first()
        if row is None or digest_of_bytes(str(row.state).encode()) != row.digest:
            return None
        return Snapshot(launch, row.seq, row.hash, json.loads(row.state))
