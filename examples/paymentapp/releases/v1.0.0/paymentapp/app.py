"""The ASGI application: which request goes to whom. Runs on the server beside it, and on any other."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from paymentapp import streams
from paymentapp.accounts import Accounts
from paymentapp.assets import Assets
from paymentapp.health import Health
from paymentapp.payments import Payments
from paymentapp.pool import BusyError, Pool
from paymentapp.release import RELEASE
from paymentapp.request import Answer, Receive, RefusedError, Request, Send
from paymentapp.settings import Settings

Route = Callable[[Request], Awaitable[Answer]]
JSON = (b"content-type", b"application/json")


class App:
    """One instance of the service."""

    def __init__(self, settings: Settings) -> None:
        name = f"paymentapp {settings.version} {settings.slot}".strip()
        self._settings = settings
        self._pool = Pool(settings.database_url, name)
        self.health = Health(settings.database_url, name)
        self._assets = Assets()
        accounts = Accounts(self._pool, settings)
        payments = Payments(self._pool, accounts, settings)
        self._routes: dict[tuple[str, str], Route] = {
            ("POST", "/auth/register"): accounts.register,
            ("POST", "/auth/login"): accounts.login,
            ("POST", "/payments/process"): payments.process,
            ("GET", "/payments/stats"): payments.stats,
            ("GET", "/dashboard"): payments.dashboard,
            ("POST", "/upload"): streams.upload,
            ("GET", "/healthz"): self._health,
        }
        self.headers = [
            (b"x-release", RELEASE.encode()),
            (b"x-slot", settings.slot.encode()),
            (b"x-instance", settings.port.encode()),
        ]

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._talk(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        watch = asyncio.create_task(self.health.watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self.health.close()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _talk(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"] == "/ws":
            await streams.echo(receive, send, self.headers)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path = scope["path"]
        request = Request(scope, receive)
        try:
            if (method, path) == ("GET", "/stream"):
                await streams.stream(request, send, self.headers)
            elif (method, path) == ("GET", "/"):
                await self._file(send, b"text/html; charset=utf-8", b"no-cache", self._assets.page)
            elif (method, path) == ("GET", self._assets.script_path):
                lasting = b"public, max-age=31536000, immutable"
                await self._file(send, b"text/javascript", lasting, self._assets.script)
            else:
                await self._tell(send, await self._ask(method, path, request))
        except RefusedError as refused:
            await self._tell(send, Answer(refused.status, {"error": refused.text}))
        except (BusyError, psycopg.OperationalError):
            await self._tell(send, Answer(503, {"error": "the database does not answer"}))

    async def _ask(self, method: str, path: str, request: Request) -> Answer:
        route = self._routes.get((method, path))
        if route is None:
            known = any(path == each for _, each in self._routes)
            raise RefusedError(*((405, "not that method") if known else (404, "nothing is here")))
        return await route(request)

    async def _health(self, _request: Request) -> Answer:
        trouble = self.health.trouble()
        return Answer(503 if trouble else 200, {"status": trouble or "ok", "release": RELEASE})

    async def _tell(self, send: Send, answer: Answer) -> None:
        content = json.dumps(answer.value).encode()
        await send({"type": "http.response.start", "status": answer.status, "headers": [JSON, *self.headers]})
        await send({"type": "http.response.body", "body": content})

    async def _file(self, send: Send, kind: bytes, caching: bytes, content: bytes) -> None:
        headers = [(b"content-type", kind), (b"cache-control", caching), *self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
