"""Podman's API, several machines in one slot, and engines behind TCP and SSH."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docker.engine import SMALL, Yard, need
from tests.docker.test_runtime import DockerHarness
from tminus.adapters.docker import container as box
from tminus.adapters.docker.engine import Engine
from tminus.adapters.docker.keeper import Keeper
from tminus.adapters.docker.pulling import pull
from tminus.adapters.docker.record import folder_of, read_record
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.image import Machine
from tminus.ports.fault import Unavailable
from tminus.testing.contract.runtime import RuntimeContract, RuntimeHarness
from tminus.testing.podman import Podman

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.req("R6"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def podman(yard: Yard, digests: dict[int, str]) -> Iterator[Podman]:
    need("podman")
    with Podman(yard.directory / "p", yard.registry.host) as found:
        for digest in digests.values():
            with closing(Engine(found.url)) as engine:
                pull(engine, read_record(folder_of(yard.artifacts, digest)), {})
        yield found


class PodmanHarness(DockerHarness):
    def __init__(self, directory: Path, yard: Yard, digests: dict[int, str], podman: Podman) -> None:
        super().__init__(directory, yard, digests)
        self.engine = Engine(podman.url)

    def keeper(self) -> Keeper:
        return Keeper(self.directory / "slots", "tminus-hello-podman", self.engine.url, os.environ)


class TestPodman(RuntimeContract):
    @pytest.fixture
    def harness(
        self, tmp_path: Path, yard: Yard, digests: dict[int, str], podman: Podman
    ) -> Iterator[RuntimeHarness]:
        made = PodmanHarness(tmp_path, yard, digests, podman)
        yield made
        made.close()


@pytest.fixture
def local(tmp_path: Path, yard: Yard, digests: dict[int, str]) -> Iterator[DockerHarness]:
    harness = DockerHarness(tmp_path, yard, digests)
    yield harness
    harness.close()


def test_instances_of_one_slot_are_spread_over_machines(
    local: DockerHarness, yard: Yard, podman: Podman
) -> None:
    machines = (Machine(yard.dockerd.url, "127.0.0.1"), Machine(podman.url, "127.0.0.2"))
    spec = replace(local.spec(1), instances=3, container=replace(SMALL, machines=machines))
    hosts = [machine.address for machine in machines]
    before = local.runtime().addresses(3, hosts)[Slot.BLUE]
    assert [address.partition(":")[0] for address in before] == ["127.0.0.1", "127.0.0.2", "127.0.0.1"]
    local.runtime().start_slot(Slot.BLUE, spec)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)
    assert local.runtime().addresses(3, hosts)[Slot.BLUE] == before
    with closing(Engine(podman.url)) as other:
        assert len(box.find(other, {box.KEEPER: local.keeper().name})) == 1
    podman_stops_answering(local, podman)
    local.runtime().stop_slot(Slot.BLUE)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].down)


def podman_stops_answering(local: DockerHarness, podman: Podman) -> None:
    """One machine's engine is gone: nothing is known, and so nothing is said."""
    hidden = Path(podman.url.removeprefix("unix://"))
    hidden.rename(hidden.with_suffix(".away"))
    try:
        with pytest.raises(Unavailable) as fault:
            local.runtime().read_slots()
        assert fault.value.code == "engine-unreachable"
        assert podman.url in fault.value.why
    finally:
        hidden.with_suffix(".away").rename(hidden)


def test_an_engine_behind_ssh_is_reached_by_its_own_bytes(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program `ssh` is replaced, since no server listens here; what it carries is the engine's own."""
    need("docker")
    program = tmp_path / "ssh"
    told = tmp_path / "told"
    lines = ["#!/bin/sh", f'echo "$@" >> {told}', f"exec docker -H {yard.dockerd.url} system dial-stdio"]
    program.write_text("\n".join(lines) + "\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with closing(Engine("ssh://deploy@web1:2222")) as engine:
        assert engine.get("/version")["ApiVersion"]
    assert told.read_text(encoding="ascii").split()[-5:] == [
        "--",
        "deploy@web1",
        "docker",
        "system",
        "dial-stdio",
    ]


def test_an_engine_behind_tcp_is_reached(yard: Yard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=carry, args=(listener, yard.dockerd.url), daemon=True).start()
        with closing(Engine(f"tcp://127.0.0.1:{listener.getsockname()[1]}")) as engine:
            assert engine.get("/version")["ApiVersion"]


def carry(listener: socket.socket, url: str) -> None:
    """One connection, from TCP to the engine's socket and back."""
    with suppress(OSError):
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(url.removeprefix("unix://"))
        with near, far:
            far.sendall(near.recv(65536))
            while content := far.recv(65536):
                near.sendall(content)
