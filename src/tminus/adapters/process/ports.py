"""Local TCP ports for instances: free, and outside the range that outgoing connections use."""

import random
import socket
from collections.abc import Collection
from pathlib import Path

LOCAL = "127.0.0.1"
_LOWEST = 20_000
_ATTEMPTS = 500  # each fails only where something listens, so this many failures mean a full range


def is_free(port: int) -> bool:
    """Whether a program could listen there now."""
    with socket.socket() as candidate:
        # As servers do; else ports of connections that ended a minute ago would look taken.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOCAL, port))
        except OSError:
            return False
        return True


def pick_free(taken: Collection[int]) -> int:
    """A port that nobody listens on and that is not in `taken`.

    Raises:
        OSError: none was found.
    """
    below = _first_outgoing()
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randrange(_LOWEST, below)
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {below}")


def _first_outgoing() -> int:
    # A port of that range may be given to any outgoing connection while the instance is down.
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        first = int(text.split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768
    return first if first > _LOWEST + 1000 else 32_768
