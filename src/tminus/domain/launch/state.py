"""The state of a launch: a fold over its events and nothing else. Must not decide anything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tminus.domain.canonical import digest_of
from tminus.domain.launch import event as ev
from tminus.domain.launch.alarm import AlarmEvent, Alarms, sound
from tminus.domain.launch.command import Command, StopSlot
from tminus.domain.launch.entry import NoteTaken
from tminus.domain.launch.evidence import EvidenceWeighed, TermsFixed
from tminus.domain.launch.external import ExternalEvent, Externals, hear
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobPhase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import FULL_BP, Plan, Run
from tminus.domain.plan.request import Request
from tminus.domain.readiness.checked import CheckEvent, Readiness, checked
from tminus.domain.readiness.poll import Poll, PollEvent, hear_poll

CONTRACT = "contract"
"""The order that runs the contract migration, and the name of its job."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The launch waits for somebody. `expires_ms` is when it stops waiting."""

    by: str
    why: str
    since_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Note:
    """A metric's value that a person entered, in millionths of its unit."""

    metric: str
    value_micro: int
    at_ms: int


MOST_NOTES = 500
"""Newest notes kept: more than people type in a day, and little enough to carry along."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of a command so far.

    `attempts` counts intents; `fault` is empty once it was performed; `refused` will not be retried.
    """

    command: Command
    attempts: int
    last_ms: int
    performed: bool = False
    refused: bool = False
    code: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class LaunchState:
    """Everything a decision may depend on that is not observed afresh.

    Attributes:
        plan: the plan as it was when the launch was entered.
        commit: commit that the tag named then.
        stable: slot that serves when nothing is tried; None on a first launch.
        entered_ms: when the phase was entered, moved forward by holds.
        cutover_ms: when traffic began to move, None before.
        step: index of the shift step, -1 before the first.
        step_ms: when the step was taken, then when its route was confirmed; moved forward by holds.
        confirmed: the intended route was read back from the router.
        tried: the candidate was given traffic under the present generation.
        generation: of the trial, or of the rest that ended it.
        stable_run: how the stable slot is started again.
        stable_smoke: the stable release's own smoke suite.
        owed: contract migration of the stable release that is run before this launch migrates.
        contracts: how often the contract migration was ordered; the point of no return is passed at 1.
        fence_before: highest fencing token of earlier launches of the service.
        artifact: digest of the candidate's artifact once it is built.
        reading_ms: when the last reading was journalled.
        resumed_ms: when the last hold was released; what lacked then has its whole time again.
        late: steps of the countdown that were told to be late for the present T-0.
        orders: keys of orders already taken or refused.
        externals: what an Alertmanager has told.
        alarms: what fires, what is silenced, and when somebody looked.
        notes: metrics' values that people entered, oldest first.
        terms: what the candidate is judged by; None before they are fixed, and without evidence to weigh.
        weighed_ms: when evidence was last journalled.
        readiness: what the checks came to.
        poll: policy, votes, and how the launch was let go.
    """

    plan: Plan
    plan_digest: str
    commit: str
    candidate: Slot
    stable: Slot | None
    stable_digest: str | None
    stable_version: str | None
    generation: int
    fence_before: int
    t0_ms: int | None
    planned_ms: int
    entered_ms: int
    stable_run: Run | None = None
    stable_smoke: tuple[Request, ...] = ()
    owed: ev.OwedContract | None = None
    cutover_ms: int | None = None
    phase: Phase = Phase.COUNTDOWN
    phase_why: str = ""
    epoch: int = 0
    step: int = -1
    step_ms: int = 0
    confirmed: bool = False
    tried: bool = False
    artifact: str | None = None
    slot_up: bool = False
    restarts: int = 0
    retired: bool = False
    promoted: bool = False
    contracts: int = 0
    reading_ms: int = 0
    hold: Hold | None = None
    resumed_ms: int = 0
    outcome: str = ""
    commands: Mapping[str, Attempt] = field(default_factory=dict)
    jobs: Mapping[str, ev.JobEnded] = field(default_factory=dict)
    alerts: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    loss: ev.LossMeasured | None = None
    alarms: Alarms = field(default_factory=Alarms)
    notes: tuple[Note, ...] = ()
    externals: Externals = field(default_factory=Externals)
    terms: TermsFixed | None = None
    weighed_ms: int = 0
    readiness: Readiness = field(default_factory=Readiness)
    poll: Poll = field(default_factory=Poll)

    @property
    def fence(self) -> int:
        """This driver's fencing token: above every earlier driver's, of this launch and of those before."""
        return self.fence_before + self.epoch

    @property
    def steps_bp(self) -> tuple[int, ...]:
        """The plan's steps; a first launch has nobody to share traffic with."""
        return self.plan.shift.steps_bp if self.stable is not None else (FULL_BP,)

    @property
    def watch_began_ms(self) -> int:
        """When traffic began to move, which the watch and its stages are counted from."""
        return self.entered_ms if self.cutover_ms is None else self.cutover_ms

    @property
    def watch_ends_ms(self) -> int:
        """When the watch is over."""
        return self.watch_began_ms + self.plan.watch.for_ms

    @property
    def share_bp(self) -> int:
        """Basis points the candidate should have at the present step."""
        return self.steps_bp[self.step] if self.step >= 0 else 0

    @property
    def ended_well(self) -> bool:
        """The candidate is, or is becoming, the stable slot."""
        return self.promoted and self.phase not in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)

    def intended(self, command_type: type, slot: Slot) -> bool:
        """Whether a command of this type for `slot` was ever intended."""
        return any(
            isinstance(entry.command, command_type) and getattr(entry.command, "slot", None) is slot
            for entry in self.commands.values()
        )

    @property
    def stable_going(self) -> bool:
        """The stable slot was told to stop, or has: going back to it is no longer warm."""
        return self.retired or (self.stable is not None and self.intended(StopSlot, self.stable))


