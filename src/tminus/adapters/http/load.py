"""Bounded load at a steady rate, every request accounted for. Must not repeat a request.

`python -m tminus.adapters.http.load --url URL --rate 500 --seconds 10` prints what came of it as JSON.
"""

import argparse
import asyncio
import json
import select
import signal
import sys
import threading
import time
from collections import deque

from tminus.adapters.http.connection import Origin, explain, parse_origin
from tminus.adapters.http.load_count import LoadCount, Request
from tminus.adapters.http.load_spec import LoadResult, LoadSpec
from tminus.adapters.http.wire import AnswerParser, WireError, request_bytes
from tminus.domain.codec import to_json

GET_KEPT, GET_NEW, POST = "get-kept", "get-new", "post"
_TICK_S = 0.002  # how often due requests are begun
_SWEEP_S = 0.05  # how often requests beyond their limit are looked for
_GIVE_UP_S = 0.5  # beyond the limit of the last request, for answers that come together


def run_load(spec: LoadSpec, stop: threading.Event | None = None) -> LoadResult:
    """Makes the load and returns when every request has its fate; blocks the calling thread.

    The rate does not follow the answers: when they are slow, more requests are under way, up to
    `connections` kept ones, and what waits for a connection shows in `waited_max_us`.

    Args:
        spec: what to send.
        stop: set it to begin no further request.

    Raises:
        ValueError: the URL is no http URL.
    """
    origin = parse_origin(spec.url)
    if origin.scheme != "http":
        raise ValueError("load is made over http only")
    return asyncio.run(_Generator(spec, origin, stop or threading.Event()).run())


