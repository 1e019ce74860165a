"""A small ASGI server: HTTP/1.1 with kept connections, bodies of known length, and an orderly end."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 1024 * 1024
LINGER_S = 0.25  # idle connections are kept so long after SIGTERM: a request may be on its way
GRACE_S = 8.0  # requests that run then may finish
App = Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Any], Awaitable[None]]
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Connection(asyncio.Protocol):
    """One client connection; requests on it are answered one after the other."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    def eof_received(self) -> bool:
        self._closing = True
        return self._task is not None  # what was asked for is answered before the connection goes

    @property
    def busy(self) -> bool:
        return self._task is not None

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        """Starts on the next request when all of it is here."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT:
                self._refuse(431)
            return
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        parts = lines[0].split(b" ")
        headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(b":") for line in lines[1:])]
        named = dict(headers)
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            self._refuse(400)
            return
        if b"transfer-encoding" in named:
            self._refuse(411)
            return
        length = named.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            self._refuse(413 if length.isdigit() else 400)
            return
        whole = end + 4 + int(length)
        if len(self._buffer) < whole:
            return
        body = bytes(self._buffer[end + 4 : whole])
        del self._buffer[:whole]
        wants_close = named.get(b"connection", b"").lower() == b"close" or parts[2] == b"HTTP/1.0"
        scope = _scope(parts, headers)
        self._task = asyncio.get_running_loop().create_task(self._answer(scope, body, wants_close))
        self._task.add_done_callback(self._done)

    async def _answer(self, scope: dict[str, Any], body: bytes, wants_close: bool) -> None:
        answer = Answer()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._server.app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - whatever the application does wrong is a 500
            print(f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}", file=sys.stderr)
            answer = Answer(500, [(b"content-length", b"0"), *self._server.error_headers])
        self._closing = self._closing or wants_close or self._server.leaving
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer.content(scope["method"], close=self._closing))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()
        if self._closing:
            self.close()
        elif self._buffer:
            self._next()

    def _refuse(self, status: int) -> None:
        if self._transport is not None:
            self._transport.write(Answer(status, [(b"content-length", b"0")]).content("GET", close=True))
        self.close()


class Answer:
    """Collects what the application sends."""

    def __init__(self, status: int = 500, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self._status = status
        self._headers = headers or []
        self._body: list[bytes] = []

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._body.append(message.get("body", b""))

    def content(self, method: str, *, close: bool) -> bytes:
        body = b"".join(self._body)
        lines = [b"HTTP/1.1 %d %s" % (self._status, _REASONS.get(self._status, "").encode())]
        lines += [b"%s: %s" % header for header in self._headers]
        if not any(name == b"content-length" for name, _ in self._headers):
            lines.append(b"content-length: %d" % len(body))
        if close:
            lines.append(b"connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if method == "HEAD" else body)


class Server:
    """Listens, and leaves in order when it is told to."""

    def __init__(self, app: App, error_headers: list[tuple[bytes, bytes]]) -> None:
        self.app = app
        self.error_headers = error_headers
        self.connections: set[Connection] = set()
        self.leaving = False

    async def run(self, host: str, port: int, on_leaving: Callable[[], None]) -> None:
        """Serves until SIGTERM or SIGINT, then lets what runs finish."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        listener = await loop.create_server(lambda: Connection(self), host, port, backlog=1024)
        print(f"listening on {host}:{listener.sockets[0].getsockname()[1]}", flush=True)
        await told.wait()
        self.leaving = True
        on_leaving()
        listener.close()
        await self._wait_idle(LINGER_S, until_idle=False)
        for connection in list(self.connections):
            if not connection.busy:
                connection.close()
        await self._wait_idle(GRACE_S, until_idle=True)

    async def _wait_idle(self, limit_s: float, *, until_idle: bool) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + limit_s
        while self.connections and loop.time() < ends_at:
            if until_idle and not any(connection.busy for connection in self.connections):
                return
            await asyncio.sleep(0.02)


def _scope(parts: list[bytes], headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    path, _, query = parts[1].partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": parts[0].decode("latin-1"),
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }
