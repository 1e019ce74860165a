"""What every implementation of `ports.router.Router` must do, on a real proxy or in memory."""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused
from tminus.ports.router import Hosting, Router, RouterCapabilities

HELD = 2
ASSETS = "/assets"
MANY = 60  # requests: enough for every breaker, and for a share of a half to show on both sides


class RouterHarness(abc.ABC):
    """What the suite needs beside the port. Instances of both slots run and are healthy from the start."""

    @abc.abstractmethod
    def router(self) -> Router:
        """The router, as a controller that has just been started sees it."""

    @abc.abstractmethod
    def hosting(self) -> Hosting:
        """What to host: both slots' addresses, `shift_lease_ms` about a second, `bake_lease_ms` a minute."""

    @abc.abstractmethod
    def send(self, requests: int) -> Mapping[Slot | None, int]:
        """Sends requests through the router, one after the other or together, and waits for them.

        Returns how many each slot answered without a server error; None stands for those it did not.
        """

    @abc.abstractmethod
    def fail(self, slot: Slot, *, failing: bool) -> None:
        """Instances of `slot` stay healthy, and answer all else with a server error, or no longer do."""

    @abc.abstractmethod
    def hold_request(self, slot: Slot) -> None:
        """A request that the route now sends to `slot` is begun, and does not end by itself."""

    @abc.abstractmethod
    def restart_router(self) -> None:
        """The router dies at once and is started again by whoever keeps it; returns when it answers."""

    @abc.abstractmethod
    def pass_ms(self, duration_ms: int) -> None:
        """Lets so much time pass."""

    @abc.abstractmethod
    def settle(self, condition: Callable[[], bool]) -> None:
        """Lets time pass until the condition holds; fails after a while."""


class VersionsHarness(RouterHarness):
    """For routers that keep clients on their slot and find the files of both versions."""

    @abc.abstractmethod
    def visit(self, clients: Sequence[int]) -> list[Slot]:
        """One request of each of these clients, and who answered; clients keep their cookies."""

    @abc.abstractmethod
    def fetch(self, asset: str) -> int:
        """Status of a file under `ASSETS`; slots have one each that bears their name, and no other."""


def trial(
    share_bp: int = FULL_BP, watch: Watch = Watch.PATIENT, generation: int = 1, epoch: int = 2
) -> Route:
    """Green is tried over blue."""
    return Route(Slot.BLUE, Slot.GREEN, share_bp, watch, generation, epoch)


BLUE = Route(Slot.BLUE, epoch=1)
GREEN = Route(Slot.GREEN, epoch=3)


