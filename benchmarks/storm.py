"""Clients whose request fails and who try again: failures in clusters, as healthy services have them."""

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from tminus.testing.ailing import FAIL_PATH

STORMS_PER_S = 0.2
MEAN_TRIES = 3
SPAN_S = 3.0
"""Two failures in three seconds are one unlucky client; 0.2 of these a second are 0.3 % of 200 requests/s."""


@contextlib.contextmanager
def storm(url: str, ended: threading.Event) -> Iterator[None]:
    """Storms until the block ends."""
    thread = threading.Thread(target=_go_on, args=(url, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(SPAN_S + 5)


def _go_on(url: str, ended: threading.Event) -> None:
    chance = random.Random(17)
    due: list[float] = []
    next_s = time.monotonic()
    while not ended.wait(0.02):
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = now_s + chance.expovariate(STORMS_PER_S)
            tries = 1
            while chance.random() > 1 / MEAN_TRIES:
                tries += 1
            due += [now_s + chance.random() * SPAN_S for _ in range(tries)]
        ready = [at_s for at_s in due if at_s <= now_s]
        due = [at_s for at_s in due if at_s > now_s]
        for _ in ready:
            _fail(url)


def _fail(url: str) -> None:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)
    try:
        connection.request("GET", FAIL_PATH)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return  # it failed, which is what it is for
    finally:
        connection.close()
