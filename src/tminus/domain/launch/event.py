"""Events: what happened in a launch, as the journal keeps it. Folding them is `state`'s.

A change of an event's shape raises its `version` and adds an upcaster; a kind or version that is not
known stops the launch loudly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.launch.alarm import AlarmEvent
from tminus.domain.launch.command import Command
from tminus.domain.launch.entry import NoteTaken
from tminus.domain.launch.evidence import EvidenceWeighed, TermsFixed, Weighed
from tminus.domain.launch.external import ExternalEvent
from tminus.domain.launch.figures import ClassFigures, DatabaseFigures
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import Distrust, JobPhase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.upcast import RAISED, UPCASTERS
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import Plan, Run
from tminus.domain.plan.request import Request
from tminus.domain.readiness.checked import CheckEvent
from tminus.domain.readiness.poll import PollEvent
from tminus.domain.readiness.verdict import Outcome


@dataclass(frozen=True, slots=True)
class OwedContract:
    """A contract migration that is due: the command, and the artifact it runs in."""

    command: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class LaunchPlanned:
    """The launch exists.

    Attributes:
        generation: the last one used by earlier launches of the service.
        fence: the highest fencing token that any of their drivers wrote to the router.
        stable_run: how the stable slot is started again, should it have been retired; None where nothing
            is stable, or where it was adopted.
        stable_smoke: the smoke suite of the stable release, which it must pass on an expanded schema.
        owed: contract migration of the stable release that nobody has run yet.
    """

    kind: ClassVar[str] = "launch-planned"
    plan: Plan
    plan_digest: str
    commit: str
    by: str
    candidate: Slot
    stable: Slot | None
    stable_digest: str | None
    stable_version: str | None
    generation: int
    fence: int
    stable_run: Run | None = None
    stable_smoke: tuple[Request, ...] = ()
    owed: OwedContract | None = None


@dataclass(frozen=True, slots=True)
class DriverClaimed:
    """A driver took the launch over; everything after carries its epoch."""

    kind: ClassVar[str] = "driver-claimed"
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """The launch went into a phase, and why."""

    kind: ClassVar[str] = "phase-entered"
    phase: Phase
    why: str


@dataclass(frozen=True, slots=True)
class CommandIntended:
    """A command is about to be performed; the key is the same for every attempt."""

    kind: ClassVar[str] = "command-intended"
    key: str
    command: Command


@dataclass(frozen=True, slots=True)
class CommandPerformed:
    """The call returned. Whether its effect came about is told by readings."""

    kind: ClassVar[str] = "command-performed"
    key: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """The call raised a fault: refused, unavailable or unknown."""

    kind: ClassVar[str] = "command-failed"
    key: str
    fault: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job was seen to have ended. `result` is its own answer."""

    kind: ClassVar[str] = "job-ended"
    key: str
    phase: JobPhase
    result: Any
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class SlotUp:
    """Every instance of the candidate answers its health path."""

    kind: ClassVar[str] = "slot-up"
    slot: Slot
    instances: int


@dataclass(frozen=True, slots=True)
class StepTaken:
    """The next share of traffic was decided."""

    kind: ClassVar[str] = "step-taken"
    step: int
    share_bp: int


@dataclass(frozen=True, slots=True)
class RouteConfirmed:
    """The router was read back and does what was intended."""

    kind: ClassVar[str] = "route-confirmed"
    text: str


@dataclass(frozen=True, slots=True)
class VerdictReached:
    """A gate was judged. `weighed` holds the evidence that it was judged by; empty for windows alone."""

    kind: ClassVar[str] = "verdict-reached"
    gate: str
    outcome: Outcome
    why: str
    weighed: tuple[Weighed, ...] = ()


@dataclass(frozen=True, slots=True)
class TriggerFired:
    """A limit was broken. `weighed` holds the evidence against it; empty for a limit over a window."""

    kind: ClassVar[str] = "trigger-fired"
    trigger: str
    consequence: Consequence
    why: str
    weighed: tuple[Weighed, ...] = ()


@dataclass(frozen=True, slots=True)
class RouterFellBack:
    """The data plane had left the candidate by itself before the controller decided anything."""

    kind: ClassVar[str] = "router-fell-back"
    distrust: Distrust
    why: str