class RoutingContract:
    """What every router must do. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> RouterHarness:
        """What to run the suite on."""
        raise NotImplementedError

    @pytest.fixture
    def serving(self, harness: RouterHarness) -> RouterHarness:
        """The router runs, both slots are admitted and up, blue is live."""
        harness.router().host(harness.hosting())
        for slot in Slot:
            harness.router().admit_slot(slot)
        expected = {slot: len(harness.hosting().addresses[slot]) for slot in Slot}
        harness.settle(lambda: _read(harness).up == expected)
        harness.router().commit_route(BLUE)
        return harness

    def test_a_new_router_serves_nobody(self, harness: RouterHarness) -> None:
        """No slot is live, none admitted, and hosting the same again changes nothing."""
        harness.router().host(harness.hosting())
        harness.router().host(harness.hosting())
        reading = _read(harness)
        assert (reading.route.live, reading.committed.live, reading.admitted) == (None, None, frozenset())
        assert reading.hosting == harness.hosting().digest
        assert harness.send(2) == {None: 2}

    def test_a_committed_route_is_in_force(self, serving: RouterHarness) -> None:
        """Read back from the router itself."""
        reading = _read(serving)
        assert (reading.route, reading.committed, reading.distrust) == (BLUE, BLUE, Distrust.NONE)
        assert serving.send(10) == {Slot.BLUE: 10}

    def test_a_written_route_is_in_force_and_not_committed(self, serving: RouterHarness) -> None:
        """Writing it again does nothing."""
        serving.router().write_route(trial())
        serving.router().write_route(trial())
        reading = _read(serving)
        assert (reading.route, reading.committed, reading.distrust) == (trial(), BLUE, Distrust.NONE)
        assert serving.send(10) == {Slot.GREEN: 10}

    def test_a_share_reaches_both(self, serving: RouterHarness) -> None:
        """Half of them each, more or less."""
        serving.router().write_route(trial(share_bp=FULL_BP // 2))
        served = serving.send(MANY)
        assert served.keys() == {Slot.BLUE, Slot.GREEN}
        assert sum(served.values()) == MANY

    def test_a_lower_epoch_is_refused(self, serving: RouterHarness) -> None:
        """Written or committed, and nothing changes."""
        serving.router().write_route(trial(epoch=5))
        for refused in (serving.router().write_route, serving.router().commit_route):
            with pytest.raises(Refused) as refusal:
                refused(replace(BLUE, epoch=4))
            assert refusal.value.code == "stale-epoch"
        reading = _read(serving)
        assert (reading.route, reading.committed) == (trial(epoch=5), BLUE)

    def test_a_failing_candidate_that_nobody_watches_is_not_left(self, serving: RouterHarness) -> None:
        """Protection is what the route says it is."""
        serving.router().write_route(trial(watch=Watch.NONE))
        serving.fail(Slot.GREEN, failing=True)
        assert serving.send(MANY) == {None: MANY}
        assert _read(serving).distrust is Distrust.NONE

    def test_an_expelled_candidate_is_down(self, serving: RouterHarness) -> None:
        """And its share goes to live."""
        serving.router().write_route(trial())
        serving.router().expel_slot(Slot.GREEN)
        assert serving.send(5) == {Slot.BLUE: 5}
        assert _read(serving).distrust is Distrust.DOWN

    def test_admission_survives_a_restart(self, serving: RouterHarness) -> None:
        """So does the lack of it."""
        serving.router().expel_slot(Slot.GREEN)
        serving.router().expel_slot(Slot.GREEN)
        assert _read(serving).admitted == {Slot.BLUE}
        serving.restart_router()
        reading = _read(serving)
        assert reading.admitted == {Slot.BLUE}
        assert reading.up[Slot.GREEN] == 0
        serving.router().admit_slot(Slot.GREEN)
        serving.router().admit_slot(Slot.GREEN)
        serving.restart_router()
        assert _read(serving).admitted == set(Slot)

    def test_requests_and_failures_are_counted_exactly(self, serving: RouterHarness) -> None:
        """Under the slot and the generation, stamped with the caller's time."""
        serving.router().write_route(trial(watch=Watch.NONE, generation=7))
        serving.send(20)
        serving.fail(Slot.GREEN, failing=True)
        serving.send(5)
        sample = serving.router().read_counters(123)
        counts = sample.total(Slot.GREEN, 7, None)
        assert (sample.at_ms, counts.requests, counts.failures) == (123, 25, 5)
        assert counts.within[-1] <= counts.answers <= counts.requests
        assert sample.total(Slot.GREEN, 1, None).requests == 0

    def test_another_hosting_keeps_the_committed_route_and_admission(self, serving: RouterHarness) -> None:
        """A reload is not a decision."""
        serving.router().expel_slot(Slot.GREEN)
        serving.router().host(replace(serving.hosting(), digest="sha256:other"))
        reading = _read(serving)
        assert (reading.hosting, reading.route) == ("sha256:other", BLUE)
        assert reading.admitted == {Slot.BLUE}
        assert serving.send(5) == {Slot.BLUE: 5}


class ForgettingContract(RoutingContract):
    """For a router that forgets a trial when it is started again."""

    def test_a_restarted_router_starts_with_the_committed_route(self, serving: RouterHarness) -> None:
        """A trial lives in memory only."""
        serving.router().write_route(trial())
        serving.restart_router()
        reading = _read(serving)
        assert (reading.route, reading.committed) == (BLUE, BLUE)
        serving.router().commit_route(GREEN)
        serving.restart_router()
        assert _read(serving).route == GREEN
        assert serving.send(5) == {Slot.GREEN: 5}


