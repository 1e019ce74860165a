"""pg_receivewal as a guarded child: what the server writes into its log comes into a folder at once."""

import os
import time
from pathlib import Path

from tminus.adapters.postgres.guarded import Guarded
from tminus.adapters.postgres.session import Address, Connection
from tminus.adapters.postgres.wal import format_lsn, parse_lsn

_DEADLINE_MS = 400 * 24 * 3_600_000  # of the guard; the job that owns it has its own


def receive(program: Path, folder: Path, address: Address, server_version: int, log: Path) -> Guarded:
    """Starts receiving into `folder`, from its newest segment on, or from the server's present one.

    The server keeps what was not received yet while somebody holds it, see `hold_log`.
    """
    argv = [str(program), f"--directory={folder}", "--synchronous", "--no-loop", "--no-password"]
    return Guarded(
        [*argv, "--status-interval=1"],
        folder,
        address.environment(server_version),
        deadline_ms=_DEADLINE_MS,
        log=log,
        secrets=address.secrets,
    )


def hold_log(connection: Connection) -> tuple[str, int]:
    """Has the server keep its log from now on, for as long as this session lives and nothing in it fails.

    Returns:
        The name of the hold, and the position from which on the log is kept.

    A slot of the session alone: where nobody receives any more, the server must not keep its log until its
    own disk is full.

    Raises:
        psycopg.Error: the connection ended, or it is refused.
    """
    name = f"tminus_{os.getpid()}_{time.time_ns() // 1_000_000}"
    row = connection.execute(
        "SELECT lsn::text FROM pg_catalog.pg_create_physical_replication_slot(%s, true, true)", [name]
    ).fetchone()
    assert row is not None
    return name, parse_lsn(row[0])


def let_go(connection: Connection, name: str, position: int) -> None:
    """Lets the server remove its log before a position, which is held here.

    Raises:
        psycopg.Error: the connection ended, or the position was let go before.
    """
    connection.execute(
        "SELECT pg_catalog.pg_replication_slot_advance(%s, %s::pg_lsn)", [name, format_lsn(position)]
    )
