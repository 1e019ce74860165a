"""The fence before every write to a launch: it must exist, and nobody may have claimed it since."""

from sqlalchemy import Connection, func, select

from tminus.adapters.database.schema import claims, launches
from tminus.ports.fault import Refused

_EPOCH = (
    select(func.coalesce(claims.c.epoch, 0))
    .select_from(launches.outerjoin(claims, claims.c.launch == launches.c.launch))
    # Locks the launch where the database locks rows; SQLite has locked the file already.
    .with_for_update(of=launches)
)


def lock_launch(connection: Connection, launch: str) -> int:
    """Keeps other writers of this launch out until the transaction ends, and returns its epoch.

    Raises:
        Refused: `launch-unknown`.
    """
    epoch = connection.scalar(_EPOCH.where(launches.c.launch == launch))
    if epoch is None:
        raise Refused("launch-unknown", f"there is no launch {launch}: `tminus list` shows those there are")
    return int(epoch)


def require_epoch(connection: Connection, launch: str, epoch: int) -> None:
    """Locks the launch, and lets only the holder of its newest claim pass.

    Raises:
        Refused: `launch-unknown`, `stale-epoch`.
    """
    held = lock_launch(connection, launch)
    if held != epoch:
        raise Refused(
            "stale-epoch",
            f"launch {launch} is driven under epoch {held}, not {epoch}: another agent has claimed it",
        )
