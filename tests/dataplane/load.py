"""Users: keep-alive connections at a bounded rate, every lost request noted."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

ANSWER_LIMIT_S = 5.0


@dataclass(frozen=True)
class Loss:
    """A request without a good answer, and when its client began it (monotonic)."""

    began_s: float
    method: str
    why: str


@dataclass
class Report:
    """What the users saw."""

    requests: int = 0
    losses: list[Loss] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    last_began_s: dict[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return len(self.losses)


class Load:
    """Sends about `rate` requests per second while its `with` block runs; a quarter of them are POSTs."""

    def __init__(
        self, port: int, *, rate: int = 300, users: int = 12, target: str = "/", posts: bool = True
    ) -> None:
        self.report = Report()
        self._port = port
        self._pause_s = users / rate
        self._users = users
        self._target = target
        self._methods = itertools.cycle(("GET", "GET", "GET", "POST") if posts else ("GET",))
        self._rids = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(self._users)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def wait_for(self, more: int, limit_s: float = 20.0) -> None:
        """Returns once so many more requests have ended."""
        goal = self.report.requests + more
        until_s = time.monotonic() + limit_s
        while self.report.requests < goal:
            assert time.monotonic() < until_s, f"only {self.report.requests} of {goal} requests have ended"
            time.sleep(0.005)

    async def _all(self) -> None:
        await asyncio.gather(*(self._user() for _ in range(self._users)))

    async def _user(self) -> None:
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stopping.is_set():
            began_s = time.monotonic()
            method = next(self._methods)
            try:
                if stream is None:
                    stream = await asyncio.open_connection("127.0.0.1", self._port)
                stays = await asyncio.wait_for(self._ask(*stream, method, began_s), ANSWER_LIMIT_S)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.report.losses.append(Loss(began_s, method, type(error).__name__))
                stays = False
            self.report.requests += 1
            if not stays and stream is not None:
                stream[1].close()
                stream = None
            await asyncio.sleep(max(0.0, began_s + self._pause_s - time.monotonic()))
        if stream is not None:
            stream[1].close()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, began_s: float
    ) -> bool:
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        rid = next(self._rids)
        writer.write(f"{method} {self._target} HTTP/1.1\r\nHost: x\r\nX-Rid: {rid}\r\n{length}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        await reader.readexactly(int(fields.get("content-length", "0")))
        status = int(head.split()[1])
        slot = fields.get("x-slot", "router")
        self.report.served[slot] += 1
        self.report.last_began_s[slot] = max(began_s, self.report.last_began_s.get(slot, 0.0))
        if status >= 400:
            self.report.losses.append(Loss(began_s, method, str(status)))
        return fields.get("connection") != "close"
