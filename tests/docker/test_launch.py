"""Whole launches of images: by `tminus launch` on a real engine, router and registry, under load."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.dataplane.plane import ask, free_port, settle
from tests.docker.engine import Repository, Yard
from tminus.adapters.docker import container as box
from tminus.adapters.docker.engine import Engine
from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.engine.drive import fold_launch
from tminus.wiring import Home, open_home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.req("R4", "R6"),
    pytest.mark.timeout(300),
]

PROMOTED, ROLLED_BACK = 0, 3
LAUNCH_LIMIT_S = 200
HEALTHY = "self.send_response(200)"
PLAN: Mapping[str, Any] = {
    "service": "hello",
    "run": {
        "instances": 3,
        "docker": {"port": 8000, "memory": "128MiB", "pids": 64},
        "health": "/healthz",
        "boot": "60s",
        "stop": "2s",
        "before": [{"name": "look around", "command": "python3 -c 'import os; print(sorted(os.environ))'"}],
        "workers": {"mail": {"command": "sleep 1000"}},
        "env": {"STAGE": "tests"},
    },
    "shift": "at-once",
    "verify": {"for": "2s", "reading": "1s", "targets": [{"error_rate": "1 %", "over": "1s"}]},
    # How fast this machine answers is no part of the story, and it may have much else to do.
    "triggers": [{"error_rate": "20 %", "over": "1s", "min_requests": 5, "then": "rollback"}],
    "bake": {"for": "1s", "reading": "1s"},
    "watch": {"for": "2s"},
    "meter": {"rate": "50/s"},
    "drain": "2s",
    "resources": {"disk_free": "1 %", "memory_free": "1 %"},
}


class Users:
    """Requests on one connection each, ten a second, and what became of them."""

    def __init__(self, port: int) -> None:
        self.answers: list[int] = []
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self.answers.append(ask(self._port)[0])
            except OSError:
                self.answers.append(0)

    def end(self) -> set[int]:
        self._stop.set()
        self._thread.join()
        return set(self.answers)


class Shop:
    """A repository, a home, and the verbs of tminus."""

    def __init__(self, directory: Path, yard: Yard) -> None:
        self.yard = yard
        self.repository = Repository(directory / "repository")
        self.port = free_port()
        self.environment = {
            **os.environ,
            "TMINUS_HOME": str(directory / "home"),
            "DOCKER_HOST": yard.dockerd.url,
        }
        self.home: Home = open_home(directory / "home", self.environment)

    def release(self, version: str, service: str = "", **over: Any) -> None:  # noqa: ANN401 - keys of a plan
        """Tags a version with its plan; `service` replaces the program."""
        image = {"registry": f"{self.yard.registry.host}/story-{self.port}"}
        body = {
            "version": version,
            "build": {"docker": image},
            "listen": f"127.0.0.1:{self.port}",
            **PLAN,
            **over,
        }
        self.repository.write("launch.yaml", yaml.safe_dump(body))
        if service:
            self.repository.write("service.py", service)
        self.repository.tag(f"v{version}")

    def start(self, *verb: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tminus.cli.main", *verb],
            cwd=self.repository.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def launch(self) -> tuple[int, str]:
        """Exit code and output of `tminus launch`."""
        with self.start("launch", "--plain") as child:
            output, _ = child.communicate(timeout=LAUNCH_LIMIT_S)
            return child.returncode, output

    def events(self, launch: str) -> list[dict[str, Any]]:
        return [cast("dict[str, Any]", record.body) for record in self.home.store.journal.read(launch)]

    def state(self, launch: str) -> LaunchState:
        """The fold over its journal."""
        return fold_launch(self.home.store.journal, self.home.store.shelf, launch)[0]

    def phase(self, launch: str) -> Phase | None:
        """None before it was entered."""
        return self.state(launch).phase if self.home.store.journal.read(launch) else None

    def router(self) -> Route:
        return self.home.router("hello", "production").read_router().route

    def running(self) -> list[str]:
        """Names of programs that run in containers now."""
        found = self.home.containers("hello", "production").programs()
        return [name for name, reading in found.items() if reading.pid]

    def containers(self) -> list[str]:
        """Names of programs in this home's containers, running or not."""
        name = self.home.containers("hello", "production").name
        with closing(Engine(self.yard.dockerd.url)) as engine:
            return sorted(
                each["Labels"].get(box.PROGRAM, "") for each in box.find(engine, {box.KEEPER: name})
            )

    def close(self) -> None:
        supervisor = self.home.supervisor("hello", "production")
        supervisor.shutdown()
        settle(lambda: not supervisor.running())
        name = self.home.containers("hello", "production").name
        with closing(Engine(self.yard.dockerd.url)) as engine:
            for each in box.find(engine, {box.KEEPER: name}):
                box.remove(engine, each["Id"])
        self.home.close()


