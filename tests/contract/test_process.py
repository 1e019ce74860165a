"""Slots as local processes: the ports' contract, and what only local ports and files can get wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataplane.plane import SERVICE, Plane, free_port, settle
from tests.dataplane.processes import processes
from tminus.adapters.process import ports
from tminus.adapters.process.probe import Health, probe_all
from tminus.adapters.process.runtime import ProcessRuntime
from tminus.domain.launch.slot import Slot
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

pytestmark = pytest.mark.slow  # real processes that start, die and are waited for

VERSIONS = {1: "aa", 2: "bb"}


# Outlives SIGTERM by a moment, in which the slot is not down.
TIDY = "trap 'sleep 0.3; exit' TERM; while :; do sleep 0.05; done"


class ProcessHarness(AdoptingHarness, WorkersHarness):
    def __init__(self, directory: Path) -> None:
        self.plane = Plane(directory, INSTANCES)
        self._strangers: list[subprocess.Popen[bytes]] = []

    def runtime(self) -> ProcessRuntime:
        directory = self.plane.directory
        return ProcessRuntime(self.plane.supervisor, directory / "artifacts", directory / "runtime")

    def adoption(self) -> ProcessRuntime:
        return self.runtime()

    def spec(self, version: int) -> SlotSpec:
        script = f"sleep 1000 & exec {sys.executable} -I service.py any {{port}}"
        return SlotSpec(
            digest=f"sha256:{VERSIONS[version]}",
            command=("sh", "-c", script),
            environment={"PATH": os.environ["PATH"]},
            instances=INSTANCES,
            health_path="/healthz",
            stop_grace_ms=2_000,
        )

    def spec_with_workers(self) -> SlotSpec:
        mail = WorkerSpec("mail", ("sh", "-c", "exec sleep 1000"), MAILERS)
        return replace(self.spec(1), workers=(mail, WorkerSpec("tidy", ("sh", "-c", TIDY))))

    def kill_worker(self, slot: Slot) -> None:
        self.plane.kill(f"{slot.value}-worker-mail-1", signal.SIGKILL)

    def spec_of_nothing(self) -> SlotSpec:
        return SlotSpec("sha256:cc", ("true",), {}, INSTANCES, "/healthz", 1_000)

    def kill_instance(self, slot: Slot) -> None:
        self.plane.kill(f"{slot.value}-1", signal.SIGKILL)

    def processes(self, slot: Slot) -> int:
        return len(processes(self.plane.directory / "supervisor", slot.value))

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
        self.plane.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[ProcessHarness]:
    harness = ProcessHarness(tmp_path)
    yield harness
    harness.close()


class TestProcess(RuntimeContract, AdoptionContract, WorkersContract):
    @pytest.fixture
    def harness(self, local: ProcessHarness) -> RuntimeHarness:
        return local

    @pytest.fixture
    def adopting(self, local: ProcessHarness) -> AdoptingHarness:
        return local

    @pytest.fixture
    def working(self, local: ProcessHarness) -> WorkersHarness:
        return local


def test_addresses_are_known_before_anything_runs_and_never_change(local: ProcessHarness) -> None:
    before = local.runtime().addresses(INSTANCES)
    assert local.runtime().addresses(INSTANCES) == before
    assert len({address for slot in Slot for address in before[slot]}) == 2 * INSTANCES
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    reading = local.runtime().read_slots()[Slot.BLUE]
    assert tuple(instance.address for instance in reading.instances) == before[Slot.BLUE]


def test_a_port_that_somebody_took_is_changed_when_the_slot_starts(local: ProcessHarness) -> None:
    before = local.runtime().addresses(INSTANCES)[Slot.BLUE]
    host, _, number = before[0].rpartition(":")
    with socket.create_server((host, int(number))):
        local.runtime().start_slot(Slot.BLUE, local.spec(1))
        local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)
    after = local.runtime().addresses(INSTANCES)[Slot.BLUE]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_ports_lie_outside_the_range_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    assert all(ports.pick_free(()) < max(first, 32_768) for _ in range(20))


def test_addresses_of_an_adopted_slot_are_its_own(local: ProcessHarness) -> None:
    strangers = local.strangers()
    local.adoption().adopt_slot(Slot.BLUE, strangers, "sha256:theirs", "/healthz")
    assert local.runtime().addresses(1)[Slot.BLUE] == strangers


def test_a_command_that_does_not_exist_leaves_the_slot_down(local: ProcessHarness) -> None:
    spec = local.spec(1)
    wrong = SlotSpec(spec.digest, ("no-such-command",), spec.environment, 1, "/healthz", 1_000)
    with pytest.raises(Refused) as refusal:
        local.runtime().start_slot(Slot.BLUE, wrong)
    assert refusal.value.code == "command-not-found"
    assert local.runtime().read_slots()[Slot.BLUE].down


def test_a_worker_runs_in_the_artifact_with_the_environment_of_the_slot_and_no_port(
    local: ProcessHarness,
) -> None:
    spec = local.spec_with_workers()
    local.runtime().start_slot(Slot.BLUE, replace(spec, environment={**spec.environment, "STAGE": "x"}))
    process = Path(f"/proc/{local.plane.pid('blue-worker-mail-1')}")
    # Until it has become `sleep`, the process may still be the one that starts it.
    local.settle(lambda: (process / "comm").read_text(encoding="ascii") == "sleep\n")
    entries = (process / "environ").read_bytes().decode().split("\0")
    environment = dict(entry.split("=", 1) for entry in entries if entry)
    assert (environment["TMINUS_WORKER"], environment["STAGE"]) == ("mail", "x")
    assert "PORT" not in environment
    assert (process / "cwd").readlink() == local.plane.directory / "artifacts" / VERSIONS[1]


def test_a_worker_whose_command_does_not_exist_leaves_the_slot_down(local: ProcessHarness) -> None:
    wrong = replace(local.spec(1), workers=(WorkerSpec("mail", ("no-such-command",)),))
    with pytest.raises(Refused) as refusal:
        local.runtime().start_slot(Slot.BLUE, wrong)
    assert refusal.value.code == "command-not-found"
    assert local.runtime().read_slots()[Slot.BLUE].down


def test_a_slot_whose_last_worker_still_ends_takes_nothing_new(local: ProcessHarness) -> None:
    local.runtime().start_slot(Slot.BLUE, local.spec_with_workers())
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)
    local.runtime().stop_slot(Slot.BLUE)
    with pytest.raises(Unavailable) as fault:
        local.runtime().start_slot(Slot.BLUE, local.spec(2))
    assert fault.value.code == "slot-stopping"


def test_health_is_a_status_of_200_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_address = f"127.0.0.1:{silent.getsockname()[1]}"
        nobody = f"127.0.0.1:{free_port()}"
        found = probe_all([(silent_address, "/"), (nobody, "/"), ("not an address", "/")])
    assert found == [Health(reached=True, healthy=False)] + [Health(reached=False, healthy=False)] * 2
