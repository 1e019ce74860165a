"""The lease on driving a launch, and the epoch that fences whoever held it before."""

from sqlalchemy import Connection, insert, select, update

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import claims
from tminus.ports.journal import Lease


class SqlClaims:
    """Implements Claims. Every method also raises Refused `launch-unknown`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, launch: str, owner: str, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        with self._database.transaction(Mode.WRITE) as connection:
            epoch = lock_launch(connection, launch)
            held = connection.execute(
                select(claims.c.owner, claims.c.until_ms).where(claims.c.launch == launch)
            ).first()
            if held is not None and held.owner not in (None, owner) and now_ms < held.until_ms:
                return None
            lease = Lease(launch, owner, epoch + 1, now_ms + lease_ms)
            if held is None:
                connection.execute(
                    insert(claims).values(
                        launch=launch, owner=owner, epoch=lease.epoch, until_ms=lease.until_ms
                    )
                )
            else:
                _update(connection, launch, owner, lease.epoch, lease.until_ms)
            return lease

    def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        with self._database.transaction(Mode.WRITE) as connection:
            if not _holds(connection, lease):
                return None
            _update(connection, lease.launch, lease.owner, lease.epoch, now_ms + lease_ms)
            return Lease(lease.launch, lease.owner, lease.epoch, now_ms + lease_ms)

    def release(self, lease: Lease) -> None:
        """See `Claims`."""
        with self._database.transaction(Mode.WRITE) as connection:
            if _holds(connection, lease):
                _update(connection, lease.launch, None, lease.epoch, 0)


def _holds(connection: Connection, lease: Lease) -> bool:
    epoch = lock_launch(connection, lease.launch)
    owner = connection.scalar(select(claims.c.owner).where(claims.c.launch == lease.launch))
    return (owner, epoch) == (lease.owner, lease.epoch)


def _update(connection: Connection, launch: str, owner: str | None, epoch: int, until_ms: int) -> None:
    connection.execute(
        update(claims).where(claims.c.launch == launch).values(owner=owner, epoch=epoch, until_ms=until_ms)
    )
