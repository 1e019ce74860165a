"""The simulated world's ports: held to the same contracts as the real ones where they go as far."""

from collections.abc import Callable

import pytest

from tminus.domain.launch.route import Watch
from tminus.domain.launch.slot import Slot
from tminus.ports.runtime import SlotSpec, WorkerSpec
from tminus.testing.contract.runtime import INSTANCES, MAILERS, WorkersContract, WorkersHarness
from tminus.testing.world.fakes import FakeRuntime
from tminus.testing.world.physics import Physics

BOOT_MS = 500
STEP_MS = 100
STEPS = 100


class FakeHarness(WorkersHarness):
    def __init__(self) -> None:
        self.physics = Physics(drain_ms=0, requests_per_s=0, lease_ms=dict.fromkeys(Watch, 1_000))

    def runtime(self) -> FakeRuntime:
        return FakeRuntime(self.physics, lambda _: BOOT_MS)

    def spec_with_workers(self) -> SlotSpec:
        workers = (WorkerSpec("mail", ("mail",), MAILERS), WorkerSpec("tidy", ("tidy",)))
        return SlotSpec("sha256:aa", ("serve",), {}, INSTANCES, "/healthz", 1_000, workers)

    def kill_worker(self, slot: Slot) -> None:
        self.physics.restart_worker(slot, 0)

    def settle(self, condition: Callable[[], bool]) -> None:
        for _ in range(STEPS):
            if condition():
                return
            self.physics.now_ms += STEP_MS
        pytest.fail("it has not come about")


class TestFakeRuntime(WorkersContract):
    @pytest.fixture
    def working(self) -> WorkersHarness:
        return FakeHarness()
