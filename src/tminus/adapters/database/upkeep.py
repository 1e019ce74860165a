"""The book of upkeep: notes per service and environment, in the order in which they were written."""

import json
from collections.abc import Sequence

from sqlalchemy import insert, select

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.schema import upkeep
from tminus.domain.canonical import Json, canonical_bytes
from tminus.ports.upkeep import Entry


class SqlUpkeepBook:
    """Implements UpkeepBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_note(self, service: str, environment: str, kind: str, at_ms: int, body: Json) -> None:
        """See `UpkeepBook`."""
        columns = {
            "service": service,
            "environment": environment,
            "kind": kind,
            "at_ms": at_ms,
            "body": canonical_bytes(body).decode(),
        }
        with self._database.transaction(Mode.WRITE) as connection:
            connection.execute(insert(upkeep).values(**columns))

    def notes(self, service: str, environment: str, newest: int | None = None) -> Sequence[Entry]:
        """See `UpkeepBook`."""
        query = (
            select(upkeep.c.number, upkeep.c.kind, upkeep.c.at_ms, upkeep.c.body)
            .where(upkeep.c.service == service, upkeep.c.environment == environment)
            .order_by(upkeep.c.number.desc())
        )
        with self._database.transaction(Mode.READ) as connection:
            rows = connection.execute(query.limit(newest)).all()
        return tuple(Entry(row.number, row.kind, row.at_ms, json.loads(row.body)) for row in reversed(rows))
