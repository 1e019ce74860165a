"""HTTP/1.1 answers from raw bytes. Pure: no sockets, no retries, so that every byte is accounted for."""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

HEAD_LIMIT_BYTES = 64 * 1024
_LINE_LIMIT_BYTES = 1024  # of a chunk's size line
_STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: |$)", re.ASCII)
_BODILESS = (204, 304)
_INTERIM_FIRST, _INTERIM_END, _SWITCHING = 100, 200, 101


class WireError(ValueError):
    """What came is not an HTTP/1.1 answer."""


class _Part(Enum):
    HEAD = auto()
    LENGTH = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    TRAILER = auto()
    UNTIL_CLOSE = auto()
    DONE = auto()


@dataclass(slots=True)
class AnswerParser:
    """Takes the bytes of one answer as they come.

    Attributes:
        method: of the request; an answer to HEAD has no body.
        keep_body: bytes of the body to keep; what is beyond is counted and dropped.
        seen: bytes fed so far.
        status: 0 until the header is complete.
        headers: lower-case name to value; values of repeated headers are joined by `, `.
        body: the bytes kept.
        body_length: length of the body so far, kept or not.
    """

    method: str = "GET"
    keep_body: int = 0
    seen: int = 0
    status: int = 0
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    body_length: int = 0
    _part: _Part = _Part.HEAD
    _left: int = 0
    _buffer: bytearray = field(default_factory=bytearray)

    @property
    def complete(self) -> bool:
        """The whole answer has come."""
        return self._part is _Part.DONE

    @property
    def reusable(self) -> bool:
        """The connection may carry another request: the answer ended by itself and announced no close."""
        if not self.complete or self._buffer or self.status == _SWITCHING:
            return False
        connection = self.headers.get("connection", "").lower()
        if self.version == "HTTP/1.0":
            return "keep-alive" in connection
        return "close" not in connection

    def feed(self, content: bytes) -> bool:
        """Takes bytes; True when the answer is complete.

        Raises:
            WireError: this is no HTTP/1.1 answer.
        """
        self.seen += len(content)
        self._buffer += content
        while self._step():
            pass
        return self.complete

    def close(self) -> bool:
        """The other side has closed; True when that completes the answer."""
        if self._part is _Part.UNTIL_CLOSE:
            self._part = _Part.DONE
            self.headers.setdefault("connection", "close")
        return self.complete

    def _step(self) -> bool:
        """One part of the answer; False when more bytes are needed or none are."""
        if self._part is _Part.DONE or not self._buffer:
            return False
        if self._part is _Part.HEAD:
            return self._head()
        if self._part is _Part.UNTIL_CLOSE:
            self._keep(len(self._buffer))
            return False
        if self._part is _Part.LENGTH or self._part is _Part.CHUNK:
            return self._counted()
        return self._chunk_line()

    def _counted(self) -> bool:
        taken = min(self._left, len(self._buffer))
        self._left -= taken
        if self._part is _Part.LENGTH:
            self._keep(taken)
            if self._left == 0:
                self._part = _Part.DONE
            return False
        # The last two bytes of a chunk are its line end and no part of the body.
        body = min(taken, max(0, self._left + taken - 2))
        self._keep(body)
        del self._buffer[: taken - body]
        if self._left == 0:
            self._part = _Part.CHUNK_SIZE
        return self._left == 0

    def _chunk_line(self) -> bool:
        line, end, _ = self._buffer.partition(b"\r\n")
        if not end:
            if len(line) > _LINE_LIMIT_BYTES:
                raise WireError("a chunk's size line is too long")
            return False
        del self._buffer[: len(line) + 2]
        if self._part is _Part.TRAILER:
            if not line:
                self._part = _Part.DONE
            return bool(line)
        digits = bytes(line.partition(b";")[0]).strip()
        if not digits or any(digit not in b"0123456789abcdefABCDEF" for digit in digits):
            raise WireError("a chunk has no size")
        size = int(digits, 16)
        self._part, self._left = (_Part.CHUNK, size + 2) if size else (_Part.TRAILER, 0)
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT_BYTES:
                raise WireError("the header is too long")
            if not self._buffer.startswith(b"HTTP/1."[: len(self._buffer)]):
                raise WireError("the answer does not start with HTTP/1.")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        self.version, status = _status_line(lines[0])
        headers = _headers(lines[1:])
        if _INTERIM_FIRST <= status < _INTERIM_END and status != _SWITCHING:
            return True
        self.status, self.headers = status, headers
        self._part, self._left = self._body_part()
        return True

    def _body_part(self) -> tuple[_Part, int]:
        if self.method == "HEAD" or self.status in _BODILESS or self.status == _SWITCHING:
            return _Part.DONE, 0
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding:
            if coding != "chunked":
                raise WireError("a transfer coding other than chunked")
            return _Part.CHUNK_SIZE, 0
        length = self.headers.get("content-length")
        if length is None:
            return _Part.UNTIL_CLOSE, 0
        if not (length.isascii() and length.isdigit()):
            raise WireError("a content length that is no number")
        return (_Part.LENGTH, int(length)) if int(length) else (_Part.DONE, 0)

    def _keep(self, count: int) -> None:
        kept = min(count, self.keep_body - len(self.body))
        if kept > 0:
            self.body += self._buffer[:kept]
        self.body_length += count
        del self._buffer[:count]


def request_bytes(
    method: str, path: str, host: str, headers: tuple[tuple[str, str], ...] = (), body: bytes | None = None
) -> bytes:
    """A request as it goes over the wire. Headers given replace `Host`, which is added otherwise.

    Raises:
        ValueError: a part would break the request's lines.
    """
    given = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and "content-length" not in given:
        lines.append(f"Content-Length: {len(body)}")
    if (
        any("\r" in line or "\n" in line or "\0" in line for line in lines)
        or " " in path
        or not path.isascii()
    ):
        raise ValueError("a method, path or header spans lines, or the path is not percent-encoded")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def _status_line(line: str) -> tuple[str, int]:
    match = _STATUS_LINE.match(line)
    if match is None:
        raise WireError("the first line is no status line")
    return match[1], int(match[2])


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise WireError("a header line has no name")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers
