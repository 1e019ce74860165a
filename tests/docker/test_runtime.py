"""Slots as containers of a real engine: the ports' contract, and what only containers can get wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.plane import SERVICE, free_port, settle
from tests.docker.engine import PORT, SMALL, Yard
from tminus.adapters.docker import container as box
from tminus.adapters.docker.departing import mark
from tminus.adapters.docker.engine import Engine
from tminus.adapters.docker.keeper import Keeper
from tminus.adapters.process.keepers import Keepers
from tminus.adapters.process.probe import Health, probe_all
from tminus.adapters.process.runtime import ProcessRuntime
from tminus.adapters.supervisor.client import Supervisor
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.image import HOST_NETWORK
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.runtime import SlotSpec, WorkerSpec
from tminus.testing.contract.runtime import (
    INSTANCES,
    MAILERS,
    AdoptingHarness,
    AdoptionContract,
    RuntimeContract,
    RuntimeHarness,
    WorkersContract,
    WorkersHarness,
)

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.req("R6")]

# Outlives SIGTERM by a moment, in which the slot is not down.
TIDY = "trap 'sleep 0.3; exit' TERM; while :; do sleep 0.05; done"


class DockerHarness(AdoptingHarness, WorkersHarness):
    def __init__(self, directory: Path, yard: Yard, digests: dict[int, str]) -> None:
        self.yard = yard
        self.directory = directory
        self.engine = Engine(yard.dockerd.url)
        self.supervisor = Supervisor(directory / "s")
        self._digests = digests
        self._strangers: list[subprocess.Popen[bytes]] = []

    def keeper(self) -> Keeper:
        return Keeper(self.directory / "slots", "tminus-hello-tests", self.yard.dockerd.url, os.environ)

    def runtime(self) -> ProcessRuntime:
        keepers = Keepers(self.supervisor, self.keeper())
        return ProcessRuntime(keepers, self.yard.artifacts, self.directory / "slots")

    def adoption(self) -> ProcessRuntime:
        return self.runtime()

    def spec(self, version: int) -> SlotSpec:
        return SlotSpec(
            digest=self._digests[version],
            command=("sh", "-c", "sleep 1000 & exec python3 service.py"),
            environment={"STAGE": "x"},
            instances=INSTANCES,
            health_path="/healthz",
            stop_grace_ms=2_000,
            container=SMALL,
        )

    def spec_with_workers(self) -> SlotSpec:
        mail = WorkerSpec("mail", ("sh", "-c", "exec sleep 1000"), MAILERS)
        return replace(self.spec(1), workers=(mail, WorkerSpec("tidy", ("sh", "-c", TIDY))))

    def spec_of_nothing(self) -> SlotSpec:
        return replace(self.spec(1), digest=f"sha256:{'c' * 64}")

    def containers(self, prefix: str) -> list[dict[str, Any]]:
        """Inspections of this harness's containers, by the beginning of their program's name."""
        found = box.find(self.engine, {box.KEEPER: self.keeper().name})
        wanted = [each for each in found if each["Labels"].get(box.PROGRAM, "").startswith(prefix)]
        return [self.engine.get(f"/containers/{each['Id']}/json") for each in wanted]

    def kill_worker(self, slot: Slot) -> None:
        (worker,) = self.containers(f"{slot.value}-worker-mail-1")
        os.kill(worker["State"]["Pid"], signal.SIGKILL)

    def kill_instance(self, slot: Slot) -> None:
        (first,) = self.containers(f"{slot.value}-1")
        os.kill(first["State"]["Pid"], signal.SIGKILL)

    def processes(self, slot: Slot) -> int:
        running = [each for each in self.containers(f"{slot.value}-") if each["State"]["Running"]]
        return sum(len(self.engine.get(f"/containers/{each['Id']}/top")["Processes"]) for each in running)

    def strangers(self) -> tuple[str, ...]:
        numbers = [free_port(), free_port()]
        self._strangers = [
            subprocess.Popen([sys.executable, "-I", SERVICE, "theirs", str(number)]) for number in numbers
        ]
        addresses = tuple(f"127.0.0.1:{number}" for number in numbers)
        healthy = Health(reached=True, healthy=True)
        settle(lambda: probe_all([(address, "/healthz") for address in addresses]) == [healthy, healthy])
        return addresses

    def strangers_running(self) -> int:
        return sum(stranger.poll() is None for stranger in self._strangers)

    def settle(self, condition: Callable[[], bool]) -> None:
        settle(condition)

    def close(self) -> None:
        for stranger in self._strangers:
            stranger.terminate()
            stranger.wait()
        for each in box.find(self.engine, {box.KEEPER: self.keeper().name}):
            box.remove(self.engine, each["Id"])
        self.engine.close()
        self.supervisor.shutdown()
        settle(lambda: not self.supervisor.running())


@pytest.fixture
def local(tmp_path: Path, yard: Yard, digests: dict[int, str]) -> Iterator[DockerHarness]:
    harness = DockerHarness(tmp_path, yard, digests)
    yield harness
    harness.close()


class TestDocker(RuntimeContract, AdoptionContract, WorkersContract):
    @pytest.fixture
    def harness(self, local: DockerHarness) -> RuntimeHarness:
        return local

    @pytest.fixture
    def adopting(self, local: DockerHarness) -> AdoptingHarness:
        return local

    @pytest.fixture
    def working(self, local: DockerHarness) -> WorkersHarness:
        return local


def up(local: DockerHarness, slot: Slot = Slot.BLUE) -> bool:
    return local.runtime().read_slots()[slot].up


def test_instances_answer_on_this_machine_alone_with_the_limits_of_the_plan(local: DockerHarness) -> None:
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: up(local))
    addresses = local.runtime().addresses(INSTANCES)[Slot.BLUE]
    found = local.containers("blue-")
    bound = [each["HostConfig"]["PortBindings"][f"{PORT}/tcp"][0] for each in found]
    assert sorted(f"{each['HostIp']}:{each['HostPort']}" for each in bound) == sorted(addresses)
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    limits = {(each["HostConfig"]["Memory"], each["HostConfig"]["PidsLimit"]) for each in found}
    assert limits == {(SMALL.memory_bytes, SMALL.pids)}
    inside = local.engine.get(f"/containers/{found[0]['Id']}/json")["Config"]
    assert {"STAGE=x", f"PORT={PORT}"} <= set(inside["Env"])
    assert found[0]["Config"]["Image"].endswith(f"@{local.spec(1).digest}")


def test_what_a_controller_left_half_made_is_made_anew(local: DockerHarness) -> None:
    """A controller that was killed between making a container and starting it."""
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: up(local))
    (second,) = local.containers("blue-2")
    box.remove(local.engine, second["Id"])
    body = {"Image": second["Image"], "Labels": second["Config"]["Labels"]}
    local.engine.post("/containers/create", {"name": second["Name"].lstrip("/")}, body)
    assert len(local.runtime().read_slots()[Slot.BLUE].instances) == INSTANCES
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: up(local))


def test_what_was_to_go_when_its_controller_was_killed_goes_with_the_next(local: DockerHarness) -> None:
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: up(local))
    labels = {box.KEEPER: local.keeper().name}
    for each in box.find(local.engine, labels):
        mark(local.engine, each)  # and then it was killed
    assert not local.runtime().read_slots()[Slot.BLUE].down
    local.runtime().stop_slot(Slot.BLUE)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].down)
    local.settle(lambda: not local.runtime().read_slots() or not box.find(local.engine, labels))
    assert "serves" in (local.directory / "slots" / "logs" / "blue-1.log").read_text(encoding="utf-8")


def test_a_command_that_the_image_lacks_leaves_the_slot_down(local: DockerHarness) -> None:
    wrong = replace(local.spec(1), command=("no-such-command",))
    with pytest.raises(Refused) as refusal:
        local.runtime().start_slot(Slot.BLUE, wrong)
    assert refusal.value.code == "command-not-found"
    assert local.runtime().read_slots()[Slot.BLUE].down
    assert local.containers("blue-") == []


def test_a_network_that_is_not_there_is_refused_and_the_machines_own_gives_ports(
    local: DockerHarness,
) -> None:
    wrong = replace(local.spec(1), container=replace(SMALL, network="no-such-network"))
    with pytest.raises(Refused) as refusal:
        local.runtime().start_slot(Slot.BLUE, wrong)
    assert refusal.value.code == "container-refused"
    assert "no-such-network" in refusal.value.why
    assert local.runtime().read_slots()[Slot.BLUE].down
    local.runtime().start_slot(
        Slot.BLUE, replace(local.spec(1), container=replace(SMALL, network=HOST_NETWORK))
    )
    local.settle(lambda: up(local))
    assert all(not each["HostConfig"]["PortBindings"] for each in local.containers("blue-"))


def test_an_image_that_is_not_there_is_pulled_and_then_started(local: DockerHarness, yard: Yard) -> None:
    reference = f"{yard.registry.host}/hello@{local.spec(2).digest}"
    for name in (f"{yard.registry.host}/hello:v2.0.0", reference):
        local.engine.delete(f"/images/{name}", {"force": "1"})
    with pytest.raises(Unavailable) as fault:
        local.runtime().start_slot(Slot.BLUE, local.spec(2))
    assert fault.value.code == "image-pulling"
    runtime = local.runtime()

    def started() -> bool:
        runtime.start_slot(Slot.BLUE, local.spec(2))
        return up(local)

    local.settle(started)


def test_an_engine_that_does_not_answer_is_unavailable_and_changes_nothing(local: DockerHarness) -> None:
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: up(local))
    os.kill(local.yard.dockerd.pid, signal.SIGSTOP)
    try:
        for call in (lambda: local.runtime().read_slots(), lambda: local.runtime().stop_slot(Slot.BLUE)):
            with pytest.raises(Unavailable) as fault:
                call()
            assert fault.value.code == "engine-unreachable"
    finally:
        os.kill(local.yard.dockerd.pid, signal.SIGCONT)
    local.runtime().stop_slot(Slot.BLUE)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].down)


def test_a_process_beside_containers_is_read_with_them(local: DockerHarness, tmp_path: Path) -> None:
    """From one kind of slot to the other, a launch has both."""
    artifact = local.yard.artifacts / ("d" * 64)
    artifact.mkdir(exist_ok=True)
    process = SlotSpec(
        digest=f"sha256:{'d' * 64}",
        command=(sys.executable, "-I", str(SERVICE), "any", "{port}"),
        environment={"PATH": os.environ["PATH"]},
        instances=INSTANCES,
        health_path="/healthz",
        stop_grace_ms=2_000,
    )
    local.runtime().start_slot(Slot.BLUE, process)
    local.runtime().start_slot(Slot.GREEN, local.spec(1))
    local.settle(lambda: up(local) and up(local, Slot.GREEN))
    local.runtime().stop_slot(Slot.BLUE)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].down)
    assert up(local, Slot.GREEN)