def planned(event: ev.LaunchPlanned, at_ms: int) -> LaunchState:
    """The state after the first event of a launch."""
    return LaunchState(
        plan=event.plan,
        plan_digest=event.plan_digest,
        commit=event.commit,
        candidate=event.candidate,
        stable=event.stable,
        stable_digest=event.stable_digest,
        stable_version=event.stable_version,
        generation=event.generation,
        fence_before=event.fence,
        stable_run=event.stable_run,
        stable_smoke=event.stable_smoke,
        owed=event.owed,
        t0_ms=event.plan.t0_ms,
        # What is adopted cannot be hashed from outside; its addresses name it.
        artifact=digest_of(list(event.plan.adopt)) if event.plan.adopt else None,
        planned_ms=at_ms,
        entered_ms=at_ms,
    )


def evolve(state: LaunchState, event: ev.Event, at_ms: int) -> LaunchState:
    """The state after one more event, decided at `at_ms`."""
    if isinstance(event, AlarmEvent):
        return replace(state, alarms=sound(state.alarms, event, at_ms))
    if isinstance(event, CheckEvent):
        return replace(state, readiness=checked(state.readiness, event, at_ms))
    if isinstance(event, PollEvent):
        return replace(state, poll=hear_poll(state.poll, event, at_ms))
    if isinstance(event, ExternalEvent):
        externals = hear(state.externals, event, at_ms)
        return replace(state, externals=externals, orders=state.orders | {event.key})
    return _evolve(state, event, at_ms)


def _evolve(  # noqa: C901 - one line per kind of event
    state: LaunchState, event: ev.Event, at_ms: int
) -> LaunchState:
    match event:
        case ev.PhaseEntered():
            return _enter(state, event, at_ms)
        case ev.CommandIntended():
            return _intend(state, event, at_ms)
        case ev.CommandPerformed():
            return _with_attempt(state, event.key, performed=True, code="", why="")
        case ev.CommandFailed():
            return _with_attempt(
                state, event.key, refused=event.fault == "refused", code=event.code, why=event.why
            )
        case ev.JobEnded():
            return _end_job(state, event)
        case ev.StepTaken():
            generation = state.generation + 1 if event.step == 0 else state.generation
            return replace(state, step=event.step, step_ms=at_ms, confirmed=False, generation=generation)
        case ev.RouteConfirmed():
            return replace(state, confirmed=True, tried=True, step_ms=at_ms)
        case ev.HoldPlaced():
            return replace(state, hold=Hold(event.by, event.why, at_ms, event.expires_ms))
        case ev.HoldReleased():
            return _release(state, at_ms)
        case ev.OrderTaken():
            contracts = state.contracts + (event.verb == CONTRACT)
            return replace(state, orders=state.orders | {event.key}, contracts=contracts)
        case ev.OrderRefused():
            return replace(state, orders=state.orders | {event.key})
        case _:
            return _note(state, event, at_ms)


