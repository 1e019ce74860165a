"""The physical side of a simulated service: instances, a router's memory and disk, and users' requests."""

from dataclasses import dataclass, field, replace

from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts

INSTANCES = 3
RESTART_MS = 300  # how long the supervisor takes to bring a dead instance back
FAST_MS = 20
SLOW_MS = 800
BREAKER_WINDOW_MS = 250  # the short one of a real router; a step of the virtual clock is as long
BREAKER_MIN_FAILURES = 5
PPM = 1_000_000
DRAW_STEP_BP = 3_819  # the golden section of all, so that every run of draws is spread evenly
NO_BREAKER_PPM = PPM  # a share of failures that nothing exceeds: nobody has set a limit


@dataclass(slots=True)
class Instance:
    """One instance: healthy from `healthy_ms` on, unless it never is; `ended` once it was stopped."""

    healthy_ms: int
    restarts: int = 0
    ended: bool = False


@dataclass(slots=True)
class Worker:
    """One background worker, which always runs while its slot does."""

    name: str
    restarts: int = 0


@dataclass(slots=True)
class Place:
    """A slot: what runs in it and what is in flight; `strangers` are addresses of adopted instances."""

    digest: str | None = None
    strangers: tuple[str, ...] = ()
    instances: list[Instance] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    left_ms: int = -1_000_000  # when it last served
    in_flight: int = 0
    stopped: int = 0  # how often it was stopped

    def healthy(self, now_ms: int) -> int:
        """Instances that answer now."""
        return sum(instance.healthy_ms <= now_ms for instance in self.instances)


@dataclass(slots=True)
class RouterMemory:
    """What dies with the router process."""

    route: Route
    latch: Distrust = Distrust.NONE
    leases: dict[tuple[int, Watch], int] = field(default_factory=dict)
    counts: dict[tuple[Slot, int], Counts] = field(default_factory=dict)
    window_ms: int = 0  # when the breaker's window began
    window: Counts = field(default_factory=Counts)


