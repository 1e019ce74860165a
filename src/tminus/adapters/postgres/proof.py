"""The restore test of a base backup: as it was taken, or brought up to now by the archive of the log."""

import threading
import time
from contextlib import closing
from pathlib import Path

from tminus.adapters.postgres.archive import WAL, newest_line
from tminus.adapters.postgres.base import read_base
from tminus.adapters.postgres.mark import Mark, take_mark, write_on
from tminus.adapters.postgres.scratch import BaseRestore
from tminus.adapters.postgres.session import Address, connect, faults, limited, parse_address
from tminus.adapters.postgres.wal import filled_to, segments
from tminus.ports.database import RestoreReading
from tminus.ports.fault import Refused, Unavailable

_LOOK_S = 0.1
_COME_S = 60.0  # for the log to come into the archive; it takes less than a second


def prove_base(
    url: str, base: Path, logs: Path, archive: Path | None, stop: threading.Event
) -> RestoreReading:
    """Restores a base backup and compares, without an archive with the mark that it was taken with.

    With one the database is counted now, and the copy is brought up to that moment by the archived log.

    Raises:
        Refused: as `BaseRestore.test`; `archive-broken`, `database-url-invalid`.
        Unavailable: as `BaseRestore.test`; `database-unreachable`, `archive-behind`.
    """
    address = parse_address(url)
    if archive is None:
        return BaseRestore(address, base, logs).test(stop)
    line = newest_line(archive / WAL)
    if line is None:
        raise Refused("archive-broken", f"there is no log in {archive / WAL}")
    mark = _mark_held(address, line, read_base(base).segment_bytes, stop)
    return BaseRestore(address, base, logs, (line,), mark).test(stop)


def _mark_held(address: Address, line: Path, segment_bytes: int, stop: threading.Event) -> Mark:
    """A mark of now, once the archive holds the log up to it."""
    with (
        closing(connect(address)) as connection,
        limited(connection, stop=stop),
        faults(address, "restore-failed"),
    ):
        mark = take_mark(connection, stop.is_set)
        wanted = write_on(connection)
    ends_at = time.monotonic() + _COME_S
    while filled_to(segments(line, segment_bytes), segment_bytes) <= wanted:
        if time.monotonic() >= ends_at:
            raise Unavailable("archive-behind", "the server's log does not come into the archive")
        if stop.wait(_LOOK_S):
            raise Unavailable("database-stopped", "told to stop")
    return mark
