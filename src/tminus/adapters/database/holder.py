"""Who holds the lease on a launch, for those who only look. Claiming it is `claims`'s."""

from sqlalchemy import select

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.schema import claims
from tminus.ports.journal import Lease


def read_holder(database: Database, launch: str) -> Lease | None:
    """The lease as it was last claimed or renewed, lapsed or not; None where nobody holds it.

    Raises:
        Refused: `journal-corrupt`.
        Unavailable: the database does not answer.
    """
    with database.transaction(Mode.READ) as connection:
        held = connection.execute(
            select(claims.c.owner, claims.c.epoch, claims.c.until_ms).where(claims.c.launch == launch)
        ).first()
    if held is None or held.owner is None:
        return None
    return Lease(launch, held.owner, held.epoch, held.until_ms)
