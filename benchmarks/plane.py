"""The data plane without a launch: the real supervisor, runtime and router, driven port by port.

Instances are nginx where it is installed, since they must not be what limits the load; else the sample.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bench import SAMPLE

from tminus.adapters.haproxy.router import HaproxyRouter
from tminus.adapters.process.runtime import ProcessRuntime
from tminus.adapters.supervisor.client import Supervisor
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import PortFault
from tminus.ports.router import Hosting
from tminus.ports.runtime import SlotSpec
from tminus.testing.traffic import LOCAL, free_port, processes_of

INSTANCES = 3
SETTLE_LIMIT_S = 20.0
DRAIN_LIMIT_S = 20.0
RENEW_EVERY_S = 0.25
ARTIFACTS = ("aa", "bb")

_SERVE = """\
mkdir -p "run-$1"
sed "s|@PORT@|$1|g; s|@SLOT@|$TMINUS_SLOT|g; s|@LEDGER@|$HELLO_LEDGER|g; s|@USER@|$(id -un)|g" \\
  nginx.conf >"run-$1/nginx.conf"
exec nginx -p "$PWD/run-$1" -c nginx.conf
"""
_NGINX = """\
user @USER@;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 2048; }
http {
  access_log off;
  log_format key '$http_idempotency_key';
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:@PORT@ backlog=1024;
    add_header X-Slot @SLOT@ always;
    location / { return 200 "hello\\n"; }
    location = /payments { access_log @LEDGER@ key; return 201 "paid\\n"; }
  }
}
"""


def settle(condition: Callable[[], bool], limit_s: float = SETTLE_LIMIT_S) -> float:
    """Seconds until the condition held; a fault counts as not yet."""
    began_s = time.monotonic()
    while True:
        with contextlib.suppress(PortFault):
            if condition():
                return time.monotonic() - began_s
        if time.monotonic() - began_s > limit_s:
            raise TimeoutError("it has not come about")
        time.sleep(0.01)


class Plane:
    """One service with both slots; `live` is the slot that serves."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = directory / "ledger"
        self.with_nginx = shutil.which("nginx") is not None
        for name in ARTIFACTS:
            self._make(directory / "artifacts" / name)
        self.supervisor = Supervisor(directory / "supervisor")
        self.runtime = ProcessRuntime(self.supervisor, directory / "artifacts", directory / "runtime")
        self.router = HaproxyRouter(self.supervisor, self.supervisor, directory / "router")
        self.port = free_port()
        self.addresses = self.runtime.addresses(INSTANCES)
        self.live = Slot.BLUE
        self.generation = 0
        self._started = 0
        self.start(Slot.BLUE)
        self.router.host(
            Hosting("sha256:1", LOCAL, self.port, self.addresses, "/healthz", (), 1_000, 30_000, 50_000, 500)
        )
        self.admit(Slot.BLUE)
        self.router.commit_route(Route(Slot.BLUE, epoch=1))

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    def _make(self, artifact: Path) -> None:
        if self.with_nginx:
            artifact.mkdir(parents=True)
            (artifact / "serve.sh").write_text(_SERVE, encoding="utf-8")
            (artifact / "nginx.conf").write_text(_NGINX, encoding="utf-8")
        else:
            shutil.copytree(SAMPLE / "releases" / "v1.0.0", artifact)

    def start(self, slot: Slot) -> None:
        """Has the slot run a version other than the one it ran before."""
        self._started += 1
        command = (
            ("sh", "serve.sh", "{port}")
            if self.with_nginx
            else ("python3", "-m", "hello", "--port", "{port}")
        )
        environment = {
            "PATH": os.environ["PATH"],
            "TMINUS_SLOT": slot.value,
            "HELLO_LEDGER": str(self.ledger),
        }
        digest = f"sha256:{ARTIFACTS[self._started % 2]}"
        self.runtime.start_slot(slot, SlotSpec(digest, command, environment, INSTANCES, "/healthz", 3_000))
        settle(lambda: self.runtime.read_slots()[slot].up)

    def admit(self, slot: Slot) -> None:
        self.router.admit_slot(slot)
        settle(lambda: self.router.read_router().up[slot] == INSTANCES)

    def shift(self, share_bp: int) -> tuple[int, int]:
        """Gives the other slot so much of the traffic; when the command was begun, and when answered."""
        route = Route(self.live, self.live.other, share_bp, Watch.SHORT, self.generation, epoch=1)
        began_ns = time.monotonic_ns()
        self.router.write_route(route)
        return began_ns, time.monotonic_ns()

    def stay(self, seconds: float) -> None:
        """Lets a step last, with the controller's sign of life."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, RENEW_EVERY_S))
            self.router.renew_lease(self.router.read_router().route)

    def cycle(self, steps_bp: tuple[int, ...], step_s: float) -> list[tuple[int, int]]:
        """A launch's way of traffic: shift in steps, commit, drain, stop stable, start it as the next one."""
        former, coming = self.live, self.live.other
        self.generation += 1
        writes = []
        for share_bp in steps_bp:
            writes.append(self.shift(share_bp))
            self.stay(step_s)
        reading = self.router.read_router()
        assert not reading.distrust, f"the router left the candidate: {reading.distrust}"
        self.router.commit_route(Route(coming, generation=self.generation, epoch=1))
        self.live = coming
        self.router.expel_slot(former)
        settle(lambda: self.router.read_router().in_flight[former] == 0, DRAIN_LIMIT_S)
        self.runtime.stop_slot(former)
        settle(lambda: self.runtime.read_slots()[former].down)
        self.start(former)
        self.admit(former)
        return writes

    def flip(self) -> tuple[int, int]:
        """All traffic to the other slot by one command; when it was begun and when it was answered."""
        self.live = self.live.other
        began_ns = time.monotonic_ns()
        self.router.write_route(Route(self.live, generation=self.generation, epoch=1))
        return began_ns, time.monotonic_ns()

    def duplicates(self) -> tuple[int, int]:
        """POSTs that reached an instance, and those of them that had reached one before."""
        if not self.ledger.exists():
            return 0, 0
        keys = self.ledger.read_bytes().splitlines()
        return len(keys), len(keys) - len(set(keys))

    def close(self) -> None:
        """Stops everything."""
        self.supervisor.shutdown()
        settle(lambda: not processes_of(self.directory))
