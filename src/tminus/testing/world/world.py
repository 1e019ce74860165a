"""One simulated launch: the real driver, the fakes, the faults, the people, the invariants, one seed."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.external import TOLD_ALERT
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.report.loss import LaneCount, MeterReading
from tminus.engine.drive import ClaimLostError, Driver, Tick
from tminus.engine.ports import Ports
from tminus.ports.fault import PortFault
from tminus.ports.journal import Draft, LaunchRow, Order
from tminus.testing.memory_journal import MemoryJournal
from tminus.testing.signatures import NamedSignatures
from tminus.testing.world.checked import told_by_check
from tminus.testing.world.clock import VirtualClock
from tminus.testing.world.fakes import FakeJobs, FakeRouter, FakeRuntime, NoSecrets
from tminus.testing.world.faults import Crash, Faults, Faulty
from tminus.testing.world.gauge import queue_measured
from tminus.testing.world.invariants import Invariants, Violation
from tminus.testing.world.physics import INSTANCES, Instance, Physics
from tminus.testing.world.plan import FEWEST_REQUESTS, FEWEST_WEIGHED, sim_plan
from tminus.testing.world.scenario import Scenario
from tminus.testing.world.watched import WatchedJournal, WatchedRouter, WatchedRuntime

START_MS = 1_700_000_000_000
LAUNCH = "w"
STABLE, CANDIDATE = Slot.BLUE, Slot.GREEN
OLD, NEW = "sha256:old", "sha256:new"
DECLINING_SHARE = 0.02
"""Candidates that fail so seldom decline payments instead, which only the database's question shows."""

ARGUMENTS = {
    "silence": "3s errors",
    TOLD_ALERT: '{"alert":"Paged","fingerprint":"f1","state":"firing","why":"users say so"}',
}
"""What an order says besides its verb."""

END_BOUND_MS = 400_000
"""A launch of this plan has ended so long after the last fault: every phase's deadline, a hold's expiry
and the retries of whatever was being done, added up and doubled."""


@dataclass(slots=True)
class WorldResult:
    """How a world went."""

    ticks: int
    events: int
    outcome: str
    violation: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    appends: int = 0


