"""A small ASGI server: HTTP/1.1 with kept connections, streams both ways, websockets, and an orderly end."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

from paymentapp.connection import App, Connection

LINGER_S = 0.25  # idle connections are kept so long after SIGTERM: a request may be on its way
GRACE_S = 8.0  # requests that run then may finish
READ_LIMIT = 64 * 1024  # bytes read ahead of the application; a client that sends more waits


class Server:
    """Listens, and leaves in order when it is told to."""

    def __init__(self, app: App, error_headers: list[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._error_headers = error_headers
        self._connections: set[Connection] = set()
        self._leaving = asyncio.Event()
        self._alone = asyncio.Event()
        self._alone.set()

    async def run(self, host: str, port: int, on_leaving: Callable[[], None]) -> None:
        """Serves until SIGTERM or SIGINT, then lets what runs finish."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        life = Life(self._app)
        await life.begin()
        listener = await asyncio.start_server(self._serve, host, port, limit=READ_LIMIT, backlog=1024)
        print(f"listening on {host}:{listener.sockets[0].getsockname()[1]}", flush=True)
        await told.wait()
        on_leaving()
        listener.close()
        await asyncio.sleep(LINGER_S)
        self._leaving.set()
        for connection in list(self._connections):
            if not connection.busy:
                connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._alone.wait()
        await life.end()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self._app, self._error_headers, self._leaving, reader, writer)
        self._connections.add(connection)
        self._alone.clear()
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._alone.set()


class Life:
    """Tells the application that it begins and that it ends."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._task = asyncio.ensure_future(self._app(scope, self._told.get, self._said.put))
        await self._tell("lifespan.startup")

    async def end(self) -> None:
        await self._tell("lifespan.shutdown")

    async def _tell(self, kind: str) -> None:
        """Returns when the application has answered, or has ended without an answer."""
        await self._told.put({"type": kind})
        answer = asyncio.ensure_future(self._said.get())
        assert self._task is not None
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self._task.result()
