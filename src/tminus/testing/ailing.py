"""Makes an ASGI application ail on demand: failures, delays, hanging. Must import nothing of tminus.

A stand lays this file beside the sample service, whose interpreter need not have tminus.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
HANG_PATH = "/hang"
LOOK_EVERY_S = 0.005
"""How old a look at the switch may be: a thousandth of what is measured, and not a look per request."""


def ailing(app: App, switch: str, healthy_path: str = "/healthz") -> App:
    """The application, with what the file at `switch` says of it: `errors=20 delay_ms=800`.

    Errors are a percentage of the requests, evenly spread. The health path stays well, as that of a service
    that is broken where nobody looks. `/hang?s=3` answers after so many seconds, switch or not.
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
        errors, delay_ms = (0, 0) if scope["path"] == healthy_path else state.read()
        answered += 1
        fails = answered * errors // 100 != (answered - 1) * errors // 100
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)

        async def tell(message: Message) -> None:
            failed = fails and message["type"] == "http.response.start"
            await send({**message, "status": 500} if failed else message)

        await app(scope, receive, tell)

    return ail


class _Switch:
    """What the file says, looked at now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_s = 0.0
        self._said = (0, 0)

    def read(self) -> tuple[int, int]:
        """Percentage of errors, and delay in milliseconds."""
        now_s = time.monotonic()  # noqa: TID251 - runs inside the service, outside every launch
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._said = self._look()
        return self._said

    def _look(self) -> tuple[int, int]:
        try:
            words = dict(word.split("=") for word in self._path.read_text(encoding="utf-8").split())
            return int(words.get("errors", "0")), int(words.get("delay_ms", "0"))
        except (FileNotFoundError, ValueError):
            return 0, 0
