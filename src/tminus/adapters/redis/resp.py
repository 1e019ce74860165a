"""The Redis serialization protocol, version 2, as far as questions need it. Must not know any one command.

Source: Redis documentation, "Redis serialization protocol specification".
"""

import re
import socket
import ssl
import time
from types import TracebackType
from typing import Self

Reply = str | int | list["Reply"] | None

MOST_BYTES = 1024 * 1024
"""Of one reply: INFO has some thousand bytes, CLUSTER NODES of a thousand nodes some hundred thousand."""

_LINE_BYTES = 64 * 1024
_DEPTH = 4
_PIECE_BYTES = 16 * 1024
_CODE = re.compile(r"[A-Z]{2,20}")


class RespError(Exception):
    """What answered does not speak this protocol, or not to its end."""


class RedisRefusedError(Exception):
    """The server refuses a command.

    Attributes:
        code: its first word, such as `NOAUTH`; `ERR` where it has none.
    """

    def __init__(self, code: str) -> None:
        """See the class."""
        super().__init__(f"it refuses with {code}")
        self.code = code


class RedisConnection:
    """One connection to one server, with a limit on everything that is done by it."""

    def __init__(self, host: str, port: int, limit_s: float, *, tls: bool = False, roots: str = "") -> None:
        """Connects.

        Args:
            host: name or address.
            port: on it.
            limit_s: for everything, from here to the last reply.
            tls: whether TLS is spoken; the certificate must be trusted and bear the host's name.
            roots: file of certificates that are trusted instead of the system's, as PEM.

        Raises:
            OSError: the network, or the certificate.
        """
        self._ends_at = time.monotonic() + limit_s
        self._buffer = bytearray()
        self._taken = 0
        self._socket: socket.socket = socket.create_connection((host, port), timeout=limit_s)
        if tls:
            context = ssl.create_default_context(cafile=roots or None)
            plain = self._socket
            plain.settimeout(self._left())
            try:
                self._socket = context.wrap_socket(plain, server_hostname=host)
            except BaseException:
                plain.close()
                raise

    def call(self, *words: str) -> Reply:
        """The reply to one command.

        Raises:
            OSError: the network; `TimeoutError` after the limit.
            RedisRefusedError: the server refuses it.
            RespError: the reply makes no sense.
        """
        encoded = [word.encode() for word in words]
        request = b"*%d\r\n" % len(encoded)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded)
        self._socket.settimeout(self._left())
        self._socket.sendall(request)
        self._buffer.clear()
        self._taken = 0
        return self._reply(_DEPTH)

    def text(self, *words: str) -> str:
        """The reply to one command, which must be a text; see `call` for faults."""
        found = self.call(*words)
        if not isinstance(found, str):
            raise RespError("it answers something else than a text")
        return found

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self.close()

    def _reply(self, depth: int) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", errors="replace")
        if kind == b"-":
            code = _CODE.match(rest.decode("ascii", errors="replace"))
            raise RedisRefusedError(code[0] if code else "ERR")
        number = _number(rest)
        if kind == b":":
            return number
        if kind == b"$":
            return None if number < 0 else self._bulk(number)
        if kind == b"*" and depth:
            return None if number < 0 else [self._reply(depth - 1) for _ in range(min(number, MOST_BYTES))]
        raise RespError("it does not speak the protocol of Redis")

    def _bulk(self, length: int) -> str:
        if length > MOST_BYTES:
            raise RespError(f"a reply of more than {MOST_BYTES} bytes")
        while len(self._buffer) < length + 2:
            self._read()
        content, end = bytes(self._buffer[:length]), bytes(self._buffer[length : length + 2])
        if end != b"\r\n":
            raise RespError("a reply is longer than it says")
        del self._buffer[: length + 2]
        return content.decode("utf-8", errors="replace")

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LINE_BYTES or (self._buffer and self._buffer[:1] not in b"+-:$*"):
                raise RespError("it does not speak the protocol of Redis")
            self._read()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _read(self) -> None:
        self._socket.settimeout(self._left())
        piece = self._socket.recv(_PIECE_BYTES)
        if not piece:
            raise RespError("the connection was closed before the reply was complete")
        self._taken += len(piece)
        if self._taken > 2 * MOST_BYTES:
            raise RespError(f"a reply of more than {MOST_BYTES} bytes")
        self._buffer += piece

    def _left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _number(text: bytes) -> int:
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 19:  # noqa: PLR2004 - digits of a signed 64-bit number
        raise RespError("it does not speak the protocol of Redis")
    return int(text)