class World:
    """One world. Parts that a test wants to break are attributes, replaced before `run`.

    Args:
        seed: of everything random after the scenario.
        scenario: what the world is like.
        crash_at: crash after the n-th journal append, or before it when negative.
    """

    router_class: type[FakeRouter] = FakeRouter
    driver_class: type[Driver] = Driver

    def __init__(self, seed: int, scenario: Scenario, crash_at: int | None = None) -> None:
        """Sets the stage: a stable slot that serves, or nothing."""
        self.random = Random(seed)  # noqa: S311 - simulation, not secrecy
        self.scenario = scenario
        self.plan = sim_plan(
            database=scenario.database,
            stages=scenario.stages,
            measured=scenario.measured,
            weighed=scenario.weighed,
            checked=scenario.checked,
        )
        self.physics = Physics(
            drain_ms=scenario.drain_ms,
            requests_per_s=scenario.requests_per_s,
            lease_ms={Watch.SHORT: self.plan.lease.shift_ms, Watch.PATIENT: self.plan.lease.bake_ms},
        )
        self.physics.now_ms = START_MS
        self.physics.error_share = {NEW: scenario.error_share}
        self.physics.good_for_ms = {NEW: scenario.good_for_ms}
        self.physics.slow_share = {NEW: scenario.slow_share}
        self.clock = VirtualClock(START_MS, self._moved)
        fewest = FEWEST_WEIGHED if scenario.weighed else FEWEST_REQUESTS
        self.invariants = Invariants(self.physics, fewest)
        self.faults = Faults(self.random, scenario, self.clock.now_ms, self.clock.wait_ms, self._freeze)
        self.faults.crash_at = crash_at
        self.journal = MemoryJournal()
        self.jobs = FakeJobs(self.clock.now_ms, self._answer, progress=self._progress)
        self.driver: Driver | None = None
        self.ports = self._ports()
        self.ticks = 0
        self._told = 0
        self._orders = list(scenario.orders)
        self._frozen = False
        self._controllers = 0

    def run(self) -> WorldResult:
        """Drives the launch to its end; a violated invariant ends it earlier and is named."""
        violation = ""
        try:
            self._open()
            self._drive()
        except Violation as error:
            violation = str(error)
        state = self.invariants.state
        events = len(self.journal.read(LAUNCH)) if state is not None else 0
        outcome = state.outcome if state is not None else ""
        return WorldResult(self.ticks, events, outcome, violation, self.faults.counted, self.faults.appends)

    def _open(self) -> None:
        stable = None if self.scenario.first_launch else STABLE
        candidate = CANDIDATE if stable is not None else STABLE
        if stable is not None:
            place = self.physics.places[stable]
            place.digest, place.instances = OLD, [Instance(START_MS) for _ in range(INSTANCES)]
            self.physics.admitted.add(stable)
            self.physics.committed = Route(stable)
            self.physics.start_router()
        event = ev.LaunchPlanned(
            plan=self.plan,
            plan_digest=digest_of(to_json(self.plan)),
            commit="c0ffee",
            by="sim",
            candidate=candidate,
            stable=stable,
            stable_digest=OLD,
            stable_version="1.0.0",
            generation=0,
            fence=0,
            stable_run=None if stable is None else self.plan.run,
        )
        kind, version, body = ev.encode(event)
        row = LaunchRow(LAUNCH, "sim", "production", START_MS, open=True)
        self.journal.open_launch(row, [Draft(kind, version, START_MS, body)])
        self._tell()

    def _drive(self) -> None:
        while True:
            if self._overdue():
                state = self.invariants.state
                raise Violation(f"no end: {state.phase if state else ''} {self.ticks} ticks, {self._why()}")
            if self.driver is None and not self._take_over():
                self.clock.wait_ms(500)
                continue
            if self._tick_ended():
                return

    def _tick_ended(self) -> bool:
        driver = self.driver
        assert driver is not None
        self._happen()
        self._people(driver)
        try:
            tick = self._tick(driver)
            if tick.ended:
                driver.finish()
        except Crash:
            self._lose_driver(self.random.choice((100, 1_500, 40_000)))
            return False
        except ClaimLostError:
            self._lose_driver(0)
            return False
        self.invariants.retreating = tick.state.phase is Phase.ROLLING_BACK
        if not driver.unwritten:
            self.invariants.same_fold(driver.state)
        if tick.ended:
            self.invariants.ended(tick.state)
            if self.scenario.measured and self.scenario.hot and tick.state.promoted:
                raise Violation("metric: promoted with a metric that was beyond its limit all the time")
            return True
        self.clock.wait_ms(tick.step.next_ms)
        return False

    def _tick(self, driver: Driver) -> Tick:
        self.ticks += 1
        self.invariants.tick_ms = self.clock.now_ms()
        return driver.tick()

    def _overdue(self) -> bool:
        return self.clock.now_ms() - START_MS > self.scenario.calm_ms + END_BOUND_MS

    def _why(self) -> str:
        return "" if self.driver is None else f"epoch {self.driver.state.epoch}"

    def _take_over(self) -> bool:
        driver = self._new_driver()
        try:
            driver.claim()
        except Crash:
            self._lose_driver(100)
            return False
        except (ClaimLostError, PortFault):
            return False
        self.driver = driver
        return True

    def _new_driver(self) -> Driver:
        self._controllers += 1
        return self.driver_class(self.ports, LAUNCH, f"controller-{self._controllers}")

    def _lose_driver(self, downtime_ms: int) -> None:
        self.driver = None
        self.invariants.retreating = False
        if downtime_ms:
            self.clock.wait_ms(downtime_ms)

    def _freeze(self) -> None:
        """The controller stands still in mid-call while another one takes over and drives for a while."""
        if self._frozen or self.driver is None:
            return
        self._frozen = True
        self.clock.wait_ms(6_000)
        other = self._new_driver()
        try:
            other.claim()
            for _ in range(self.random.randrange(1, 12)):
                self.clock.wait_ms(self._tick(other).step.next_ms)
        except (Crash, ClaimLostError, PortFault):
            pass  # the second controller may fail as the first one did
        finally:
            self._frozen = False

    def _moved(self, now_ms: int) -> None:
        span_ms = now_ms - self.physics.now_ms
        self.physics.move(now_ms)
        self.invariants.moved(span_ms, driven=self.driver is not None and not self._frozen)

    def _happen(self) -> None:
        """What goes wrong in the world by itself."""
        faults, physics = self.faults, self.physics
        if faults.strikes("router-restart"):
            physics.kill_router(physics.now_ms + 150)
        if faults.strikes("router-down", 0.3):
            physics.kill_router(physics.now_ms + 5_000)
        candidate = STABLE if self.scenario.first_launch else CANDIDATE
        if faults.strikes("flapping"):
            physics.restart_instance(self.random.choice(list(Slot)), self.random.randrange(INSTANCES))
        for kind, slot in (("candidate-dies", candidate), ("stable-dies", candidate.other)):
            if faults.strikes(kind, 0.5):
                for index in range(INSTANCES):
                    physics.restart_instance(slot, index)
        if faults.strikes("crash", 0.02):
            self.jobs.lose()

    def _people(self, driver: Driver) -> None:
        elapsed_ms = self.clock.now_ms() - START_MS
        while self._orders and self._orders[0][0] <= elapsed_ms:
            at_ms, verb, direct = self._orders.pop(0)
            argument = ARGUMENTS.get(verb, "")
            order = Order(f"{at_ms}-{verb}", verb, "someone", "because", self.clock.now_ms(), argument)
            if direct:
                driver.order(order)
                continue
            try:
                self.ports.inbox.post(LAUNCH, order)
            except (Crash, PortFault):
                driver.order(order)

    def _answer(self, work: str, arguments: Json) -> Json:
        del arguments
        if work in ("build", "verify-artifact"):
            return {"digest": NEW}
        if work == "migrate" and self.scenario.migration_fails:
            raise ProblemError(Problem("migration-failed", "the command failed"))
        if work == "backup":
            return {"path": "backup"}
        if work == "meter":
            return to_json(MeterReading(START_MS, self.clock.now_ms(), LaneCount(sent=100, answered=100)))
        fails = {"smoke": self.scenario.smoke_fails, "artifact-smoke": self.scenario.artifact_fails}
        return {"passed": not fails.get(work, False), "targets": []}

    def _progress(self, work: str) -> Json:
        if work == "check":
            return told_by_check(self.clock.now_ms(), START_MS + self.scenario.ready_after_ms)
        if work == "measure":
            return queue_measured(self.clock.now_ms(), hot=self.scenario.hot)
        if work != "sampler":
            return None
        declined = 30 if self.scenario.error_share == DECLINING_SHARE else 0
        now_ms = self.clock.now_ms()
        health: Json = {
            "at_ms": now_ms,
            "connections_ppm": 120_000,
            "latency_us": 400,
            "replica_lag_ms": 15,
            "waiting": 0,
        }
        return {"answers": {"declined": [[now_ms, declined, 100]]}, "database": health}

    def _boot_ms(self, digest: str) -> int:
        if digest == NEW and self.scenario.boot_fails:
            return 1 << 50
        if self.faults.strikes("slow-boot", 10.0):
            return self.scenario.boot_ms + self.random.choice((4_000, 8_000, 15_000))
        return self.scenario.boot_ms

    def _tell(self) -> None:
        records = self.journal.read(LAUNCH, self._told)
        self._told += len(records)
        self.invariants.journalled(records)

    def _ports(self) -> Ports:
        def port(target: object) -> Any:  # noqa: ANN401 - stands in for any port
            return Faulty(target, self.faults)

        journal = port(WatchedJournal(self.journal, self._tell))
        return Ports(
            clock=self.clock,
            journal=journal,
            book=journal,
            claims=journal,
            inbox=journal,
            shelf=journal,
            ring=journal,
            history=journal,
            evidence=journal,
            runtime=port(
                WatchedRuntime(FakeRuntime(self.physics, self._boot_ms), self.physics, self.invariants)
            ),
            router=port(WatchedRouter(self.router_class(self.physics), self.physics, self.invariants)),
            jobs=port(self.jobs),
            secrets=NoSecrets(),
            signatures=NamedSignatures(),
        )