class LeaseContract(RoutingContract):
    """For a router that leaves the candidate when its controller falls silent."""

    def test_a_lapsed_lease_returns_traffic_and_is_not_revived(self, serving: RouterHarness) -> None:
        """Only a written route grants it anew."""
        route = trial(watch=Watch.SHORT)
        serving.router().write_route(route)
        assert serving.send(3) == {Slot.GREEN: 3}
        serving.pass_ms(serving.hosting().shift_lease_ms + 300)
        assert _read(serving).distrust is Distrust.LEASE
        assert _read(serving).serves_bp(Slot.BLUE) == FULL_BP
        serving.router().renew_lease(route)
        assert _read(serving).distrust is Distrust.LEASE
        assert serving.send(3) == {Slot.BLUE: 3}
        serving.router().write_route(route)
        assert _read(serving).distrust is Distrust.NONE

    def test_a_renewed_lease_does_not_lapse(self, serving: RouterHarness) -> None:
        """Renewed three times within each lease."""
        route = trial(watch=Watch.SHORT)
        serving.router().write_route(route)
        for _ in range(6):
            serving.pass_ms(serving.hosting().shift_lease_ms // 3)
            serving.router().renew_lease(route)
        assert _read(serving).distrust is Distrust.NONE


class BreakerContract(RoutingContract):
    """For a router that leaves a failing candidate by itself."""

    def test_a_failing_candidate_is_left_for_good(self, serving: RouterHarness) -> None:
        """Not even a renewed or rewritten route of the same trial brings it back; another trial does."""
        serving.router().write_route(trial())
        serving.fail(Slot.GREEN, failing=True)
        assert serving.send(MANY).get(Slot.BLUE, 0) > 0
        assert _read(serving).distrust is Distrust.ERRORS
        serving.fail(Slot.GREEN, failing=False)
        serving.router().renew_lease(trial())
        serving.router().write_route(trial())
        assert _read(serving).distrust is Distrust.ERRORS
        assert serving.send(5) == {Slot.BLUE: 5}
        serving.router().write_route(trial(generation=2))
        assert _read(serving).distrust is Distrust.NONE


class DrainContract(RoutingContract):
    """For a router that counts what is in flight, and cuts it."""

    def test_what_is_in_flight_is_counted_and_cut(self, serving: RouterHarness) -> None:
        """On the slot it went to, whatever the route says now."""
        serving.router().write_route(trial())
        for _ in range(HELD):
            serving.hold_request(Slot.GREEN)
        serving.router().write_route(replace(BLUE, generation=2, epoch=3))
        serving.settle(lambda: _read(serving).in_flight == {Slot.BLUE: 0, Slot.GREEN: HELD})
        assert serving.router().cut_slot(Slot.GREEN) == HELD
        serving.settle(lambda: _read(serving).in_flight == {Slot.BLUE: 0, Slot.GREEN: 0})
        assert serving.router().cut_slot(Slot.GREEN) == 0


class StickyContract(RoutingContract):
    """For a router that keeps clients where they were."""

    def test_a_client_stays_where_it_was_while_the_share_grows(self, serving: VersionsHarness) -> None:
        """Nobody who has seen the candidate goes back, until everybody does."""
        serving.router().host(_rehosted(serving, sticky_cookie="tmid"))
        clients = range(MANY)
        on_green: set[int] = set()
        for epoch, share_bp in enumerate((FULL_BP // 5, FULL_BP // 2, FULL_BP), start=2):
            serving.router().write_route(trial(share_bp, Watch.NONE, epoch=epoch))
            for _ in range(2):
                answered = dict(zip(clients, serving.visit(clients), strict=True))
                here = {client for client, slot in answered.items() if slot is Slot.GREEN}
                assert on_green <= here
                on_green = here
        assert on_green == set(clients)
        serving.router().write_route(replace(BLUE, generation=2, epoch=9))
        assert set(serving.visit(clients)) == {Slot.BLUE}

    def test_the_first_answer_comes_from_where_the_second_does(self, serving: VersionsHarness) -> None:
        """Known before its first request is routed; a client that keeps no cookie follows the share."""
        serving.router().host(_rehosted(serving, sticky_cookie="tmid"))
        serving.router().write_route(trial(FULL_BP // 2, Watch.NONE))
        first = serving.visit(range(MANY))
        assert set(first) == set(Slot)
        assert serving.visit(range(MANY)) == first
        assert serving.send(MANY).keys() == {Slot.BLUE, Slot.GREEN}


class AssetsContract(RoutingContract):
    """For a router that finds the files of both versions."""

    def test_files_of_both_versions_are_found_while_both_run(self, serving: VersionsHarness) -> None:
        """Whoever is asked first; what neither has is missing; and none of this is a failure."""
        serving.router().host(_rehosted(serving, asset_paths=(ASSETS,)))
        serving.router().write_route(trial(FULL_BP // 2, Watch.NONE, generation=5))
        assert {serving.fetch(slot) for slot in Slot for _ in range(20)} == {200}
        assert {serving.fetch("neither") for _ in range(5)} == {404}
        sample = serving.router().read_counters(1)
        counts = [sample.total(slot, 5, None) for slot in Slot]
        assert (sum(c.requests for c in counts), sum(c.failures for c in counts)) == (45, 0)

    def test_files_of_both_versions_survive_commit_and_rollback(self, serving: VersionsHarness) -> None:
        """Pages that were loaded before still ask for theirs; until the other slot no longer serves."""
        serving.router().host(_rehosted(serving, asset_paths=(ASSETS,)))
        for route in (BLUE, GREEN, replace(BLUE, epoch=4)):
            serving.router().commit_route(route)
            assert {serving.fetch(slot) for slot in Slot for _ in range(3)} == {200}
        serving.router().expel_slot(Slot.GREEN)
        assert (serving.fetch(Slot.BLUE), serving.fetch(Slot.GREEN)) == (200, 404)

    def test_a_slot_is_not_blamed_for_the_other_one(self, serving: VersionsHarness) -> None:
        """A file that this slot does not have is missing, whatever is wrong with the other one."""
        serving.router().host(_rehosted(serving, asset_paths=(ASSETS,)))
        serving.fail(Slot.GREEN, failing=True)
        assert {serving.fetch(Slot.GREEN) for _ in range(5)} == {404}
        counts = serving.router().read_counters(1).total(Slot.BLUE, 0, None)
        assert (counts.requests, counts.failures) == (5, 0)


class RouterContract(ForgettingContract, LeaseContract, BreakerContract, DrainContract):
    """What a launch needs at its best: everything but what concerns two versions at once."""


class VersionsContract(RouterContract, StickyContract, AssetsContract):
    """Everything."""


SUITES: Mapping[str, type[RoutingContract]] = {
    "forgets": ForgettingContract,
    "lease": LeaseContract,
    "breaker": BreakerContract,
    "drain": DrainContract,
    "sticky": StickyContract,
    "assets": AssetsContract,
}
"""By capability: what a router that has it must pass, and one that has not need not."""


def passes_what_it_says(suite: type[RoutingContract], capabilities: RouterCapabilities) -> None:
    """Fails where a router's tests leave out what its capabilities promise, or run what they deny."""
    promised = {name for name in SUITES if getattr(capabilities, name)}
    assert {name for name, part in SUITES.items() if issubclass(suite, part)} == promised


def _rehosted(harness: RouterHarness, **changes: Any) -> Hosting:  # noqa: ANN401 - fields of a hosting
    return replace(harness.hosting(), digest="sha256:other", **changes)


def _read(harness: RouterHarness) -> RouterReading:
    return harness.router().read_router()
