"""Talks to a running HAProxy: commands on its runtime socket, and the truth probe. Must not decide."""

import csv
import io
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.haproxy import files
from tminus.adapters.router.files import dial
from tminus.ports.fault import Unavailable, Unknown

CALL_LIMIT_S = 1.0
_REPLY_LIMIT_BYTES = 16 * 1024 * 1024
_STAT = "show stat -1 4 -1"  # servers only; as CSV, since JSON costs twenty times as much
_BACKENDS = "show stat -1 2 -1"


@dataclass(frozen=True, slots=True)
class Probe:
    """What the frontend's own rules would do with a request of the candidate's share now.

    Attributes:
        route: the map's value.
        slot: where it would go: blue, green, none.
        trusted: it would go there under watch.
        latch: why the candidate was left for good: 0 no, 1 errors, 2 slow, 3 down.
        leases: whether the short and the patient lease are in force.
        up: slots with an instance that can serve.
        hosting: digest of the running configuration.
    """

    route: str
    slot: str
    trusted: bool
    latch: int
    leases: tuple[bool, bool]
    up: frozenset[str]
    hosting: str


class Console:
    """The sockets of one HAProxy."""

    def __init__(self, directory: Path, limit_s: float = CALL_LIMIT_S) -> None:
        """See the class; every call takes at most `limit_s`."""
        self._directory = directory
        self._limit_s = limit_s

    def read(self, *commands: str) -> str:
        """The answers to commands that change nothing.

        Raises:
            Unavailable: `router-silent`.
        """
        try:
            return self._talk(files.CONSOLE, _line(commands))
        except OSError as error:
            raise _silent(error) from error

    def write(self, *commands: str) -> str:
        """The answers to commands that change something, sent in one piece.

        Raises:
            Unavailable: `router-silent`, and no command has arrived.
            Unknown: `router-silent`; they may have.
        """
        until_s = time.monotonic() + self._limit_s
        try:
            connection = dial(self._directory / files.CONSOLE, self._limit_s)
        except OSError as error:
            raise _silent(error) from error
        try:
            with connection:
                connection.sendall(_line(commands))
                return _received(connection, until_s)
        except OSError as error:
            raise Unknown("router-silent", f"HAProxy gave no answer: {error}") from error

    def route(self) -> str:
        """The map's value in memory.

        Raises:
            Unavailable: `router-silent`, or `router-unexpected` for an answer that is none.
        """
        return route_in(self.read(f"show map {files.ROUTE_MAP}"))

    def servers(self) -> list[dict[str, str]]:
        """The statistics of every server, by column."""
        return rows(self.read(_STAT))

    def backends(self) -> list[dict[str, str]]:
        """The statistics of every backend, by column."""
        return rows(self.read(_BACKENDS))

    def probe(self) -> Probe:
        """The truth probe's answer.

        Raises:
            Unavailable: `router-silent` or `router-unexpected`.
        """
        try:
            answer = self._talk(files.PROBE, b"GET / HTTP/1.0\r\nHost: probe\r\n\r\n")
        except OSError as error:
            raise _silent(error) from error
        words = dict(word.partition("=")[::2] for word in answer.rpartition("\r\n\r\n")[2].split())
        try:
            return Probe(
                route=words["route"],
                slot=words["slot"],
                trusted=words["trusted"] == "1",
                latch=int(words["latch"] or 0),
                leases=(words["short"] == "1", words["patient"] == "1"),
                up=frozenset(slot for slot in words["up"].split(",") if slot),
                hosting=words["hosting"],
            )
        except (KeyError, ValueError) as error:
            raise Unavailable("router-unexpected", f"the truth probe said {answer[-200:]!r}") from error

    def _talk(self, name: str, content: bytes) -> str:
        until_s = time.monotonic() + self._limit_s
        with dial(self._directory / name, self._limit_s) as connection:
            connection.sendall(content)
            return _received(connection, until_s)


def rows(answer: str) -> list[dict[str, str]]:
    """The rows of a statistics answer, by column."""
    return list(csv.DictReader(io.StringIO(answer.strip().removeprefix("# "))))


def route_in(answer: str) -> str:
    """The route in the answer to `show map`.

    Raises:
        Unavailable: `router-unexpected`.
    """
    found = re.search(r"^0x[0-9a-f]+ r (\S+)$", answer, re.MULTILINE)
    if found is None:
        raise Unavailable("router-unexpected", f"the map holds no route: {answer.strip()[:200]!r}")
    return found[1]


def table_keys(answer: str) -> dict[str, dict[str, str]]:
    """Entries of the answer to `show table`: their values by name, by key."""
    entries = {}
    for line in answer.splitlines():
        if found := re.match(r"0x[0-9a-f]+: key=(\S+) (.*)", line):
            entries[found[1]] = dict(word.partition("=")[::2] for word in found[2].split())
    return entries


def _line(commands: Sequence[str]) -> bytes:
    return "; ".join(commands).encode() + b"\n"


def _received(connection: socket.socket, until_s: float) -> str:
    received = bytearray()
    while len(received) < _REPLY_LIMIT_BYTES:
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        content = connection.recv(1 << 16)
        if not content:
            break
        received += content
    return received.decode(errors="replace")


def _silent(error: OSError) -> Unavailable:
    return Unavailable("router-silent", f"HAProxy does not answer: {error.strerror or error}")
