"""Wall clock and waiting on this machine. A datagram on a socket ends a wait early."""

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

_WAIT_LIMIT_MS = 60 * 60 * 1000  # no wait is longer, so that a wrong duration costs an hour and not a launch
DATAGRAM_BYTES = 16 * 1024  # an order with a long reason
POKE = b"!"  # a poke says nothing but "look again"


class SystemClock:
    """The clock of this machine.

    `wake` is a non-blocking datagram socket; whoever sends to it ends the current wait, or the next one.
    """

    def __init__(
        self, wake: socket.socket | None = None, receive: Callable[[bytes], None] | None = None
    ) -> None:
        """See the class.

        Args:
            wake: the socket to listen on, which stays the caller's; None makes waits uninterruptible.
            receive: is given every datagram that ended a wait and carries something.
        """
        self._wake = wake
        self._receive = receive

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000

    def wait_ms(self, duration_ms: int) -> None:
        """Returns after the duration (at most an hour), or as soon as somebody pokes."""
        bounded_ms = max(0, min(duration_ms, _WAIT_LIMIT_MS))
        if self._wake is None:
            time.sleep(bounded_ms / 1000)
            return
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poked = poll.poll(bounded_ms)
        while poked:
            try:
                datagram = self._wake.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            if self._receive is not None and datagram != POKE:
                self._receive(datagram)


def open_wake_socket(path: Path) -> socket.socket:
    """A non-blocking datagram socket at `path`, readable by its owner only; replaces what a dead agent left.

    Raises:
        OSError: the path cannot be bound; UNIX sockets allow about 100 characters.
    """
    path.unlink(missing_ok=True)
    wake = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        wake.setblocking(False)  # noqa: FBT003 - the library takes it by position
        wake.bind(str(path))
        path.chmod(0o600)
    except OSError:
        wake.close()
        raise
    return wake


def poke(path: Path, datagram: bytes = POKE) -> bool:
    """Ends the wait of the clock that listens at `path`; False when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)  # noqa: FBT003 - the library takes it by position
        try:
            sender.sendto(datagram, str(path))
        except BlockingIOError:
            return True  # a full queue means that enough pokes are waiting already
        except OSError:
            return False  # nobody is there, or the path is longer than UNIX sockets allow
    return True