def _note(  # noqa: C901, PLR0912 - one line per kind of event
    state: LaunchState, event: ev.Event, at_ms: int
) -> LaunchState:
    match event:
        case ev.DriverClaimed():
            # What the driver before knew of the Alertmanager is not known of now.
            return replace(state, epoch=event.epoch, externals=replace(state.externals, answers=None))
        case ev.SlotUp():
            return replace(state, slot_up=True)
        case ev.Slipped():
            return replace(state, t0_ms=event.t0_ms, late=frozenset())
        case ev.StepLate():
            return replace(state, late=state.late | {event.step})
        case ev.TriggerFired():
            return replace(state, alerts=state.alerts | {event.trigger})
        case ev.ReadingTaken():
            return replace(state, reading_ms=at_ms)
        case NoteTaken():
            note = Note(event.metric, event.value_micro, at_ms)
            return replace(state, notes=(*state.notes, note)[-MOST_NOTES:])
        case TermsFixed():
            return replace(state, terms=event)
        case EvidenceWeighed():
            return replace(state, weighed_ms=at_ms)
        case ev.InstanceRestarted():
            return replace(state, restarts=event.restarts)
        case ev.LossMeasured():
            return replace(state, loss=event)
        case ev.Promoted():
            return replace(state, promoted=True)
        case ev.SlotRetired():
            return replace(state, retired=True)
        case ev.LaunchEnded():
            return replace(state, outcome=event.outcome)
        case ev.VerdictReached() | ev.RouterFellBack() | ev.Protected():
            return state
        case _:
            raise ev.UnknownEventError(f"event {event.kind!r} cannot be folded here")


def fold(entries: Iterable[tuple[ev.Event, int]], start: LaunchState | None = None) -> LaunchState:
    """The state after all (event, at_ms) entries, from `start` or from the first event.

    Raises:
        UnknownEventError: the first event of a launch is not `launch-planned`.
    """
    state = start
    for event, at_ms in entries:
        if state is not None:
            state = evolve(state, event, at_ms)
        elif isinstance(event, ev.LaunchPlanned):
            state = planned(event, at_ms)
        else:
            raise ev.UnknownEventError(f"a launch begins with launch-planned, not {event.kind!r}")
    if state is None:
        raise ev.UnknownEventError("a launch without events has no state")
    return state


def _enter(state: LaunchState, event: ev.PhaseEntered, at_ms: int) -> LaunchState:
    ending = event.phase in (Phase.ROLLING_BACK, Phase.SCRUBBING)
    return replace(
        state,
        phase=event.phase,
        phase_why=event.why,
        entered_ms=at_ms,
        cutover_ms=at_ms if event.phase is Phase.CUTOVER else state.cutover_ms,
        # The rest that ends a trial has a generation of its own, so that whatever a stale controller
        # still writes for the trial is recognisably older.
        generation=state.generation + 1 if event.phase is Phase.ROLLING_BACK else state.generation,
        confirmed=False if ending or event.phase in (Phase.BAKING, Phase.PROMOTING) else state.confirmed,
        hold=None if ending else state.hold,
        reading_ms=at_ms,
        # A rollback out of the watch is measured too; the figure then covers both.
        loss=None if event.phase is Phase.ROLLING_BACK else state.loss,
    )


def _intend(state: LaunchState, event: ev.CommandIntended, at_ms: int) -> LaunchState:
    before = state.commands.get(event.key)
    attempt = Attempt(event.command, 1 if before is None else before.attempts + 1, at_ms)
    return replace(state, commands={**state.commands, event.key: attempt})


def _with_attempt(state: LaunchState, key: str, **changes: object) -> LaunchState:
    before = state.commands.get(key)
    if before is None:
        raise ev.UnknownEventError(f"command {key!r} has an outcome but was never intended")
    after = replace(before, **changes)  # type: ignore[arg-type]  # named fields of Attempt, see the callers
    return replace(state, commands={**state.commands, key: after})


def _end_job(state: LaunchState, event: ev.JobEnded) -> LaunchState:
    artifact = state.artifact
    if event.key == "build" and event.phase is JobPhase.DONE:
        artifact = event.result.get("digest") if isinstance(event.result, dict) else None
        if not isinstance(artifact, str):
            raise ev.UnknownEventError("a build that is done names no artifact")
    return replace(state, jobs={**state.jobs, event.key: event}, artifact=artifact)


def _release(state: LaunchState, at_ms: int) -> LaunchState:
    if state.hold is None:
        return state
    held_ms = at_ms - state.hold.since_ms
    # Somebody has seen to it: what failed is tried afresh, or the launch would only be held again.
    commands = {
        key: replace(entry, attempts=1, refused=False, code="", why="") if entry.code else entry
        for key, entry in state.commands.items()
    }
    return replace(
        state,
        hold=None,
        resumed_ms=at_ms,
        entered_ms=state.entered_ms + held_ms,
        step_ms=state.step_ms + held_ms,
        commands=commands,
    )
