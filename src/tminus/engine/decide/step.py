"""What a decision is made from and what it consists of. Must not decide anything itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tminus.domain.launch.command import Command, WriteRoute
from tminus.domain.launch.event import Event
from tminus.domain.launch.judged import Judged
from tminus.domain.launch.reading import FaultReading, JobReading, RouterReading, SlotReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.readiness.checked import CheckAnswered
from tminus.domain.readiness.signing import SignedText
from tminus.domain.watch.alerting import Course
from tminus.domain.watch.history import Point
from tminus.domain.watch.measurement import Measurements
from tminus.ports.journal import Order


@dataclass(frozen=True, slots=True)
class Observation:
    """The world in one tick.

    Attributes:
        now_ms: read once per tick.
        router: its reading, or why there is none.
        slots: readings of both slots, or why there are none.
        jobs: readings of the jobs this launch has started, by key.
        jobs_read: they could be read; if not, `jobs` is empty and says nothing.
        orders: people's orders not yet settled, oldest first.
        judged: what the watch concluded.
        hosting: digest of the hosting configuration the plan asks for; None where it cannot be told.
        replayed: requests the net has sent a second time since the router started.
        history: figures by the minute, oldest first.
        journal_open: the journal takes events; without it nothing goes forward, protection goes on.
        measurements: of the plan's metrics, by name, oldest first.
        checked: newest answers of machines to the plan's checks, by item.
        signers: whose key made each signature that the orders bring; empty for one that does not hold.
    """

    now_ms: int
    router: RouterReading | FaultReading
    slots: Mapping[Slot, SlotReading] | FaultReading
    jobs: Mapping[str, JobReading] = field(default_factory=dict)
    jobs_read: bool = True
    orders: tuple[Order, ...] = ()
    judged: Judged = field(default_factory=Judged)
    hosting: str | None = None
    replayed: int = 0
    history: Sequence[Point] = ()
    journal_open: bool = True
    measurements: Measurements = field(default_factory=dict)
    checked: Mapping[str, CheckAnswered] = field(default_factory=dict)
    signers: Mapping[SignedText, str] = field(default_factory=dict)

    @property
    def route_reading(self) -> RouterReading | None:
        """The router's reading, None when it could not be read."""
        return self.router if isinstance(self.router, RouterReading) else None

    def slot(self, slot: Slot) -> SlotReading | None:
        """The slot's reading, None when slots could not be read."""
        return None if isinstance(self.slots, FaultReading) else self.slots.get(slot, SlotReading(slot))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a launch is where it is: the answer to `tminus why`.

    Attributes:
        what: what it waits for.
        since_ms: since when.
        until_ms: when it stops waiting by itself, None only for a launch that has ended.
        then: what happens by itself at that moment.
        unblock: what to run to go on, empty where waiting is the only way.
    """

    what: str
    since_ms: int
    until_ms: int | None
    then: str
    unblock: str = ""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A command with the key its intent and outcome are journalled under."""

    key: str
    command: Command


@dataclass(frozen=True, slots=True)
class Step:
    """One decision.

    Attributes:
        protect: route writes towards safety, performed before anything is journalled.
        events: what was decided, in order; journalled after `protect` and before `commands`.
        commands: performed after their intents are journalled.
        unjournalled: performed each tick without a trace (lease renewal).
        state: the state after `events`.
        waiting: what the launch waits for now.
        next_ms: how long until the next look, at most.
        courses: how long each alert rule has been broken, kept or without a reading; for the next tick.
    """

    protect: tuple[WriteRoute, ...]
    events: tuple[Event, ...]
    commands: tuple[Keyed, ...]
    unjournalled: tuple[Command, ...]
    state: LaunchState
    waiting: Waiting
    next_ms: int
    courses: Mapping[str, Course] = field(default_factory=dict)
