"""A request as the parts of this service see it, and what they answer."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

BODY_LIMIT = 64 * 1024
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class RefusedError(Exception):
    """The request cannot be done as it is; `status` and `text` tell the client why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what goes into the body as JSON."""

    status: int
    value: object


class Request:
    """Reads what it is asked for, when it is asked for it."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._headers: dict[bytes, bytes] = dict(scope.get("headers", ()))
        self._query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        self.receive = receive

    def header(self, name: str) -> str:
        return self._headers.get(name.encode(), b"").decode("latin-1")

    def text(self, name: str) -> str:
        """A value of the query; empty when it is not there."""
        return self._query.get(name, "")

    def number(self, name: str, default: int, highest: int) -> int:
        """A number of the query between 0 and `highest`."""
        given = self._query.get(name, str(default))
        if not given.isdecimal() or int(given) > highest:
            raise RefusedError(400, f"{name} must be a number up to {highest}")
        return int(given)

    async def fields(self) -> dict[str, Any]:
        """The members of a JSON object."""
        content = b""
        more = True
        while more:
            message = await self.receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > BODY_LIMIT:
                raise RefusedError(413, "the body is too large")
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise RefusedError(400, "the body must be a JSON object")
        return found
