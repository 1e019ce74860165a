"""A whole data plane on this machine: supervisor, slots, router, each real and each stopped by its pid."""

import contextlib
import dataclasses
import http.client
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tminus.adapters.haproxy.router import HaproxyRouter
from tminus.adapters.process.runtime import ProcessRuntime
from tminus.adapters.supervisor.client import Supervisor
from tminus.adapters.traefik.router import TraefikRouter
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.ports.fault import PortFault
from tminus.ports.router import Hosting, Router
from tminus.ports.runtime import SlotSpec

SERVICE = Path(__file__).with_name("service.py")
ROUTERS: Mapping[str, Callable[[Supervisor, Supervisor, Path, str], Router]] = {
    "haproxy": HaproxyRouter,
    "traefik": TraefikRouter,
}
SETTLE_LIMIT_S = 30.0
ROUTER = "router"
CLASSES = (
    RouteClass("login", ("/login",), ("POST",)),
    RouteClass("streams", ("/stream",), (), Traffic.STREAM),
)


def settle(condition: Callable[[], bool], limit_s: float = SETTLE_LIMIT_S) -> float:
    """Seconds until the condition held; a fault counts as not yet."""
    began_s = time.monotonic()
    while True:
        with contextlib.suppress(PortFault):
            if condition():
                return time.monotonic() - began_s
        assert time.monotonic() - began_s < limit_s, "it has not come about"
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, target: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, headers=fields)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def visit(port: int, cookie: str = "") -> tuple[str, str]:
    """Who answered a client, and the Cookie header that its next request has."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == 200, body
        given = response.headers.get_all("Set-Cookie", [])
        return body, "; ".join(value.partition(";")[0] for value in given) or cookie
    finally:
        connection.close()


class Plane:
    """One service in one environment, with two versions to run."""

    def __init__(self, directory: Path, instances: int = 2, kind: str = "haproxy") -> None:
        self.directory = directory
        self.kind = kind
        self.instances = instances
        for name in ("aa", "bb"):
            artifact = directory / "artifacts" / name
            artifact.mkdir(parents=True)
            shutil.copy(SERVICE, artifact / "service.py")
        self.supervisor = Supervisor(directory / "supervisor")
        self.runtime = ProcessRuntime(self.supervisor, directory / "artifacts", directory / "runtime")
        self.router = self.another_router()
        self.port = free_port()
        self.hosting = Hosting(
            digest="sha256:1",
            host="127.0.0.1",
            port=self.port,
            addresses=self.runtime.addresses(instances),
            health_path="/healthz",
            route_classes=CLASSES,
            shift_lease_ms=1_000,
            bake_lease_ms=60_000,
            error_limit_ppm=50_000,
            slow_limit_ms=300,
        )

    def another_router(self) -> Router:
        """The router as another controller sees it."""
        return ROUTERS[self.kind](self.supervisor, self.supervisor, self.directory / self.kind, ROUTER)

    def spec(self, slot: Slot, digest: str) -> SlotSpec:
        return SlotSpec(
            digest=f"sha256:{digest}",
            command=(sys.executable, "-I", "service.py", slot.value, "{port}"),
            environment={"PATH": os.environ["PATH"]},
            instances=self.instances,
            health_path="/healthz",
            stop_grace_ms=2_000,
        )

    def start(self, slot: Slot) -> None:
        self.runtime.start_slot(slot, self.spec(slot, "aa" if slot is Slot.BLUE else "bb"))
        settle(lambda: self.runtime.read_slots()[slot].up)

    def admit(self, slot: Slot) -> None:
        self.router.admit_slot(slot)
        settle(lambda: self.router.read_router().up[slot] == self.instances)

    def serve_blue(self) -> None:
        """Blue is live, and the router runs."""
        self.start(Slot.BLUE)
        self.router.host(self.hosting)
        self.admit(Slot.BLUE)
        self.router.commit_route(Route(Slot.BLUE, epoch=1))

    def prepare_green(self) -> None:
        """Green could be tried now."""
        self.start(Slot.GREEN)
        self.admit(Slot.GREEN)

    def trial(self, share_bp: int = FULL_BP, watch: Watch = Watch.SHORT, generation: int = 1) -> Route:
        return Route(Slot.BLUE, Slot.GREEN, share_bp, watch, generation, epoch=2)

    def rehosted(self, digest: str) -> Hosting:
        return dataclasses.replace(self.hosting, digest=digest)

    def pid(self, name: str) -> int:
        return self.supervisor.programs()[name].pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid(name), number)

    def names(self, slot: Slot) -> list[str]:
        return [f"{slot.value}-{number}" for number in range(1, self.instances + 1)]

    def have_all(self, slot: Slot, mode: str) -> None:
        """Every instance of the slot behaves so from now on."""
        for address in self.hosting.addresses[slot]:
            assert ask(int(address.rpartition(":")[2]), f"/mode?is={mode}") == (200, mode)

    def posts(self, slot: Slot) -> tuple[int, int]:
        """Different POSTs that reached the slot, and POSTs that reached it."""
        counted = [ask(int(a.rpartition(":")[2]), "/posts")[1].split() for a in self.hosting.addresses[slot]]
        return sum(int(words[0]) for words in counted), sum(int(words[1]) for words in counted)

    def close(self) -> None:
        self.supervisor.shutdown()
        settle(lambda: not (self.directory / "supervisor" / "s.sock").exists())


@contextlib.contextmanager
def plane(directory: Path, instances: int = 2) -> Iterator[Plane]:
    made = Plane(directory, instances)
    try:
        yield made
    finally:
        made.close()
