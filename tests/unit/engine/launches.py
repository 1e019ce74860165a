"""Builds a state and what is observed in it, each in one line; what a test does not name is calm and well."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tminus.domain.launch import event as ev
from tminus.domain.launch.command import Command, StartJob
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.reading import (
    FaultReading,
    InstanceReading,
    JobPhase,
    JobReading,
    RouterReading,
    SlotReading,
)
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import Attempt, Hold, LaunchState
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import Plan, Run, Source, handbook_triggers
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.step import Observation, Step
from tminus.ports.journal import Order

NOW_MS = 1_700_000_000_000
ENTERED_MS = NOW_MS - 1_000
STABLE, CANDIDATE = Slot.BLUE, Slot.GREEN
OLD, NEW = "sha256:old", "sha256:new"
OLD_RUN = Run(("serve-old",), instances=3)
INSTANCES = 3
EPOCH = 2
GENERATION = 4  # of the launches before
HOSTING = "sha256:hosting"

PASS = Verdict("limits", Outcome.PASS, "all is well")
FAIL = Verdict("limits", Outcome.FAIL, "all is lost")
UNSURE = Verdict("limits", Outcome.INCONCLUSIVE, "too few to judge")

RUNNING, DONE, FAILED, LOST = JobPhase.RUNNING, JobPhase.DONE, JobPhase.FAILED, JobPhase.LOST
SMOKE_PASSED = ev.JobEnded("smoke", DONE, {"passed": True, "targets": []}, "", "")
WALKED = ev.JobEnded("critical-paths", DONE, {"passed": True, "targets": []}, "", "")
COUNTED = {
    "build": ev.JobEnded("build", DONE, {"digest": NEW}, "", ""),
    "verify-artifact": ev.JobEnded("verify-artifact", DONE, {"digest": NEW}, "", ""),
    "resources": ev.JobEnded("resources", DONE, {"passed": True, "answers": []}, "", ""),
}
"""What has ended when a countdown without a database awaits T-0."""
UNMEASURED = ev.LossMeasured(0, 0, 0, 0, 0, None, None)
METER_RUNS = {"meter": JobReading("meter", RUNNING)}
NO_ANSWER = FaultReading("source", "timeout", "no answer within a second")


def a_plan(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan, of several types
    values: dict[str, Any] = {
        "service": "shop",
        "version": "2.0.0",
        "source": Source(".", "v2.0.0"),
        "run": Run(("serve",), instances=INSTANCES),
        "triggers": tuple(replace(trigger, weighed=False) for trigger in handbook_triggers()),
    }
    return Plan(**{**values, **changes})


def launch(phase: Phase, *, first: bool = False, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A launch that came into `phase` a second ago in the usual way; `first` has no stable slot."""
    begun = phase in TRIAL | {Phase.WATCHING, Phase.CLOSED, Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    returning = phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    plan = changes.get("plan", a_plan())
    last = 0 if phase is Phase.CUTOVER or first else len(plan.shift.steps_bp) - 1
    state = LaunchState(
        plan=plan,
        plan_digest="sha256:plan",
        commit="c0ffee",
        candidate=CANDIDATE,
        stable=None if first else STABLE,
        stable_digest=None if first else OLD,
        stable_version=None if first else "1.0.0",
        stable_run=None if first else OLD_RUN,
        generation=GENERATION + begun + returning,
        fence_before=10,
        t0_ms=plan.t0_ms,
        planned_ms=ENTERED_MS,
        entered_ms=ENTERED_MS,
        cutover_ms=ENTERED_MS if begun else None,
        phase=phase,
        epoch=EPOCH,
        step=last if begun else -1,
        step_ms=ENTERED_MS if begun else 0,
        confirmed=begun and not returning,
        tried=begun,
        artifact=None if phase is Phase.COUNTDOWN else NEW,
        slot_up=begun,
        promoted=phase in (Phase.WATCHING, Phase.CLOSED),
        reading_ms=ENTERED_MS,
        jobs={"smoke": SMOKE_PASSED} if begun else {},
    )
    return replace(state, **changes)


def route_of(state: LaunchState) -> Route:
    """The route that fits the phase: a trial, the rest after it, or the rest before it."""
    own: dict[str, Any] = {"generation": state.generation, "epoch": state.fence}
    if state.phase in (Phase.WATCHING, Phase.CLOSED):
        return Route(state.candidate, **own)
    if state.phase is Phase.ROLLING_BACK:
        own["generation"] -= 1
    if state.phase in TRIAL | {Phase.ROLLING_BACK}:
        if state.stable is None:
            return Route(state.candidate, **own)
        patient = state.phase in (Phase.BAKING, Phase.PROMOTING)
        watch = Watch.PATIENT if patient else Watch.SHORT
        return Route(state.stable, state.candidate, state.share_bp, watch, **own)
    return Route(state.stable, **own)


def a_slot(slot: Slot, digest: str, *, healthy: int = INSTANCES, restarts: int = 0) -> SlotReading:
    """A slot of `INSTANCES`, the first `healthy` of them well."""
    instances = tuple(
        InstanceReading(
            f"{slot.value}-{n}", f"127.0.0.1:{9_000 + n}", True, n < healthy, restarts if n == 0 else 0
        )
        for n in range(INSTANCES)
    )
    return SlotReading(slot, digest, INSTANCES, instances)


def a_router(state: LaunchState, **changes: Any) -> RouterReading:  # noqa: ANN401 - fields of RouterReading
    """The router that fits the state, with nothing in flight."""
    route = route_of(state)
    admitted = {slot for slot in (state.stable,) if slot is not None and not state.retired}
    if state.phase not in BEFORE_TRAFFIC | TERMINAL | {Phase.SCRUBBING}:
        admitted.add(state.candidate)
    reading = RouterReading(
        route=route,
        committed=route if route.candidate is None else Route(state.stable, generation=GENERATION, epoch=1),
        up={slot: INSTANCES if slot in admitted else 0 for slot in Slot},
        in_flight=dict.fromkeys(Slot, 0),
        admitted=frozenset(admitted),
        hosting=HOSTING,
    )
    return replace(reading, **changes)


def slots_of(state: LaunchState) -> dict[Slot, SlotReading]:
    """Both slots as they are in the phase."""
    found = {slot: SlotReading(slot) for slot in Slot}
    if state.stable is not None and not state.retired:
        found[state.stable] = a_slot(state.stable, OLD)
    if state.phase not in {Phase.COUNTDOWN, Phase.ROLLED_BACK, Phase.SCRUBBED}:
        found[state.candidate] = a_slot(state.candidate, NEW)
    return found


def seen(state: LaunchState, **changes: Any) -> Observation:  # noqa: ANN401 - fields of Observation
    """What a driver sees in the phase when all is well; nothing is judged yet."""
    begun = state.phase in TRIAL | ENDING | {Phase.WATCHING}
    observation = Observation(
        now_ms=NOW_MS,
        router=a_router(state),
        slots=slots_of(state),
        jobs=METER_RUNS if begun else {},
        hosting=HOSTING if state.phase is Phase.STAGING else None,
    )
    return replace(observation, **changes)


def step(state: LaunchState, **changes: Any) -> Step:  # noqa: ANN401 - fields of Observation
    """What is decided in that state when it is seen so."""
    return decide(state, seen(state, **changes))


def safe(verdict: Verdict) -> Judged:
    return Judged(safe=verdict)


def on_target(verdict: Verdict) -> Judged:
    return Judged(safe=PASS, on_target=verdict)


def fired(consequence: Consequence) -> Judged:
    return Judged(fired=(Fired("error rate", consequence, "5 of 10 failed"),))


def order(verb: str, *, key: str = "o1", reason: str = "because", argument: str = "") -> Order:
    return Order(key, verb, "ann", reason, NOW_MS, argument)


def held(*, expires_ms: int = NOW_MS + 1_000, by: str = "ann") -> Hold:
    return Hold(by, "lunch", NOW_MS - 500, expires_ms)


def sent(command: Command, **changes: Any) -> Attempt:  # noqa: ANN401 - fields of Attempt
    """A command that was performed once, just now."""
    return replace(Attempt(command, 1, NOW_MS, performed=True), **changes)


def started(key: str) -> Mapping[str, Attempt]:
    """The commands of a launch that has started this job."""
    return {f"staging:start-job:{key}": sent(StartJob(key, key, {}, 1))}


def phases(decided: Step) -> list[Phase]:
    """Phases entered, in order."""
    return [event.phase for event in decided.events if isinstance(event, ev.PhaseEntered)]


def why(decided: Step) -> str:
    """The reason of the last phase that was entered."""
    return [event.why for event in decided.events if isinstance(event, ev.PhaseEntered)][-1]


def commands(decided: Step) -> list[Command]:
    return [entry.command for entry in decided.commands]


def jobs_started(decided: Step) -> list[str]:
    """Keys of the jobs that are started now."""
    return [command.key for command in commands(decided) if isinstance(command, StartJob)]


def only(decided: Step) -> Command:
    """The one command."""
    [entry] = decided.commands
    return entry.command


def kinds(decided: Step) -> list[str]:
    """Kinds of the events, in order."""
    return [event.kind for event in decided.events]


FULL = FULL_BP
