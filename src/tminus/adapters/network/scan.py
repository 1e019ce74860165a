"""Which ports of a machine take connections. Sends nothing but the connection itself."""

import errno
import select
import socket
import time
from collections.abc import Iterable
from enum import StrEnum

IN_FLIGHT = 128
"""Connections tried at the same time: fewer than what firewalls take for a flood, and than open files."""

_ATTEMPT_S = 1.0  # a port that has not answered by then is silent; TCP sends a second time after one second
_LOCAL_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL)


class Seen(StrEnum):
    """What a port did: took the connection, refused it, or did not answer."""

    OPEN = "open"
    CLOSED = "closed"
    SILENT = "silent"


def first_address(host: str) -> tuple[socket.AddressFamily, str]:
    """The first address of a name, by the system's resolver, which knows no limit.

    Raises:
        OSError: it has none.
    """
    family, _, _, _, place = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    return family, str(place[0])


def scan(family: socket.AddressFamily, address: str, ports: Iterable[int], limit_s: float) -> dict[int, Seen]:
    """What each port did; those that the limit left no time for are missing.

    Args:
        family: of the address.
        address: of one machine.
        ports: each is tried once.
        limit_s: for all of them.

    Raises:
        OSError: this machine cannot open more connections.
    """
    ends_at = time.monotonic() + limit_s
    waiting = list(dict.fromkeys(ports))[::-1]
    found: dict[int, Seen] = {}
    tried: dict[int, tuple[socket.socket, int, float]] = {}
    poll = select.poll()
    try:
        while (waiting or tried) and time.monotonic() < ends_at:
            while waiting and len(tried) < IN_FLIGHT:
                port = waiting.pop()
                attempt = socket.socket(family, socket.SOCK_STREAM)
                tried[attempt.fileno()] = (attempt, port, time.monotonic() + _ATTEMPT_S)
                attempt.setblocking(False)  # noqa: FBT003 - the library takes it by position
                code = attempt.connect_ex((address, port))
                if code in (errno.EINPROGRESS, 0):
                    poll.register(attempt, select.POLLOUT)
                else:
                    found[port] = _seen(attempt, code)
                    del tried[attempt.fileno()]
                    attempt.close()
            _collect(poll, tried, found, ends_at)
    finally:
        for attempt, _, _ in tried.values():
            attempt.close()
    return found


def _collect(
    poll: select.poll,
    tried: dict[int, tuple[socket.socket, int, float]],
    found: dict[int, Seen],
    ends_at: float,
) -> None:
    """Waits for the next that answers or has had its time, and closes what has."""
    if not tried:
        return
    next_s = min(ends_at, *(until for _, _, until in tried.values())) - time.monotonic()
    ready = {number for number, _ in poll.poll(max(0, int(next_s * 1000) + 1))}
    now = time.monotonic()
    for number, (attempt, port, until) in list(tried.items()):
        if number not in ready and now < until:
            continue
        code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if number in ready else errno.ETIMEDOUT
        found[port] = _seen(attempt, code)
        poll.unregister(number)
        del tried[number]
        attempt.close()


def _seen(attempt: socket.socket, code: int) -> Seen:
    if code in _LOCAL_ERRORS:
        raise OSError(code, "this machine cannot open more connections")
    if code == errno.ECONNREFUSED:
        return Seen.CLOSED
    if code:
        return Seen.SILENT
    try:
        # A connection to a port that the system has just lent to this very attempt ends at itself.
        return Seen.CLOSED if attempt.getsockname() == attempt.getpeername() else Seen.OPEN
    except OSError:
        return Seen.OPEN
