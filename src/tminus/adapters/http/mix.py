"""Bounded load of users who do different things, every request accounted for. Must not repeat a request.

What they do is a script's affair; this sends its requests when they are due and tells it the answers.
"""

import asyncio
import select
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from tminus.adapters.http.connection import Origin, explain, parse_origin
from tminus.adapters.http.load_count import LoadCount, Request
from tminus.adapters.http.load_spec import LoadResult, LoadSpec
from tminus.adapters.http.wire import AnswerParser, WireError, request_bytes

_TICK_S = 0.002  # how often due requests are begun
_READ_BYTES = 64 * 1024
_PIECE_BYTES = 16 * 1024  # of a body that is sent slowly
_TOO_LATE = "no complete answer within the time limit"
_ENDED_EARLY = "the connection was closed before the answer was complete"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a user.

    Attributes:
        kind: counted under this name; one of the script's.
        method: in capitals.
        path: with its query.
        headers: (name, value) pairs besides Host and Content-Length.
        body: None sends none.
        is_new: opens a connection of its own and closes it.
        keep_body: bytes of the answer's body that the script wants to see.
        pause_ms: between pieces of the body, for an upload that takes its time.
    """

    kind: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    is_new: bool = False
    keep_body: int = 0
    pause_ms: int = 0


class Script(Protocol):
    """What the users do. Called from one thread."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of requests."""
        ...

    def ask(self, number: int) -> Ask:
        """The request with this number, rising from 1."""
        ...

    def told(self, number: int, ask: Ask, answer: AnswerParser, why: str) -> None:
        """What became of it; `why` is empty when the answer is complete."""
        ...


def run_mix(spec: LoadSpec, script: Script, stop: threading.Event | None = None) -> LoadResult:
    """Makes the load and returns when every request has its fate; blocks the calling thread.

    The rate does not follow the answers. A request that finds all kept connections in use waits for one, and
    its waiting counts as part of its time and of its limit, as it does for the user.

    Args:
        spec: of it the URL, rate, seconds, connections, limit and count are used; the script says the rest.
        script: what to send.
        stop: set it to begin no further request.

    Raises:
        ValueError: the URL is no http URL.
    """
    origin = parse_origin(spec.url)
    if origin.scheme != "http":
        raise ValueError("load is made over http only")
    return asyncio.run(_Mix(spec, origin, script, stop or threading.Event()).run())


class _Mix:
    """One run: a task for each request, and the connections that are kept between them."""

    def __init__(self, spec: LoadSpec, origin: Origin, script: Script, stop: threading.Event) -> None:
        self._spec = spec
        self._origin = origin
        self._script = script
        self._stop = stop
        self._count = LoadCount(script.kinds)
        self._free = asyncio.Semaphore(spec.connections)
        self._idle: deque[_Wire] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> LoadResult:
        started_us = _now_us()
        limit = min(self._spec.rate_per_s * self._spec.seconds, self._spec.count or sys.maxsize)
        begun = 0
        start = time.monotonic()
        while begun < limit and not self._stop.is_set():
            due = min(limit, int((time.monotonic() - start) * self._spec.rate_per_s) + 1)
            while begun < due:
                due_us = started_us + begun * 1_000_000 // self._spec.rate_per_s
                begun += 1
                self._begin(begun, due_us)
            await asyncio.sleep(_TICK_S)
        # Each task ends by its own limit, so this wait is bounded by it.
        await asyncio.gather(*self._tasks)
        for wire in self._idle:
            wire.close()
        return self._count.result(started_us, _now_us())

    def _begin(self, number: int, due_us: int) -> None:
        ask = self._script.ask(number)
        answer = AnswerParser(ask.method, keep_body=ask.keep_body)
        headers = (*ask.headers, ("Connection", "close")) if ask.is_new else ask.headers
        content = request_bytes(ask.method, ask.path, self._origin.authority, headers, ask.body)
        request = Request(number, ask.kind, content, due_us, _now_us(), answer)
        self._count.begin(request)
        task = asyncio.get_running_loop().create_task(self._exchange(request, ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, request: Request, ask: Ask) -> None:
        why = "no connection was free within the time limit"
        try:
            async with asyncio.timeout(self._spec.limit_ms / 1000):
                if ask.is_new:
                    why = _TOO_LATE
                    why = await self._attempt(request, ask)
                else:
                    async with self._free:
                        why = _TOO_LATE
                        why = await self._attempt(request, ask)
        except TimeoutError:
            pass  # `why` says how far it came
        self._count.end(request, _now_us(), why)
        self._script.told(request.number, ask, request.answer, why)

    async def _attempt(self, request: Request, ask: Ask) -> str:
        """Why the answer is not complete; empty when it is."""
        wire = None
        is_whole = False
        try:
            wire = await self._wire(is_new=ask.is_new)
            await wire.send(request.content, ask.pause_ms)
            is_whole = await wire.read(request.answer)
        except WireError as error:
            return f"not an HTTP answer: {error}"
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return explain(error)
        finally:
            if wire is not None:
                self._leave(wire, reusable=is_whole and request.answer.reusable and not ask.is_new)
        return "" if is_whole else _ENDED_EARLY

    async def _wire(self, *, is_new: bool) -> "_Wire":
        while self._idle and not is_new:
            wire = self._idle.pop()
            if wire.is_quiet():
                return wire
            wire.close()
        return _Wire(*await asyncio.open_connection(self._origin.host, self._origin.port))

    def _leave(self, wire: "_Wire", *, reusable: bool) -> None:
        if reusable:
            self._idle.append(wire)
        else:
            wire.close()


class _Wire:
    """One connection with at most one request on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._poll = select.poll()
        self._poll.register(writer.get_extra_info("socket").fileno(), select.POLLIN)

    def is_quiet(self) -> bool:
        """Whether an idle connection shows neither its end nor stray bytes."""
        return not (self._reader.at_eof() or self._writer.is_closing() or self._poll.poll(0))

    def close(self) -> None:
        """Closes at once."""
        self._writer.transport.abort()

    async def send(self, content: bytes, pause_ms: int) -> None:
        """Writes the request, once."""
        size = _PIECE_BYTES if pause_ms else len(content)
        for start in range(0, len(content), size):
            self._writer.write(content[start : start + size])
            await self._writer.drain()
            if start + size < len(content):
                await asyncio.sleep(pause_ms / 1000)

    async def read(self, answer: AnswerParser) -> bool:
        """Whether the whole answer came before the other side closed."""
        while not answer.complete:
            content = await self._reader.read(_READ_BYTES)
            if not content:
                return answer.close()
            answer.feed(content)
        return True


def _now_us() -> int:
    return time.time_ns() // 1_000
