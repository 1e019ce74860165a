"""Which launches exist, and that only one of a service and environment is open."""

from collections.abc import Sequence

from sqlalchemy import false, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.events import extend
from tminus.adapters.database.fence import require_epoch
from tminus.adapters.database.schema import launches
from tminus.ports.fault import Refused
from tminus.ports.journal import GENESIS, Draft, Head, LaunchRow

_FIRST_EPOCH = 0  # nobody has claimed a launch that is only being opened


class SqlLaunchBook:
    """Implements LaunchBook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_launch(self, row: LaunchRow, drafts: Sequence[Draft]) -> Head:
        """See `LaunchBook`; also Refused `launch-exists` for a name that is taken."""
        try:
            with self._database.transaction(Mode.WRITE) as connection:
                connection.execute(
                    insert(launches).values(
                        launch=row.launch,
                        service=row.service,
                        environment=row.environment,
                        opened_ms=row.opened_ms,
                        open=row.open,
                    )
                )
                return extend(connection, Head(row.launch, 0, GENESIS), _FIRST_EPOCH, drafts)
        except IntegrityError as error:
            raise self._refusal(row) from error

    def launches(self, service: str | None = None, environment: str | None = None) -> Sequence[LaunchRow]:
        """See `LaunchBook`."""
        query = select(
            launches.c.launch,
            launches.c.service,
            launches.c.environment,
            launches.c.opened_ms,
            launches.c.open,
        ).order_by(launches.c.opened_ms, launches.c.launch)
        if service is not None:
            query = query.where(launches.c.service == service)
        if environment is not None:
            query = query.where(launches.c.environment == environment)
        with self._database.transaction(Mode.READ) as connection:
            return tuple(LaunchRow(*row) for row in connection.execute(query))

    def close_launch(self, launch: str, epoch: int) -> None:
        """See `LaunchBook`."""
        with self._database.transaction(Mode.WRITE) as connection:
            require_epoch(connection, launch, epoch)
            connection.execute(update(launches).where(launches.c.launch == launch).values(open=false()))

    def _refusal(self, row: LaunchRow) -> Refused:
        with self._database.transaction(Mode.READ) as connection:
            if (
                connection.scalar(select(launches.c.launch).where(launches.c.launch == row.launch))
                is not None
            ):
                return Refused("launch-exists", f"launch {row.launch} exists already: choose another name")
            running = connection.scalar(
                select(launches.c.launch).where(
                    launches.c.service == row.service,
                    launches.c.environment == row.environment,
                    launches.c.open == true(),
                )
            )
        return Refused(
            "launch-running",
            f"launch {running or 'that has just ended'} of {row.service} in {row.environment} is still open: "
            "close, scrub or abort it first",
        )
