"""Websockets (RFC 6455) behind ASGI messages: frames in, frames out, a farewell when this instance leaves."""

import asyncio
import base64
import hashlib
from typing import Any

from paymentapp.message import Head

MESSAGE_LIMIT = 1024 * 1024
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_GOING_AWAY = 1001


class Websocket:
    """One conversation."""

    def __init__(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leaving: asyncio.Event
    ) -> None:
        self._key = head.named[b"sec-websocket-key"]
        self._reader = reader
        self._writer = writer
        self._leaving = leaving
        self._began = False
        self._accepted = False
        self._closed = False

    async def receive(self) -> dict[str, Any]:
        if not self._began:
            self._began = True
            return {"type": "websocket.connect"}
        message = None if self._closed else await self._message_or_farewell()
        if message is None:
            return {"type": "websocket.disconnect", "code": _GOING_AWAY}
        kind, content = message
        if kind == _TEXT:
            return {"type": "websocket.receive", "text": content.decode("utf-8", "replace")}
        return {"type": "websocket.receive", "bytes": content}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self._accept(message.get("headers", []))
        elif message["type"] == "websocket.close":
            self._close(message.get("code", 1000))
        elif message.get("text") is not None:
            self._write(_TEXT, message["text"].encode())
        else:
            self._write(_BINARY, message["bytes"])
        await self._writer.drain()

    async def finish(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Says that it is over, in the way that fits how far it came."""
        if self._accepted:
            self._close(1000)
        else:
            lines = [b"HTTP/1.1 403 Forbidden", *(b"%s: %s" % header for header in headers)]
            lines += [b"content-length: 0", b"connection: close"]
            self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
        await self._writer.drain()

    def _accept(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._accepted = True
        proof = base64.b64encode(hashlib.sha1(self._key + _MAGIC).digest())
        lines = [b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: Upgrade"]
        lines += [b"sec-websocket-accept: " + proof, *(b"%s: %s" % header for header in headers)]
        self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n")

    async def _message_or_farewell(self) -> tuple[int, bytes] | None:
        """The next message; None when one side leaves."""
        coming = asyncio.ensure_future(self._message())
        leaving = asyncio.ensure_future(self._leaving.wait())
        await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if coming.done():
            return coming.result()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        self._close(_GOING_AWAY)
        return None

    async def _message(self) -> tuple[int, bytes] | None:
        kind, content = 0, b""
        while True:
            try:
                last, code, piece = await self._frame()
            except (asyncio.IncompleteReadError, OSError):
                return None
            if code == _CLOSE:
                self._close(1000)
                return None
            if code == _PING:
                self._write(_PONG, piece)
            elif code != _PONG:
                kind = kind or code
                content += piece
                if len(content) > MESSAGE_LIMIT:
                    self._close(1009)
                    return None
                if last:
                    return kind, content

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
        if length > MESSAGE_LIMIT or not second & 0x80:
            raise OSError("a frame that is too long, or not masked")
        mask = await self._reader.readexactly(4)
        content = await self._reader.readexactly(length)
        plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
        return bool(first & 0x80), first & 0x0F, plain

    def _write(self, code: int, content: bytes) -> None:
        length = len(content)
        if length < 126:
            size = bytes([length])
        elif length < 65_536:
            size = b"\x7e" + length.to_bytes(2, "big")
        else:
            size = b"\x7f" + length.to_bytes(8, "big")
        self._writer.write(bytes([0x80 | code]) + size + content)

    def _close(self, code: int) -> None:
        if self._accepted and not self._closed:
            self._write(_CLOSE, code.to_bytes(2, "big"))
        self._closed = True
