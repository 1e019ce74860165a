"""The history of launches by the minute: a fixed number of rows per launch, the oldest overwritten."""

import json
from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import history
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import from_json, to_json
from tminus.domain.watch.history import MOST_POINTS, POINT_MS, Point


class SqlHistory:
    """Implements History.

    Args:
        database: where the points are kept.
        most: points kept per launch.
    """

    def __init__(self, database: Database, most: int = MOST_POINTS) -> None:
        self._database = database
        self._most = most

    def add_point(self, launch: str, point: Point) -> None:
        """See `History`; also Refused `launch-unknown`."""
        place = point.at_ms // POINT_MS % self._most
        body = canonical_bytes(to_json(point)).decode()
        with self._database.transaction(Mode.QUICK) as connection:
            lock_launch(connection, launch)
            connection.execute(delete(history).where(history.c.launch == launch, history.c.place == place))
            columns = {"launch": launch, "place": place, "at_ms": point.at_ms, "body": body}
            connection.execute(insert(history).values(**columns))

    def points(self, launch: str, since_ms: int) -> Sequence[Point]:
        """See `History`."""
        query = (
            select(history.c.body)
            .where(history.c.launch == launch, history.c.at_ms >= since_ms)
            .order_by(history.c.at_ms)
        )
        with self._database.transaction(Mode.READ) as connection:
            bodies = connection.scalars(query).all()
        return tuple(from_json(Point, json.loads(body)) for body in bodies)