@dataclass(frozen=True, slots=True)
class Protected:
    """A protective command was performed before it was journalled."""

    kind: ClassVar[str] = "protected"
    what: str
    performed: bool
    why: str


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """The launch goes no further until somebody says so; every protection stays armed."""

    kind: ClassVar[str] = "hold-placed"
    by: str
    why: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class HoldReleased:
    """The launch goes on; its clocks are moved by the length of the hold."""

    kind: ClassVar[str] = "hold-released"
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Slipped:
    """T-0 was moved."""

    kind: ClassVar[str] = "slipped"
    t0_ms: int
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class StepLate:
    """A step of the countdown should have ended at `due_ms`; it is given up at `until_ms`."""

    kind: ClassVar[str] = "step-late"
    step: str
    due_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class OrderTaken:
    """A person's order takes effect in the events that follow."""

    kind: ClassVar[str] = "order-taken"
    key: str
    verb: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """A person's order has no effect, and why."""

    kind: ClassVar[str] = "order-refused"
    key: str
    verb: str
    by: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class ReadingTaken:
    """The candidate's figures at the cadence of the phase.

    `per_s_milli` is requests per 1000 seconds, `error_ppm` and `p95_ms` are None without requests. `classes`
    are those with requests; `database` is None without one, or while it does not answer.
    """

    kind: ClassVar[str] = "reading-taken"
    slot: Slot
    share_bp: int
    requests: int
    per_s_milli: int
    error_ppm: int | None
    p95_ms: int | None
    classes: tuple[ClassFigures, ...] = ()
    database: DatabaseFigures | None = None


@dataclass(frozen=True, slots=True)
class InstanceRestarted:
    """The supervisor had to start instances of the candidate again; `restarts` counts them all."""

    kind: ClassVar[str] = "instance-restarted"
    slot: Slot
    restarts: int


@dataclass(frozen=True, slots=True)
class LossMeasured:
    """What the loss meter found over the whole launch, again once a rollback out of the watch has ended.

    Attributes:
        sent: requests whose fate is known; 0 when nothing was measured.
        lost: got no complete header.
        failed: answered with 500 or above.
        cut: the header came, the body ended early.
        replayed: requests of any client that the router's net sent a second time.
        p99_before_tenths: 99th percentile before traffic moved, tenths of a millisecond, or None.
        p99_after_tenths: the same from then on.
    """

    kind: ClassVar[str] = "loss-measured"
    sent: int
    lost: int
    failed: int
    cut: int
    replayed: int
    p99_before_tenths: int | None
    p99_after_tenths: int | None


@dataclass(frozen=True, slots=True)
class Promoted:
    """The candidate is the stable slot from now on."""

    kind: ClassVar[str] = "promoted"
    slot: Slot


@dataclass(frozen=True, slots=True)
class SlotRetired:
    """The slot has nothing in flight and nothing running."""

    kind: ClassVar[str] = "slot-retired"
    slot: Slot


@dataclass(frozen=True, slots=True)
class LaunchEnded:
    """The last event: promoted, rolled-back, withdrawn or scrubbed."""

    kind: ClassVar[str] = "launch-ended"
    outcome: str
    why: str


Event = (
    LaunchPlanned
    | DriverClaimed
    | PhaseEntered
    | CommandIntended
    | CommandPerformed
    | CommandFailed
    | JobEnded
    | SlotUp
    | TermsFixed
    | EvidenceWeighed
    | StepTaken
    | RouteConfirmed
    | VerdictReached
    | TriggerFired
    | RouterFellBack
    | Protected
    | HoldPlaced
    | HoldReleased
    | Slipped
    | StepLate
    | OrderTaken
    | OrderRefused
    | ReadingTaken
    | NoteTaken
    | InstanceRestarted
    | LossMeasured
    | AlarmEvent
    | ExternalEvent
    | CheckEvent
    | PollEvent
    | Promoted
    | SlotRetired
    | LaunchEnded
)

KINDS: Mapping[str, type[Event]] = {cls.kind: cls for cls in Event.__args__}

VERSIONS: Mapping[str, int] = {**dict.fromkeys(KINDS, 1), **RAISED}
"""Newest shape of each kind."""


class UnknownEventError(ValueError):
    """The journal holds an event this release does not understand; it must not be skipped."""


def encode(event: Event) -> tuple[str, int, Json]:
    """Kind, version and canonical body of an event."""
    body = to_json(event)
    assert isinstance(body, dict)
    del body["kind"]
    return event.kind, VERSIONS[event.kind], body


def decode(kind: str, version: int, body: Json) -> Event:
    """The event that `encode` wrote, older shapes brought up to date.

    Raises:
        UnknownEventError: kind or version is not known here, or the body does not fit.
    """
    if kind not in KINDS or version > VERSIONS[kind]:
        raise UnknownEventError(f"event {kind!r} version {version} is not known to this release")
    for step in range(version, VERSIONS[kind]):
        body = UPCASTERS[kind, step](body)
    try:
        return from_json(KINDS[kind], body)
    except DecodeError as error:
        raise UnknownEventError(f"event {kind!r} version {version}: {error}") from error
