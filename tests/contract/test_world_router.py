"""The simulated world's router: the port's contract, over the virtual clock."""

from collections.abc import Callable, Mapping

import pytest

from tminus.domain.launch.slot import Slot
from tminus.ports.router import Hosting
from tminus.testing.contract.router import RouterContract, RouterHarness
from tminus.testing.world.clock import VirtualClock
from tminus.testing.world.fakes import NEVER_MS, FakeRouter
from tminus.testing.world.physics import Instance, Physics

START_MS = 1_000_000
SETTLE_MS = 20_000
INSTANCES = 2


class WorldRouterHarness(RouterHarness):
    def __init__(self) -> None:
        # Nobody but the suite sends requests, and what is in flight does not end by itself.
        self.physics = Physics(drain_ms=NEVER_MS, requests_per_s=0, lease_ms={})
        self.physics.now_ms = START_MS
        self.clock = VirtualClock(START_MS, self.physics.move)
        for slot in Slot:
            place = self.physics.places[slot]
            place.digest = f"sha256:{slot.value}"
            place.instances = [Instance(START_MS) for _ in range(INSTANCES)]

    def router(self) -> FakeRouter:
        return FakeRouter(self.physics)

    def hosting(self) -> Hosting:
        addresses = {Slot.BLUE: ("127.0.0.1:1", "127.0.0.1:2"), Slot.GREEN: ("127.0.0.1:3", "127.0.0.1:4")}
        return Hosting("sha256:h", "127.0.0.1", 80, addresses, "/healthz", (), 1_000, 60_000, 50_000, 500)

    def send(self, requests: int) -> Mapping[Slot | None, int]:
        return self.physics.ask(requests)

    def fail(self, slot: Slot, *, failing: bool) -> None:
        self.physics.error_share[f"sha256:{slot.value}"] = 1.0 if failing else 0.0

    def hold_request(self, slot: Slot) -> None:
        assert self.physics.ask(1) == {slot: 1}
        place = self.physics.places[slot]
        place.in_flight, place.left_ms = place.in_flight + 1, self.physics.now_ms

    def restart_router(self) -> None:
        self.physics.kill_router(self.physics.now_ms + 150)
        self.settle(lambda: self.physics.memory is not None)

    def pass_ms(self, duration_ms: int) -> None:
        self.clock.wait_ms(duration_ms)

    def settle(self, condition: Callable[[], bool]) -> None:
        ends_ms = self.clock.now_ms() + SETTLE_MS
        while not condition():
            assert self.clock.now_ms() < ends_ms, "did not come about"
            self.clock.wait_ms(100)


class TestWorldRouter(RouterContract):
    @pytest.fixture
    def harness(self) -> RouterHarness:
        return WorldRouterHarness()
