"""The head of an HTTP/1.1 request, and the body behind it, as they come from a reader."""

import asyncio
from dataclasses import dataclass
from typing import Any

PIECE = 64 * 1024  # of a body, handed on at once
_LINE_LIMIT = 1024  # of a chunk's size
_HEX = b"0123456789abcdefABCDEF"


class BadRequestError(Exception):
    """What came cannot be read on; `status` tells the client."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and headers."""

    method: str
    path: bytes
    query: bytes
    is_old: bool
    headers: list[tuple[bytes, bytes]]
    named: dict[bytes, bytes]

    @property
    def wants_close(self) -> bool:
        return self.is_old or b"close" in self.named.get(b"connection", b"").lower()

    @property
    def wants_websocket(self) -> bool:
        return self.named.get(b"upgrade", b"").lower() == b"websocket" and b"sec-websocket-key" in self.named

    def scope(self, kind: str) -> dict[str, Any]:
        """What an ASGI application is told."""
        return {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws" if kind == "websocket" else "http",
            "method": self.method,
            "path": self.path.decode("latin-1"),
            "raw_path": self.path,
            "query_string": self.query,
            "headers": self.headers,
        }


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request's head; None when the client has left.

    Raises:
        BadRequestError: it is no HTTP/1.1 request, or its head is too long.
    """
    try:
        content = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError(431) from None
    lines = content[:-4].split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequestError(400)
    headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(b":") for line in lines[1:])]
    path, _, query = parts[1].partition(b"?")
    return Head(parts[0].decode("latin-1"), path, query, parts[2] == b"HTTP/1.0", headers, dict(headers))


class Body:
    """A request's body, read when the application asks, so that a fast client cannot fill the memory."""

    def __init__(self, head: Head, reader: asyncio.StreamReader) -> None:
        length = head.named.get(b"content-length", b"0")
        coding = head.named.get(b"transfer-encoding", b"").lower()
        if not length.isdigit() or coding not in (b"", b"chunked"):
            raise BadRequestError(400)
        self._reader = reader
        self._is_chunked = bool(coding)
        self._left = 0 if self._is_chunked else int(length)
        self.is_over = not self._is_chunked and not self._left

    async def read(self) -> bytes:
        """The next piece; empty at the end.

        Raises:
            BadRequestError: a chunk has no size.
            IncompleteReadError: the client left.
        """
        if not self._left and self._is_chunked and not self.is_over:
            await self._next_chunk()
        if self.is_over:
            return b""
        piece = await self._reader.read(min(PIECE, self._left))
        if not piece:
            raise asyncio.IncompleteReadError(b"", self._left)
        self._left -= len(piece)
        if not self._left and self._is_chunked:
            await self._reader.readexactly(2)
        self.is_over = not self._left and not self._is_chunked
        return piece

    async def _next_chunk(self) -> None:
        size = (await self._reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        if not size or len(size) > _LINE_LIMIT or any(digit not in _HEX for digit in size):
            raise BadRequestError(400)
        self._left = int(size, 16)
        if not self._left:
            while (await self._reader.readuntil(b"\r\n")) != b"\r\n":
                pass  # trailers say nothing that this server needs
            self.is_over = True
