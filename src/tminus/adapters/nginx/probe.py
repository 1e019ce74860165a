"""Asks nginx, through the socket in the file that it includes, what that file says. Must not decide."""

import time
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.nginx.config import NONE, PROBE
from tminus.adapters.router.files import dial
from tminus.adapters.router.route_text import from_text
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Unavailable

CALL_LIMIT_S = 1.0
_ANSWER_LIMIT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Truth:
    """What the worker that answered follows: the route, the hosting's digest, and who is admitted."""

    route: Route
    hosting: str
    admitted: frozenset[Slot]


def ask(directory: Path, limit_s: float = CALL_LIMIT_S) -> Truth:
    """What nginx follows now.

    Raises:
        Unavailable: `router-silent`, or `router-unexpected`.
    """
    until_s = time.monotonic() + limit_s
    received = bytearray()
    try:
        with dial(directory / PROBE, limit_s) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while len(received) < _ANSWER_LIMIT_BYTES:
                connection.settimeout(max(0.001, until_s - time.monotonic()))
                content = connection.recv(1 << 16)
                if not content:
                    break
                received += content
    except OSError as error:
        why = f"nginx does not answer at {directory / PROBE}: {error.strerror or error}"
        raise Unavailable("router-silent", why) from error
    text = received.decode(errors="replace")
    words = dict(word.partition("=")[::2] for word in text.rpartition("\r\n\r\n")[2].split())
    try:
        admitted = words["admitted"]
        slots = frozenset() if admitted == NONE else frozenset(Slot(word) for word in admitted.split(","))
        return Truth(from_text(words["route"]), words["hosting"], slots)
    except (KeyError, ValueError) as error:
        raise Unavailable("router-unexpected", f"nginx said {text[-200:]!r}") from error
