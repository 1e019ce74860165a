"""Fencing: one writer at a time, and none with a lower epoch than any before. Must work on a full disk."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tminus.adapters.router.files import write_durably
from tminus.ports.fault import Unavailable

FENCE = "fence"
PATIENCE_S = 0.3  # writers hold the fence for milliseconds; who holds it longer is stopped or very slow
_WIDTH = 20  # digits kept for the epoch, so that it is overwritten in place and needs no new block
_POLL_S = 0.005


class Fence:
    """The highest epoch that has written, and the lock that writers take."""

    def __init__(self, directory: Path) -> None:
        """See the class."""
        self._path = directory / FENCE

    def prepare(self) -> None:
        """Makes the file, once.

        Raises:
            Unavailable: `disk-full` or `disk-failed`.
        """
        if not self._path.exists():
            write_durably(self._path, "0" * _WIDTH)

    @contextlib.contextmanager
    def held(self) -> Iterator["Held"]:
        """The fence for a moment.

        Where another writer is stopped while it holds it, `Held.alone` is false after `PATIENCE_S`.

        Raises:
            Unavailable: `router-not-hosted`, the fence was never prepared.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable("router-not-hosted", f"no router was hosted in {self._path.parent}") from error
        try:
            yield Held(descriptor, alone=_locked(descriptor))
        finally:
            os.close(descriptor)


class Held:
    """The fence while it is held."""

    def __init__(self, descriptor: int, *, alone: bool) -> None:
        """`alone` is whether no other writer can be writing now."""
        self._descriptor = descriptor
        self.alone = alone

    def epoch(self) -> int:
        """The highest epoch that has written; 0 where that was lost."""
        try:
            return int(os.pread(self._descriptor, _WIDTH, 0))
        except (OSError, ValueError):
            return 0

    def raise_to(self, epoch: int) -> None:
        """Remembers a higher epoch, for as long as the machine runs."""
        if epoch > self.epoch():
            # Not synced: a rollback must not wait for a disk, and the router's memory holds the epoch too.
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, f"{epoch:0{_WIDTH}d}".encode(), 0)


def _locked(descriptor: int) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(_POLL_S)
        else:
            return True
