"""The simulated world's runtime: the ports' contract, over the virtual clock."""

from collections.abc import Callable

import pytest

from tminus.domain.launch.slot import Slot
from tminus.ports.runtime import SlotSpec
from tminus.testing.contract.runtime import (
    INSTANCES,
    AdoptingHarness,
    AdoptionContract,
    RuntimeContract,
    RuntimeHarness,
)
from tminus.testing.world.clock import VirtualClock
from tminus.testing.world.fakes import FakeRuntime
from tminus.testing.world.physics import Instance, Physics

START_MS = 1_000_000
SETTLE_MS = 20_000
BOOT_MS = {"sha256:aa": 300, "sha256:bb": 700}
STRANGERS = ("127.0.0.1:9301", "127.0.0.1:9302")


class WorldRuntimeHarness(AdoptingHarness):
    def __init__(self) -> None:
        self.physics = Physics(drain_ms=0, requests_per_s=0, lease_ms={})
        self.physics.now_ms = START_MS
        self.clock = VirtualClock(START_MS, self.physics.move)

    def runtime(self) -> FakeRuntime:
        return FakeRuntime(self.physics, BOOT_MS.get)

    def adoption(self) -> FakeRuntime:
        return self.runtime()

    def spec(self, version: int) -> SlotSpec:
        return SlotSpec(list(BOOT_MS)[version - 1], ("serve",), {}, INSTANCES, "/healthz", 1_000)

    def spec_of_nothing(self) -> SlotSpec:
        return SlotSpec("sha256:cc", ("serve",), {}, INSTANCES, "/healthz", 1_000)

    def kill_instance(self, slot: Slot) -> None:
        self.physics.restart_instance(slot, 0)

    def processes(self, slot: Slot) -> int:
        place = self.physics.places[slot]
        return 0 if place.strangers else len(place.instances)

    def strangers(self) -> tuple[str, ...]:
        for address in STRANGERS:
            self.physics.strangers[address] = Instance(START_MS)
        return STRANGERS

    def strangers_running(self) -> int:
        return sum(not instance.ended for instance in self.physics.strangers.values())

    def settle(self, condition: Callable[[], bool]) -> None:
        ends_ms = self.clock.now_ms() + SETTLE_MS
        while not condition():
            assert self.clock.now_ms() < ends_ms, "did not come about"
            self.clock.wait_ms(100)


class TestWorldRuntime(RuntimeContract, AdoptionContract):
    @pytest.fixture
    def harness(self) -> RuntimeHarness:
        return WorldRuntimeHarness()

    @pytest.fixture
    def adopting(self) -> AdoptingHarness:
        return WorldRuntimeHarness()
