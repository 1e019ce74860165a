"""Collects the events of one decision while the state they lead to is used to decide the next."""

from dataclasses import replace

from tminus.domain.launch.alarm import AlertFired, Cause
from tminus.domain.launch.event import Event, HoldPlaced, PhaseEntered
from tminus.domain.launch.phase import BEFORE_TRAFFIC, Phase
from tminus.domain.launch.reading import RouterReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.alert import ON_CALL, ROLLBACK, Severity
from tminus.engine.decide.step import Observation


class Turn:
    """One decision in the making. Lives within one call of `decide` and is never shared."""

    def __init__(self, state: LaunchState, observation: Observation) -> None:
        """Starts from a state and what was observed."""
        self.state = state
        self.observation = observation
        self.events: list[Event] = []

    @property
    def now_ms(self) -> int:
        """The tick's time."""
        return self.observation.now_ms

    @property
    def elapsed_ms(self) -> int:
        """Time in the present phase, holds left out."""
        return self.now_ms - self.state.entered_ms

    def record(self, event: Event) -> None:
        """Adds an event; the state includes it from here on."""
        self.state = evolve(self.state, event, self.now_ms)
        self.events.append(event)

    def enter(self, phase: Phase, why: str) -> None:
        """Goes into a phase. Every rollback is an alert too, by whatever it came about."""
        self.record(PhaseEntered(phase, why))
        if phase is Phase.ROLLING_BACK:
            self.record(
                AlertFired(ROLLBACK, "", Cause.ROLLBACK, Severity.CRITICAL, ON_CALL, group=ON_CALL, why=why)
            )

    def take_back(self, why: str) -> None:
        """Scrubs while no traffic has moved, rolls back afterwards."""
        scrub = self.state.phase in BEFORE_TRAFFIC
        self.enter(Phase.SCRUBBING if scrub else Phase.ROLLING_BACK, why)

    def hold(self, by: str, why: str) -> None:
        """Places a hold unless there is one."""
        if self.state.hold is None:
            self.record(HoldPlaced(by, why, self.now_ms + self.state.plan.hold_expiry_ms))


def rest_on(state: LaunchState, slot: Slot | None) -> Route:
    """The route that sends everything to `slot`, or nowhere."""
    return Route(slot, generation=state.generation, epoch=state.fence)


def is_at_rest_on(reading: RouterReading, slot: Slot | None) -> bool:
    """Whether everything goes to `slot` and nothing is tried."""
    return reading.route.live is slot and reading.route.candidate_bp == 0 and reading.route.candidate is None


def has_returned(reading: RouterReading, state: LaunchState) -> bool:
    """Whether the router carries out the rest that ended the trial, and not an older one.

    The generation tells a rest of this rollback from the one before the trial, which an outdated reading
    or a restarted router may still show.
    """
    return is_at_rest_on(reading, state.stable) and reading.route.generation == state.generation


def with_epoch(route: Route, epoch: int) -> Route:
    """The same decision, written by another controller."""
    return replace(route, epoch=epoch)
