"""Orders of people: durable first, acted upon later, each key once for ever."""

from collections.abc import Sequence

from sqlalchemy import false, insert, select, true, update

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import inbox
from tminus.ports.journal import Order

_WAITING = (
    select(inbox.c.key, inbox.c.verb, inbox.c.given_by, inbox.c.reason, inbox.c.at_ms, inbox.c.argument)
    .where(inbox.c.settled == false())
    .order_by(inbox.c.number)
)


class SqlInbox:
    """Implements Inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, launch: str, order: Order) -> None:
        """See `Inbox`; also Refused `launch-unknown`, and Unknown, after which it may be posted again."""
        with self._database.transaction(Mode.WRITE) as connection:
            lock_launch(connection, launch)
            known = select(inbox.c.number).where(inbox.c.launch == launch, inbox.c.key == order.key)
            if connection.scalar(known) is not None:
                return
            connection.execute(
                insert(inbox).values(
                    launch=launch,
                    key=order.key,
                    verb=order.verb,
                    given_by=order.by,
                    reason=order.reason,
                    at_ms=order.at_ms,
                    argument=order.argument,
                    settled=False,
                )
            )

    def orders(self, launch: str) -> Sequence[Order]:
        """See `Inbox`."""
        with self._database.transaction(Mode.READ) as connection:
            rows = connection.execute(_WAITING.where(inbox.c.launch == launch))
            return tuple(Order(*row) for row in rows)

    def settle(self, launch: str, keys: Sequence[str]) -> None:
        """See `Inbox`; a key that was never posted is passed over."""
        with self._database.transaction(Mode.WRITE) as connection:
            lock_launch(connection, launch)
            connection.execute(
                update(inbox).where(inbox.c.launch == launch, inbox.c.key.in_(keys)).values(settled=true())
            )
