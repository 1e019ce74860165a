"""What must hold at every instant of every launch, checked against the physics and the journal."""

from collections.abc import Sequence

from tminus.domain.launch import event as ev
from tminus.domain.launch.alarm import Cause
from tminus.domain.launch.command import Command, StartJob, StartSlot
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.route import FULL_BP, Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState, evolve, fold
from tminus.domain.plan.alert import ROLLBACK
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.journal import Record
from tminus.testing.world.alarms import check_alarm
from tminus.testing.world.checked import check_gate
from tminus.testing.world.physics import Physics
from tminus.testing.world.violation import Violation

__all__ = ["Invariants", "Violation"]

UNHEALTHY_BOUND_MS = 2_000
"""The router's checks need two misses of 200 ms, a restart 800 ms; more is a decision's fault."""

RETREAT_BOUND_MS = 4_000
"""A rollback that was decided takes the next tick; retries against faults need a few."""


class Invariants:
    """Watches one launch. Every check raises Violation with what was seen."""

    def __init__(self, physics: Physics, fewest_requests: int) -> None:
        """Knows the physics; the journal is told by `journalled`."""
        self._physics = physics
        self._fewest_requests = fewest_requests
        self.state: LaunchState | None = None
        self._last: ev.Event | None = None
        self._epoch = 0
        self._unhealthy_ms = 0
        self._retreat_ms = 0
        self._reads: dict[int, Route] = {}
        self.tick_ms = 0

    def journalled(self, records: Sequence[Record]) -> None:
        """Checks new records against their predecessors and the physics at this moment."""
        for record in records:
            event = ev.decode(record.kind, record.version, record.body)
            if record.epoch < self._epoch:
                raise Violation(f"one writer: epoch {record.epoch} after {self._epoch}")
            self._epoch = record.epoch
            self._check_event(event, record.at_ms)
            self.state = (
                fold([(event, record.at_ms)])
                if self.state is None
                else evolve(self.state, event, record.at_ms)
            )
            self._last = event

    def route_read(self, route: Route) -> None:
        """Remembers what the router really had when it was read in the tick that began at `tick_ms`."""
        self._reads[self.tick_ms] = route

    def _check_event(self, event: ev.Event, at_ms: int) -> None:
        later_step = isinstance(event, ev.StepTaken) and event.step > 0
        onward = isinstance(event, ev.PhaseEntered) and event.phase in (
            Phase.VERIFYING,
            Phase.BAKING,
            Phase.PROMOTING,
        )
        if later_step or onward:
            self._check_evidence(event)
        if isinstance(event, ev.CommandIntended):
            self._check_point_of_no_return(event.command)
        if self.state is not None:
            check_alarm(self.state, event, at_ms)
            check_gate(self.state, event, at_ms)
        if isinstance(event, ev.RouteConfirmed):
            read = self._reads.get(at_ms)
            if read is None or read.text() != event.text:
                raise Violation(f"confirmed {event.text!r}, the router had {read.text() if read else None!r}")

    def _check_point_of_no_return(self, command: Command) -> None:
        state = self.state
        assert state is not None  # a command follows the plan
        contract = isinstance(command, StartJob) and command.key.startswith("contract-")
        if contract and not (state.retired or state.stable is None):
            raise Violation("contract: it is run while the stable slot still serves as the way back")
        if isinstance(command, StartSlot) and command.slot is state.stable and state.contracts:
            raise Violation("contract: the earlier version is started on a schema it cannot live with")

    def _check_evidence(self, event: ev.Event) -> None:
        passed = isinstance(self._last, ev.VerdictReached) and self._last.outcome is Outcome.PASS
        if not passed:
            raise Violation(f"gate: {event} does not follow a passing verdict but {self._last}")
        assert self.state is not None
        seen = self._physics.requests_on.get((self.state.candidate, self.state.generation), 0)
        if seen < self._fewest_requests:
            raise Violation(f"gate: {event} on {seen} requests, {self._fewest_requests} are needed")

    def moved(self, span_ms: int, *, driven: bool) -> None:
        """Checks the physics after time has passed; `driven` says that a controller lives."""
        physics, state = self._physics, self.state
        if physics.memory is None or state is None:
            self._retreat_ms = 0
            return
        shares = physics.intended_bp()
        if physics.memory.route.live is not None and sum(shares.values()) != FULL_BP:
            raise Violation(f"splits sum to {sum(shares.values())} basis points")
        self._check_gate(shares[state.candidate], state)
        self._check_health(span_ms, state)
        self._check_retreat(span_ms, state, driven=driven)

    def _check_gate(self, share_bp: int, state: LaunchState) -> None:
        if not share_bp or state.phase in (Phase.WATCHING, Phase.CLOSED):
            return
        smoke = state.jobs.get("smoke")
        if smoke is None or not isinstance(smoke.result, dict) or not smoke.result["passed"]:
            raise Violation("gate: traffic on a candidate without a passed smoke suite")
        if (
            state.stable is not None
            and state.phase in TRIAL - {Phase.PROMOTING}
            and share_bp > state.share_bp
        ):
            raise Violation(f"gate: {share_bp} basis points on the candidate, {state.share_bp} were decided")

    def _check_health(self, span_ms: int, state: LaunchState) -> None:
        physics = self._physics
        bad = False
        if state.phase in TRIAL and state.tried:
            for slot, share in physics.serving_bp().items():
                dead = not physics.places[slot].healthy(physics.now_ms)
                bad = bad or bool(share and dead and physics.places[slot.other].healthy(physics.now_ms))
        self._unhealthy_ms = self._unhealthy_ms + span_ms if bad else 0
        if self._unhealthy_ms > UNHEALTHY_BOUND_MS:
            raise Violation(
                f"traffic on an unhealthy slot for {self._unhealthy_ms} ms while the other is healthy"
            )

    def _check_retreat(self, span_ms: int, state: LaunchState, *, driven: bool) -> None:
        # The route is asked, not who is served: that the router has lost its trust by itself meanwhile
        # does not excuse a controller that cannot act.
        stable, memory = state.stable, self._physics.memory
        able = stable is None or self._physics.up(stable) >= state.plan.run.instances
        wanted = driven and self.retreating and able and memory and memory.route.share_bp(state.candidate)
        self._retreat_ms = self._retreat_ms + span_ms if wanted else 0
        if self._retreat_ms > RETREAT_BOUND_MS:
            raise Violation(f"a rollback decided {self._retreat_ms} ms ago has not moved traffic")

    retreating = False
    """The living driver has decided to roll back, whether or not the journal says so yet."""

    def stopping(self, slot: Slot) -> None:
        """Checks that a slot may be stopped at this very moment."""
        state = self.state
        if state is None:
            return
        place = self._physics.places[slot]
        if self._physics.intended_bp()[slot]:
            raise Violation(f"{slot.value} is stopped while the router sends it requests")
        if place.in_flight and self._physics.memory is not None:
            raise Violation(f"{slot.value} is stopped with {place.in_flight} requests in flight")
        if slot is state.stable and not state.promoted:
            raise Violation(f"{slot.value}, the stable slot, is stopped before the bake passed")

    def wrote(self, route: Route, highest_before: int) -> None:
        """Checks that a write that took effect came from the newest controller."""
        if route.epoch < highest_before:
            raise Violation(f"one writer: a route of epoch {route.epoch} took effect after {highest_before}")

    def same_fold(self, driver_state: LaunchState) -> None:
        """Checks that the driver believes what its journal says."""
        if driver_state != self.state:
            raise Violation("fold(journal) differs from the driver's state")

    def ended(self, state: LaunchState) -> None:
        """Checks that the launch has ended in a safe state, with nothing left behind."""
        physics = self._physics
        if state.phase is Phase.ROLLED_BACK and state.alarms.alarm(ROLLBACK, "", Cause.ROLLBACK) is None:
            raise Violation("alarms: a rollback told nobody")
        serving = state.candidate if state.phase is Phase.CLOSED else state.stable
        gone = serving.other if serving is not None else state.candidate
        if physics.places[gone].instances and not (serving is None and gone is not state.candidate):
            raise Violation(f"ended with instances left on {gone.value}")
        if physics.committed.live is not serving:
            raise Violation(f"ended with {physics.committed.live} committed, {serving} was due")
        if serving is not None and not physics.places[serving].instances:
            raise Violation(f"ended with nothing running on {serving.value}")
        if physics.memory is not None and serving is not None and physics.intended_bp()[serving] != FULL_BP:
            raise Violation(f"ended while {serving.value} does not have all traffic")
