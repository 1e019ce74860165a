"""One connection, one request at a time, with a limit on the whole. Must not send anything twice."""

import select
import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tminus.adapters.http.wire import AnswerParser, WireError

_READ_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class Fate(StrEnum):
    """What became of a request that was sent, or was tried to be.

    ANSWERED: a complete answer with a status below 500. FAILED: a complete answer with 500 or above.
    LOST: no complete header: connection refused or reset, closed before the header was complete, or the
    time limit. CUT: the header was complete, the body ended early or did not come in time.
    """

    ANSWERED = "answered"
    FAILED = "failed"
    LOST = "lost"
    CUT = "cut"


class Trouble(StrEnum):
    """Why an answer is not complete: nothing is wrong, the time was over, it is not HTTP, or the network."""

    NONE = ""
    TIME = "time"
    WIRE = "wire"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect to."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its fate.

    Attributes:
        fate: see `Fate`.
        duration_us: from before connecting or writing to the last byte or the failure.
        answer: the parser, which holds status, headers and the kept body.
        why: what went wrong, without any content; empty when the answer is complete.
        trouble: of which sort that is.
    """

    fate: Fate
    duration_us: int
    answer: AnswerParser
    why: str = ""
    trouble: Trouble = Trouble.NONE


def parse_origin(url: str) -> Origin:
    """Scheme, host and port of a URL.

    Raises:
        ValueError: no http or https URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL with a host")
    return Origin(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])


def explain(error: OSError) -> str:
    """Why a connection failed, in the same words wherever it is told."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    return f"{type(error).__name__}: {error.strerror or 'the connection failed'}"


class Connection:
    """A connection that is opened when first needed, and again after it ended."""

    def __init__(self, origin: Origin, *, keep_body: int = 0) -> None:
        """Makes no call. `keep_body` is how many bytes of each body are kept."""
        self._origin = origin
        self._keep_body = keep_body
        self._socket: socket.socket | None = None

    def exchange(self, request: bytes, method: str, limit_s: float) -> Exchange:
        """Writes the request once and reads its answer. Never raises for what the network does.

        A kept connection that shows its end before anything is written is left and a new one is opened, as
        every careful client does; nothing was sent, so nothing is repeated. One that ends between that look
        and the answer is a lost request.
        """
        started = time.monotonic()
        answer = AnswerParser(method, keep_body=self._keep_body)
        trouble, why = self._attempt(request, answer, started + limit_s)
        duration_us = int((time.monotonic() - started) * 1_000_000)
        if why or not answer.reusable:
            self.close()
        if not why:
            fate = Fate.FAILED if answer.status >= 500 else Fate.ANSWERED  # noqa: PLR2004 - server errors
        else:
            fate = Fate.CUT if answer.status else Fate.LOST
        return Exchange(fate, duration_us, answer, why, trouble)

    def close(self) -> None:
        """Closes the connection; the next exchange opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, request: bytes, answer: AnswerParser, ends_at: float) -> tuple[Trouble, str]:
        """Why the answer is not complete; empty when it is."""
        try:
            connection = self._connected(ends_at)
            connection.settimeout(_left(ends_at))
            connection.sendall(request)
            while True:
                connection.settimeout(_left(ends_at))
                content = connection.recv(_READ_BYTES)
                if not content and not answer.close():
                    return Trouble.NETWORK, "the connection was closed before the answer was complete"
                if answer.feed(content):
                    return Trouble.NONE, ""
        except TimeoutError:
            return Trouble.TIME, "no complete answer within the time limit"
        except WireError as error:
            return Trouble.WIRE, f"not an HTTP answer: {error}"
        except OSError as error:
            return Trouble.NETWORK, explain(error)

    def _connected(self, ends_at: float) -> socket.socket:
        if self._socket is not None and _is_readable(self._socket):
            self.close()
        if self._socket is None:
            address = (self._origin.host, self._origin.port)
            connection = socket.create_connection(address, timeout=_left(ends_at))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._origin.scheme == "https":
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=self._origin.host)
            self._socket = connection
        return self._socket


def _is_readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to say: its end, or bytes that belong to no request."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
