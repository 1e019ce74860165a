"""Makes an ASGI application ail on demand: failures, delays, hanging. Must import nothing of tminus.

A stand lays this file beside the sample service, whose interpreter need not have tminus.
"""

import asyncio
import random  # noqa: TID251 - runs inside the service, outside every launch
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
HANG_PATH = "/hang"
FAIL_PATH = "/fail"
LOOK_EVERY_S = 0.005
"""How old a look at the switch may be: a thousandth of what is measured, and not a look per request."""


def ailing(app: App, switch: str, healthy_path: str = "/healthz") -> App:
    """The application, with what the file at `switch` says of it: `errors=20 delay_ms=800`.

    Errors are a percentage of the requests, evenly spread; `chance` is one that is drawn for each request.
    `method=POST` makes only these ail. The health path stays well, as that of a service that is broken where
    nobody looks. `/hang?s=3` answers after so many seconds and `/fail` fails, switch or not.
    """
    state = _Switch(Path(switch))
    answered = 0

    async def ail(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        nonlocal answered
        if scope["path"] == HANG_PATH:
            await asyncio.sleep(float(parse_qs(scope["query_string"].decode())["s"][0]))
            await app({**scope, "path": healthy_path}, receive, send)
            return
        said = state.read()
        spared = scope["path"] == healthy_path or said.method not in ("", scope["method"])
        said = _Said() if spared else said
        answered += 1
        fails = answered * said.errors // 100 != (answered - 1) * said.errors // 100
        fails = fails or random.random() * 100 < said.chance  # noqa: S311 - a fault, not a secret
        if scope["path"] == FAIL_PATH:
            scope, fails = {**scope, "path": healthy_path}, True
        if said.delay_ms:
            await asyncio.sleep(said.delay_ms / 1000)

        async def tell(message: Message) -> None:
            failed = fails and message["type"] == "http.response.start"
            await send({**message, "status": 500} if failed else message)

        await app(scope, receive, tell)

    return ail


@dataclass(frozen=True)
class _Said:
    """Percentages of errors, evenly spread and drawn; delay in milliseconds; the method that ails."""

    errors: int = 0
    chance: float = 0.0
    delay_ms: int = 0
    method: str = ""


class _Switch:
    """What the file says, looked at now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_s = 0.0
        self._said = _Said()

    def read(self) -> _Said:
        """What it says now."""
        now_s = time.monotonic()  # noqa: TID251 - runs inside the service, outside every launch
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._said = self._look()
        return self._said

    def _look(self) -> _Said:
        try:
            words = dict(word.split("=") for word in self._path.read_text(encoding="utf-8").split())
            return _Said(
                int(words.get("errors", "0")),
                float(words.get("chance", "0")),
                int(words.get("delay_ms", "0")),
                words.get("method", ""),
            )
        except (FileNotFoundError, ValueError):
            return _Said()