class Physics:
    """The world without controllers."""

    def __init__(self, *, drain_ms: int, requests_per_s: int, lease_ms: dict[Watch, int]) -> None:
        """Starts with an empty world: no router, both slots down."""
        self.places = {slot: Place() for slot in Slot}
        self.strangers: dict[str, Instance] = {}  # instances that somebody else runs, by address
        self.committed = Route(None)
        self.memory: RouterMemory | None = None
        self.admitted: set[Slot] = set()
        self.hosting = ""
        self.drain_ms = drain_ms
        self.requests_per_s = requests_per_s
        self.lease_ms = lease_ms
        self.error_limit_ppm = NO_BREAKER_PPM
        self.error_share: dict[str, float] = {}
        self.slow_share: dict[str, float] = {}
        self.good_for_ms: dict[str, int] = {}
        self._served_from_ms: dict[str, int] = {}
        self.now_ms = 0
        self.router_back_ms: int | None = None
        self.requests_on: dict[tuple[Slot, int], int] = {}
        self.unserved = 0
        self.highest_epoch = 0
        self.fence = 0  # on disk: outlives the router's memory
        self._carry = 0.0
        self._drawn_bp = 0

    def start_router(self) -> None:
        """A router process begins with what its disk says."""
        self.memory = RouterMemory(self.committed)
        self.router_back_ms = None

    def kill_router(self, back_ms: int) -> None:
        """The router dies; the supervisor brings it back at `back_ms`."""
        if self.memory is not None:
            self.memory = None
            self.router_back_ms = back_ms

    def write(self, route: Route) -> None:
        """Puts a route in force, as a running router would."""
        assert self.memory is not None
        memory = self.memory
        if route.generation != memory.route.generation:
            memory.latch = Distrust.NONE
            memory.window = Counts()
        memory.route = route
        self.highest_epoch = max(self.highest_epoch, route.epoch)
        self.fence = max(self.fence, route.epoch)
        self._grant(route)

    def renew(self, route: Route) -> None:
        """Extends both leases of a generation; one that has lapsed stays lapsed until a route is written."""
        if self.memory is not None and self.now_ms < self.memory.leases.get(
            (route.generation, route.watch), 0
        ):
            self._grant(route)

    def _grant(self, route: Route) -> None:
        if self.memory is not None and route.watch:
            for watch, length_ms in self.lease_ms.items():
                self.memory.leases[route.generation, watch] = self.now_ms + length_ms

    def distrust(self) -> Distrust:
        """Why the candidate is not served, if it is not."""
        memory = self.memory
        if memory is None or memory.route.candidate is None or not memory.route.watch:
            return Distrust.NONE
        if memory.latch is not Distrust.NONE:
            return memory.latch
        until_ms = memory.leases.get((memory.route.generation, memory.route.watch), 0)
        if self.now_ms >= until_ms:
            return Distrust.LEASE
        # The next request would latch it; until one comes, nothing has.
        return Distrust.NONE if self.up(memory.route.candidate) else Distrust.DOWN

    def up(self, slot: Slot) -> int:
        """Instances the router would use."""
        return self.places[slot].healthy(self.now_ms) if slot in self.admitted else 0

    def intended_bp(self) -> dict[Slot, int]:
        """Shares by the route in force, distrust applied, the net not."""
        if self.memory is None:
            return dict.fromkeys(Slot, 0)
        route = self.memory.route
        if self.distrust() is not Distrust.NONE:
            return {slot: FULL_BP if slot is route.live else 0 for slot in Slot}
        return {slot: route.share_bp(slot) for slot in Slot}

    def serving_bp(self) -> dict[Slot, int]:
        """Shares that reach a slot, the net included: a dead slot's share goes to the other one."""
        served = dict.fromkeys(Slot, 0)
        for slot, share in self.intended_bp().items():
            target = slot if self.up(slot) or not self.up(slot.other) else slot.other
            served[target] += share
        return served

    def move(self, now_ms: int) -> None:
        """Lets time pass until `now_ms`: router restarts, breaker, users' requests, drain."""
        span_ms = now_ms - self.now_ms
        self.now_ms = now_ms
        if self.memory is None and self.router_back_ms is not None and now_ms >= self.router_back_ms:
            self.start_router()
        self._break()
        self._serve(span_ms)

    def _break(self) -> None:
        memory = self.memory
        if memory is None or memory.route.candidate is None or not memory.route.watch:
            return
        if memory.latch is not Distrust.NONE or not memory.route.candidate_bp:
            return
        window = memory.window
        if self.distrust() is Distrust.DOWN:
            memory.latch = Distrust.DOWN
        elif window.failures >= BREAKER_MIN_FAILURES and (
            window.failures * PPM > self.error_limit_ppm * window.requests
        ):
            memory.latch = Distrust.ERRORS

    def ask(self, requests: int) -> dict[Slot | None, int]:
        """Users send so many requests, one after the other, at this instant.

        Returns how many each slot answered without an error; None stands for those that none did.
        """
        answered: dict[Slot | None, int] = {}
        for _ in range(requests):
            slot = self._ask_one()
            self._break()
            answered[slot] = answered.get(slot, 0) + 1
        return answered

    def _ask_one(self) -> Slot | None:
        slot = self._draw()
        if self.memory is None or slot is None:
            return None
        alive = bool(self.places[slot].healthy(self.now_ms))
        return None if self._count(self.memory, slot, 1, alive=alive) else slot

    def _draw(self) -> Slot | None:
        self._drawn_bp = (self._drawn_bp + DRAW_STEP_BP) % FULL_BP
        below_bp = 0
        for slot, share in self.serving_bp().items():
            below_bp += share
            if self._drawn_bp < below_bp:
                return slot
        return None

    def _serve(self, span_ms: int) -> None:
        memory = self.memory
        self._carry += self.requests_per_s * span_ms / 1000
        total = int(self._carry)
        self._carry -= total
        served = self.serving_bp()
        for slot, place in self.places.items():
            count = total * served[slot] // FULL_BP
            alive = bool(place.healthy(self.now_ms))
            if served[slot] and alive:
                place.left_ms = self.now_ms
                place.in_flight = INSTANCES if self.requests_per_s else place.in_flight
            elif not place.instances or self.now_ms - place.left_ms >= self.drain_ms:
                place.in_flight = 0
            if not count or memory is None:
                continue
            if not alive:
                self.unserved += count
            self._count(memory, slot, count, alive=alive)

    def _count(self, memory: RouterMemory, slot: Slot, count: int, *, alive: bool) -> int:
        """Counts requests that a slot was given, and returns how many of them failed."""
        key = (slot, memory.route.generation)
        self.requests_on[key] = self.requests_on.get(key, 0) + count
        digest = self.places[slot].digest or ""
        served_ms = self.now_ms - self._served_from_ms.setdefault(digest, self.now_ms)
        bad = served_ms >= self.good_for_ms.get(digest, 0)
        failures = count if not alive else round(count * self.error_share.get(digest, 0.0) * bad)
        slow = round(count * self.slow_share.get(digest, 0.0) * bad) if alive else 0
        answers = count if alive else 0
        within = tuple(
            answers if edge >= SLOW_MS else answers - slow if edge >= FAST_MS else 0 for edge in BUCKETS_MS
        )
        counted = Counts(count, failures, answers, within)
        memory.counts[key] = memory.counts.get(key, Counts()) + counted
        if slot is memory.route.candidate:
            began_anew = self.now_ms - memory.window_ms >= BREAKER_WINDOW_MS
            memory.window_ms = self.now_ms if began_anew else memory.window_ms
            memory.window = counted if began_anew else memory.window + counted
        return failures

    def sample_classes(self) -> tuple[ClassCounts, ...]:
        """The router's counters."""
        if self.memory is None:
            return ()
        return tuple(
            ClassCounts(slot, generation, "other", counts)
            for (slot, generation), counts in self.memory.counts.items()
        )

    def restart_worker(self, slot: Slot, index: int) -> None:
        """A worker dies and its supervisor starts it again."""
        self.places[slot].workers[index].restarts += 1

    def restart_instance(self, slot: Slot, index: int) -> None:
        """An instance dies and its supervisor starts it again."""
        place = self.places[slot]
        if index < len(place.instances):
            before = place.instances[index]
            place.instances[index] = replace(
                before, healthy_ms=self.now_ms + RESTART_MS + 500, restarts=before.restarts + 1
            )
