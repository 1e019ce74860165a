"""What the contract of routers needs, on a whole data plane of real parts."""

import contextlib
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.dataplane.plane import ROUTER, Plane, ask, settle, visit
from tminus.domain.launch.slot import Slot
from tminus.ports.router import Hosting, Router
from tminus.testing.contract.router import VersionsHarness


class PlaneHarness(VersionsHarness):
    """A router of the given kind before two slots of real processes."""

    def __init__(self, directory: Path, kind: str = "haproxy", plane: Plane | None = None) -> None:
        self.plane = plane or Plane(directory, kind=kind)
        self._threads: list[threading.Thread] = []
        self._cookies: defaultdict[int, str] = defaultdict(str)
        for slot in Slot:
            self.plane.start(slot)

    def router(self) -> Router:
        return self.plane.another_router()

    def hosting(self) -> Hosting:
        return self.plane.hosting

    def send(self, requests: int) -> Mapping[Slot | None, int]:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ask(self.plane.port), range(requests)))
        return Counter(Slot(body) if status == 200 else None for status, body in answers)

    def visit(self, clients: Sequence[int]) -> list[Slot]:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda client: visit(self.plane.port, self._cookies[client]), clients))
        for client, (_, cookie) in zip(clients, answers, strict=True):
            self._cookies[client] = cookie
        return [Slot(slot) for slot, _ in answers]

    def fetch(self, asset: str) -> int:
        return ask(self.plane.port, f"/assets/{asset}.js")[0]

    def fail(self, slot: Slot, *, failing: bool) -> None:
        self.plane.have_all(slot, "error" if failing else "ok")

    def hold_request(self, slot: Slot) -> None:
        thread = threading.Thread(target=self._stream)
        before = self.router().read_router().in_flight[slot]
        thread.start()
        self._threads.append(thread)
        self.settle(lambda: self.router().read_router().in_flight[slot] > before)

    def restart_router(self) -> None:
        before = self.plane.pid(ROUTER)
        self.plane.kill(ROUTER, signal.SIGKILL)
        self.settle(lambda: self.plane.pid(ROUTER) not in {0, before})
        self.settle(lambda: bool(self.router().read_router().hosting))

    def pass_ms(self, duration_ms: int) -> None:
        threading.Event().wait(duration_ms / 1000)

    def settle(self, condition: Callable[[], bool]) -> None:
        settle(condition)

    def close(self) -> None:
        self.plane.close()
        for thread in self._threads:
            thread.join()

    def _stream(self) -> None:
        with contextlib.suppress(Exception):
            ask(self.plane.port, "/stream?chunks=1000&pause_ms=50")
