"""One client connection: its requests are answered one after the other."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from paymentapp.message import BadRequestError, Body, Head, read_head
from paymentapp.websocket import Websocket

App = Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_UNREAD_LIMIT = 256 * 1024  # of a body that the application left unread, skipped to keep the connection


class Connection:
    """Reads requests, hands them to the application and writes its answers."""

    def __init__(
        self,
        app: App,
        error_headers: Headers,
        leaving: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._app = app
        self._error_headers = error_headers
        self._leaving = leaving
        self._reader = reader
        self._writer = writer
        self.busy = False

    async def run(self) -> None:
        """Returns when the connection has ended."""
        try:
            while (head := await read_head(self._reader)) is not None:
                self.busy = True
                is_kept = await self._exchange(head)
                self.busy = False
                if not is_kept:
                    return
        except BadRequestError as error:
            await Answer(self._writer, "GET", lambda: True).refuse(error.status, [])
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has left
        finally:
            self.close()

    def close(self) -> None:
        self._writer.close()

    async def _exchange(self, head: Head) -> bool:
        """Answers one request; whether the connection can take another."""
        if head.wants_websocket:
            websocket = Websocket(head, self._reader, self._writer, self._leaving)
            await self._guarded(self._app(head.scope("websocket"), websocket.receive, websocket.send), head)
            await websocket.finish(self._error_headers)
            return False
        body = Body(head, self._reader)
        answer = Answer(self._writer, head.method, lambda: head.wants_close or self._leaving.is_set())
        receive = self._receiver(head, body)
        is_done = await self._guarded(self._app(head.scope("http"), receive, answer.send), head)
        if not is_done and not answer.began:
            await answer.refuse(500, self._error_headers)
        if not answer.is_over:
            self._writer.transport.abort()  # half an answer must not look like a whole one
            return False
        return not answer.closes and await _skip(body)

    async def _guarded(self, answering: Awaitable[None], head: Head) -> bool:
        try:
            await answering
        except (OSError, asyncio.IncompleteReadError, BadRequestError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the application does wrong is a 500
            place = f"{head.method} {head.path.decode('latin-1')}"
            print(f"{place}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return False
        return True

    def _receiver(self, head: Head, body: Body) -> Callable[[], Awaitable[dict[str, Any]]]:
        expects = head.named.get(b"expect", b"").lower() == b"100-continue"
        told_end = False

        async def receive() -> dict[str, Any]:
            nonlocal expects, told_end
            if told_end:
                return {"type": "http.disconnect"}
            if expects:
                expects = False
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            piece = await body.read()
            told_end = body.is_over
            return {"type": "http.request", "body": piece, "more_body": not body.is_over}

        return receive


class Answer:
    """Writes what the application sends: with its length when it comes at once, else in chunks."""

    def __init__(self, writer: asyncio.StreamWriter, method: str, closes: Callable[[], bool]) -> None:
        self._writer = writer
        self._method = method
        self._wants_close = closes
        self._start: dict[str, Any] = {}
        self._is_chunked = False
        self.began = False
        self.is_over = False
        self.closes = False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if not self.began:
            self._begin(len(body), more=more)
        if self._method != "HEAD":
            self._writer.write(b"%x\r\n%s\r\n" % (len(body), body) if self._is_chunked and body else body)
            if self._is_chunked and not more:
                self._writer.write(b"0\r\n\r\n")
        self.is_over = not more
        await self._writer.drain()

    async def refuse(self, status: int, headers: Headers) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    def _begin(self, length: int, *, more: bool) -> None:
        self.began = True
        self.closes = self._wants_close()
        self._is_chunked = more
        status = self._start["status"]
        lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b""))]
        lines += [b"%s: %s" % header for header in self._start["headers"]]
        lines.append(b"transfer-encoding: chunked" if more else b"content-length: %d" % length)
        if self.closes:
            lines.append(b"connection: close")
        self._writer.write(b"\r\n".join(lines) + b"\r\n\r\n")


async def _skip(body: Body) -> bool:
    """Reads what is left of a body; whether that was little enough to go on."""
    skipped = 0
    while not body.is_over and skipped <= _UNREAD_LIMIT:
        skipped += len(await body.read())
    return body.is_over