@pytest.fixture
def shop(yard: Yard, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, yard)
    yield made
    made.close()


def test_a_service_is_launched_as_images_replaced_without_a_loss_and_rolled_back(shop: Shop) -> None:
    shop.release("1.0.0")
    users = None
    with shop.start("launch", "--plain") as first:
        settle(lambda: shop.router().live is not None, 120)
        users = Users(shop.port)
        output, _ = first.communicate(timeout=LAUNCH_LIMIT_S)
    assert first.returncode == PROMOTED, output
    assert "Pulling the image of v1.0.0 ... Done" in output
    assert "look around ... passed" in output
    assert "Starting 3 instances ... 3 of 3 up" in output

    shop.release("1.1.0")
    code, output = shop.launch()
    assert code == PROMOTED, output
    assert shop.containers() == ["green-1", "green-2", "green-3", "green-worker-mail-1"]
    digests = [
        event["result"]["digest"] for event in shop.events("hello-1.1.0") if event.get("key") == "build"
    ]
    assert shop.home.runtime("hello", "production").read_slots()[Slot.GREEN].digest == digests[0]

    failing = shop.repository.directory.joinpath("service.py").read_text(encoding="utf-8")
    failing = failing.replace(HEALTHY, "self.send_response(200 if self.path == '/healthz' else 500)")
    shop.release("1.2.0", failing)
    code, output = shop.launch()
    assert code == ROLLED_BACK, output
    assert shop.router().live is Slot.GREEN
    settle(
        lambda: (
            not any(name.startswith("blue") for name in shop.containers())
            or not shop.home.runtime("hello", "production").read_slots()
        )
    )
    assert users.end() <= {200, 500}
    assert users.answers[-1] == 200


def test_a_controller_that_is_killed_leaves_stable_serving_and_the_next_one_ends_it(shop: Shop) -> None:
    shop.release("1.0.0")
    with shop.start("launch", "--plain") as first:
        settle(lambda: shop.router().live is not None, 120)
        users = Users(shop.port)
        first.communicate(timeout=LAUNCH_LIMIT_S)
    assert first.returncode == PROMOTED
    for version, phase in (("1.1.0", Phase.STAGING), ("1.2.0", Phase.CUTOVER)):
        stable = shop.router().live
        shop.release(version)
        with shop.start("launch", "--plain") as killed:
            settle(lambda: shop.phase(f"hello-{version}") in (phase, *TERMINAL), 120)  # noqa: B023 - called now
            killed.kill()
        with shop.start("agent") as agent:
            settle(lambda: shop.phase(f"hello-{version}") in TERMINAL, LAUNCH_LIMIT_S)  # noqa: B023 - called now
            agent.terminate()
        ended = shop.state(f"hello-{version}")
        assert (shop.router().live is stable) is not ended.promoted
        running = {name.partition("-")[0] for name in shop.running()}
        assert running == {str(shop.router().live)}
    assert users.end() == {200}