class _Generator:
    """One run: begins requests when they are due, and hands them to connections."""

    def __init__(self, spec: LoadSpec, origin: Origin, stop: threading.Event) -> None:
        self._spec = spec
        self._origin = origin
        self._stop = stop
        self.count = LoadCount((GET_KEPT, GET_NEW, POST))
        self.under_way: dict[int, _Wire] = {}
        self._idle: deque[_Wire] = deque()
        self._waiting: deque[Request] = deque()
        self._kept = 0
        self._gets = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> LoadResult:
        """Begins requests until time, count or `stop` end it; then waits for what is under way."""
        started_us = _now_us()
        begun = 0
        swept_at = 0.0
        limit = min(self._spec.rate_per_s * self._spec.seconds, self._spec.count or sys.maxsize)
        start = time.monotonic()
        while begun < limit and not self._stop.is_set():
            now = time.monotonic()
            due = min(limit, int((now - start) * self._spec.rate_per_s) + 1)
            while begun < due:
                due_us = started_us + begun * 1_000_000 // self._spec.rate_per_s
                begun += 1
                self._begin(self._request(begun, due_us))
            if now - swept_at > _SWEEP_S:
                self._sweep()
                swept_at = now
            await asyncio.sleep(_TICK_S)
        await self._finish()
        return self.count.result(started_us, _now_us())

    def leave(self, wire: "_Wire", *, reusable: bool) -> None:
        """A connection has ended its request; a reusable one takes the next that waits."""
        if reusable and wire.is_quiet():
            if self._waiting:
                self._send(wire, self._waiting.popleft())
            else:
                self._idle.append(wire)
            return
        self._kept -= wire.kept
        wire.kept = False
        wire.close()
        if self._waiting and self._kept < self._spec.connections:
            self._open(self._waiting.popleft(), kept=True)

    def forget(self, wire: "_Wire") -> None:
        """An idle connection was closed by the other side."""
        if wire.kept:
            wire.kept = False
            self._kept -= 1
            self._idle = deque(each for each in self._idle if each is not wire)

    def _request(self, number: int, due_us: int) -> Request:
        spec = self._spec
        # Spread evenly and always the same: no randomness, so two runs send the same.
        is_post = spec.post_path is not None and _share(number, spec.post_percent)
        headers = (*spec.headers, ("Accept", "*/*"))
        if is_post:
            own = (("Idempotency-Key", f"{spec.run}-{number}"), ("Content-Type", "application/json"))
            body = spec.post_body.encode()
            path = spec.post_path or "/"
            content = request_bytes("POST", path, self._origin.authority, (*headers, *own), body)
            return Request(number, POST, content, due_us, answer=AnswerParser("POST"))
        self._gets += 1
        is_new = _share(self._gets, spec.new_percent)
        close = (("Connection", "close"),) if is_new else ()
        # Shifted now and then, or every path would keep to one kind of connection.
        path = spec.paths[(self._gets + self._gets // 7) % len(spec.paths)]
        content = request_bytes("GET", path, self._origin.authority, (*headers, *close))
        return Request(number, GET_NEW if is_new else GET_KEPT, content, due_us)

    def _begin(self, request: Request) -> None:
        if request.kind == GET_NEW:
            self._open(request, kept=False)
            return
        while self._idle:
            wire = self._idle.pop()
            if wire.is_quiet():
                self._send(wire, request)
                return
            self._idle.append(wire)
            self.forget(wire)
            wire.close()
        if self._kept < self._spec.connections:
            self._open(request, kept=True)
        else:
            self._waiting.append(request)

    def _send(self, wire: "_Wire", request: Request) -> None:
        request.started_us = _now_us()
        self.count.begin(request)
        self.under_way[request.number] = wire
        wire.send(request)

    def _open(self, request: Request, *, kept: bool) -> None:
        self._kept += kept
        request.started_us = _now_us()
        self.count.begin(request)
        wire = _Wire(self, kept=kept)
        wire.request = request
        self.under_way[request.number] = wire
        task = asyncio.get_running_loop().create_task(self._connect(wire, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, wire: "_Wire", request: Request) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: wire, self._origin.host, self._origin.port)
        except OSError as error:
            wire.end(explain(error), reusable=False)
            return
        if wire.request is request:
            wire.send(request)
        else:
            wire.close()

    def _sweep(self) -> None:
        oldest_us = _now_us() - self._spec.limit_ms * 1000
        overdue: list[_Wire] = []
        for wire in self.under_way.values():
            # Begun in this order, so the first that is young enough ends the search.
            if wire.request is None or wire.request.started_us > oldest_us:
                break
            overdue.append(wire)
        for wire in overdue:
            wire.end("no complete answer within the time limit", reusable=False)

    async def _finish(self) -> None:
        ends_at = time.monotonic() + self._spec.limit_ms / 1000 + _GIVE_UP_S
        while (self.under_way or self._waiting) and time.monotonic() < ends_at:
            self._sweep()
            await asyncio.sleep(_TICK_S)
        # What still waits was never sent: it counts as lost, with its waiting.
        for request in self._waiting:
            request.started_us = _now_us()
            self.count.begin(request)
            self.count.end(request, request.started_us, "no connection was free")
        for wire in list(self.under_way.values()):
            wire.end("no complete answer within the time limit", reusable=False)
        for wire in self._idle:
            wire.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Wire(asyncio.Protocol):
    """One connection with at most one request on it."""

    def __init__(self, generator: _Generator, *, kept: bool) -> None:
        self._generator = generator
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self.kept = kept
        self.request: Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def send(self, request: Request) -> None:
        """Writes the request, once."""
        self.request = request
        assert self._transport is not None
        self._transport.write(request.content)

    def is_quiet(self) -> bool:
        """Whether an idle connection shows neither its end nor stray bytes."""
        return self._transport is not None and not self._transport.is_closing() and not self._poll.poll(0)

    def close(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.request is None:
            self._generator.forget(self)
            self.close()
            return
        try:
            if self.request.answer.feed(data):
                self.end("", reusable=self.request.kind != GET_NEW and self.request.answer.reusable)
        except WireError as error:
            self.end(f"not an HTTP answer: {error}", reusable=False)

    def eof_received(self) -> bool:
        if self.request is None:
            self._generator.forget(self)
        elif self.request.answer.close():
            self.end("", reusable=False)
        else:
            self.end("the connection was closed before the answer was complete", reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.request is None:
            self._generator.forget(self)
        else:
            why = (
                "the connection was reset"
                if exc
                else "the connection was closed before the answer was complete"
            )
            self.end(why, reusable=False)

    def end(self, why: str, *, reusable: bool) -> None:
        """The request has its fate."""
        request, self.request = self.request, None
        if request is None:
            return
        self._generator.under_way.pop(request.number, None)
        self._generator.count.end(request, _now_us(), why)
        self._generator.leave(self, reusable=reusable)


def _share(number: int, percent: int) -> bool:
    """True for `percent` of a hundred consecutive numbers, evenly spread."""
    return number * percent // 100 != (number - 1) * percent // 100


def _now_us() -> int:
    return time.time_ns() // 1_000


def main(arguments: list[str] | None = None) -> int:
    """The command line; SIGTERM and Ctrl-C end the load early and it is told all the same."""
    parser = argparse.ArgumentParser(prog="python -m tminus.adapters.http.load", description=__doc__)
    parser.add_argument("--url", required=True, help="http://host:port of the router or an instance")
    parser.add_argument("--rate", type=int, required=True, help="requests per second")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--path", action="append", help="fetched with GET; may be given again; / by default")
    parser.add_argument("--post-path", help="receives POST with an Idempotency-Key")
    parser.add_argument("--post-body", default="{}")
    parser.add_argument("--post-percent", type=int, default=20)
    parser.add_argument(
        "--new-percent", type=int, default=10, help="share of GETs on connections of their own"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--limit-ms", type=int, default=10_000)
    parser.add_argument("--count", type=int, help="requests at most")
    parser.add_argument("--run", default=f"load-{_now_us()}", help="starts every Idempotency-Key")
    given = parser.parse_args(arguments)
    try:
        spec = LoadSpec(
            given.url,
            given.rate,
            given.seconds,
            tuple(given.path or ("/",)),
            given.post_path,
            given.post_body,
            given.post_percent,
            given.new_percent,
            given.connections,
            given.limit_ms,
            given.count,
            given.run,
        )
        parse_origin(spec.url)
    except ValueError as error:
        parser.error(str(error))
    told: list[LoadResult] = []
    stop = threading.Event()
    worker = threading.Thread(target=lambda: told.append(run_load(spec, stop)), name="load")
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    worker.start()
    worker.join()
    json.dump(to_json(told[0]), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
