"""Asks instances for their health, all at once and within one second. Must not interpret the answers."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

PROBE_LIMIT_S = 0.8  # leaves the rest of the second to the supervisor's answer
PARALLEL = 32  # instances beyond this many wait for one another, still within the limit
_STATUS_LINE_LIMIT_BYTES = 256


@dataclass(frozen=True, slots=True)
class Health:
    """What an instance answered: `reached` is a connection, `healthy` a status of 200."""

    reached: bool
    healthy: bool


def probe_all(targets: Sequence[tuple[str, str]]) -> list[Health]:
    """Health of each target (host:port, path), in order; at most `PROBE_LIMIT_S` for all of them together."""
    if not targets:
        return []
    until_s = time.monotonic() + PROBE_LIMIT_S
    with ThreadPoolExecutor(min(PARALLEL, len(targets))) as pool:
        return list(pool.map(lambda target: _probe(target[0], target[1], until_s), targets))


def _probe(address: str, path: str, until_s: float) -> Health:
    host, _, port = address.rpartition(":")
    reached = False
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _left(until_s)) as connection:
            reached = True
            request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            received = b""
            while b"\r\n" not in received and len(received) < _STATUS_LINE_LIMIT_BYTES:
                connection.settimeout(_left(until_s))
                content = connection.recv(_STATUS_LINE_LIMIT_BYTES)
                if not content:
                    break
                received += content
    except (OSError, ValueError):
        return Health(reached, healthy=False)
    words = received.split(b"\r\n")[0].split()
    return Health(reached, healthy=len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1] == b"200")


def _left(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s
