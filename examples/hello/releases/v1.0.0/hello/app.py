"""The shop as an ASGI application. Runs on the server beside it, and on any other ASGI server."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from hello.release import GREETING, RELEASE
from hello.store import Store

BODY_LIMIT = 64 * 1024
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Shop:
    """Routes requests to the store. `draining` makes the health path tell that this instance is leaving."""

    def __init__(self, store: Store, *, slot: str = "", port: str = "") -> None:
        self._store = store
        self._port = port
        self.draining = False
        self._headers = [
            (b"content-type", b"application/json"),
            (b"x-release", RELEASE.encode()),
            (b"x-slot", slot.encode()),
            (b"x-instance", port.encode()),
        ]
        self._about = {"service": "hello", "release": RELEASE, "slot": slot, "port": port, "pid": os.getpid()}
        self._routes: dict[tuple[str, str], Callable[[dict[bytes, bytes], bytes], tuple[int, object]]] = {
            ("GET", "/"): lambda _headers, _body: (
                200,
                {"text": f"{GREETING} from {RELEASE}", **self._about},
            ),
            ("GET", "/healthz"): self._health,
            ("POST", "/auth/login"): self._login,
            ("GET", "/dashboard"): self._dashboard,
            ("POST", "/payments"): self._pay,
            ("GET", "/payments/stats"): lambda _headers, _body: (200, self._store.stats()),
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        body = await _body(receive)
        status, answer = self._answer(scope["method"], scope["path"], dict(scope["headers"]), body)
        content = json.dumps(answer).encode()
        headers = [*self._headers, (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, method: str, path: str, headers: dict[bytes, bytes], body: bytes | None
    ) -> tuple[int, object]:
        if body is None:
            return 413, {"error": "the body is too large"}
        route = self._routes.get(("GET" if method == "HEAD" else method, path))
        if route is None:
            known = any(path == each for _, each in self._routes)
            return (405, {"error": "not that method"}) if known else (404, {"error": "nothing is here"})
        return route(headers, body)

    def _health(self, _headers: dict[bytes, bytes], _body: bytes) -> tuple[int, object]:
        return (503, {"status": "leaving"}) if self.draining else (200, {"status": "ok", "release": RELEASE})

    def _login(self, _headers: dict[bytes, bytes], body: bytes) -> tuple[int, object]:
        fields = _fields(body)
        user, password = fields.get("user"), fields.get("password")
        if not isinstance(user, str) or not user or not password:
            return 401, {"error": "who are you?"}
        return 200, {"user": user, "token": self._store.token(user)}

    def _dashboard(self, headers: dict[bytes, bytes], _body: bytes) -> tuple[int, object]:
        token = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        return 200, {"release": RELEASE, **self._store.profile(token)}

    def _pay(self, headers: dict[bytes, bytes], body: bytes) -> tuple[int, object]:
        amount = _fields(body).get("amount", 0)
        times = self._store.pay(headers.get(b"idempotency-key", b"").decode("latin-1"))
        return 201, {"paid": True, "amount": amount, "times": times}


async def _body(receive: Receive) -> bytes | None:
    content = b""
    more = True
    while more:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
        if len(content) > BODY_LIMIT:
            return None
    return content


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
