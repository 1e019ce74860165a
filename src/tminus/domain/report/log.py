"""The launch log: events told as a person would, phase by phase. Must not read a journal or a clock."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from tminus.domain.launch import event as ev
from tminus.domain.launch.alarm import AlarmEvent
from tminus.domain.launch.entry import NOTE, NoteTaken
from tminus.domain.launch.evidence import EvidenceWeighed, TermsFixed
from tminus.domain.launch.external import TOLD_ALERT, TOLD_SOURCE, ExternalEvent
from tminus.domain.launch.phase import BEFORE_TRAFFIC, Phase
from tminus.domain.launch.state import LaunchState, evolve, planned
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.times import format_duration, format_utc, format_utc_clock
from tminus.domain.readiness.check_order import ATTEST, NOT_APPLICABLE, WAIVE
from tminus.domain.readiness.checked import CheckEvent
from tminus.domain.readiness.poll import PollEvent
from tminus.domain.readiness.signing import CLOSE_CONDITION, POLICY, VOTE
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.alarm_lines import alarm_lines, external_lines
from tminus.domain.report.check_lines import check_lines
from tminus.domain.report.deeds import Deeds
from tminus.domain.report.evidence_lines import evidence_lines
from tminus.domain.report.figures import aside_texts, judge_reading, loss_of_event, reading_text
from tminus.domain.report.forecast import forecast, forecast_text
from tminus.domain.report.log_line import Edge, LogLine, Mark, Renderer, render, seconds, to_json
from tminus.domain.report.poll_lines import poll_lines
from tminus.domain.report.said import Said
from tminus.domain.watch.measured import amount

__all__ = ["Edge", "LogLine", "Mark", "Narrator", "Renderer", "log_lines", "render", "seconds", "to_json"]

_REASONS = re.compile(r"; (?!too few|evidence |by luck )")  # where one limit's sentence ends
_SHORT_DIGEST = 19  # `sha256:` and twelve digits


def log_lines(entries: Iterable[tuple[ev.Event, int, int]]) -> Iterator[LogLine]:
    """The lines of a launch from its (event, at_ms, seq) entries, the first event first.

    Raises:
        UnknownEventError: the entries do not begin with `launch-planned`.
    """
    narrator = Narrator()
    for event, at_ms, seq in entries:
        yield from narrator.tell(event, at_ms, seq)


class Narrator:
    """Tells a launch event by event, and remembers what a later line refers back to.

    A step is told when its effect is known, with the time since its intent; attempts at the same step
    are one line.
    """

    def __init__(self) -> None:
        self._state: LaunchState | None = None
        self._deeds = Deeds()
        self._owner = ""
        self._step_ms: int | None = None
        self._danger_ms: int | None = None
        self._reading: ev.ReadingTaken | None = None
        self._protected = ""

    @property
    def state(self) -> LaunchState | None:
        """The launch as far as it was told."""
        return self._state

    @property
    def owner(self) -> str:
        """Who drives it, as far as it was told."""
        return self._owner

    def tell(self, event: ev.Event, at_ms: int, seq: int) -> tuple[LogLine, ...]:
        """The lines that one more event adds, mostly none or one.

        Raises:
            UnknownEventError: the first event is not `launch-planned`.
        """
        if isinstance(event, ev.LaunchPlanned):
            self._state = planned(event, at_ms)
            said = list(_begin(event))
        elif self._state is None:
            raise ev.UnknownEventError(f"a launch begins with launch-planned, not {event.kind!r}")
        else:
            before, self._state = self._state, evolve(self._state, event, at_ms)
            if isinstance(event, AlarmEvent):
                said = list(alarm_lines(before, event, at_ms))
            elif isinstance(event, ExternalEvent):
                said = list(external_lines(event))
            elif isinstance(event, CheckEvent):
                said = list(check_lines(before, event))
            elif isinstance(event, PollEvent):
                said = list(poll_lines(before, event))
            elif isinstance(event, TermsFixed | EvidenceWeighed):
                said = list(evidence_lines(event))
            else:
                said = [*self._deeds.tell(before, event, at_ms), *self._say(before, event, at_ms)]
        return tuple(
            LogLine(at_ms, each.depth, each.mark, each.text, each.duration_ms, seq, each.edge)
            for each in said
        )

    def _say(  # noqa: C901, PLR0912 - one line per kind of event
        self, state: LaunchState, event: ev.Event, at_ms: int
    ) -> Iterator[Said]:
        match event:
            case ev.DriverClaimed():
                yield from self._claimed(event)
            case ev.PhaseEntered():
                yield from self._entered(state, event, at_ms)
            case ev.StepTaken():
                self._step_ms = at_ms
            case ev.RouteConfirmed():
                yield from self._routed(state, event, at_ms)
            case ev.VerdictReached():
                yield from _judged(event)
            case ev.ReadingTaken():
                yield self._read(state, event)
                yield from (Said(2, Mark.NONE, text) for text in aside_texts(event))
            case ev.TriggerFired() | ev.RouterFellBack():
                yield from self._endangered(event, at_ms)
            case ev.Protected():
                yield from self._protect(event)
            case ev.HoldPlaced():
                yield _held(state, event)
            case ev.HoldReleased():
                self._danger_ms = None  # what was held over is past; a later rollback has its own cause
                yield _resumed(state, event, at_ms)
            case ev.StepLate():
                yield _late(event)
            case ev.OrderTaken() | ev.OrderRefused() | ev.Slipped():
                yield from _ordered(state, event)
                yield from self._foresee(at_ms, event.t0_ms if isinstance(event, ev.Slipped) else None)
            case _:
                yield from _noted(state, event)

    def _claimed(self, event: ev.DriverClaimed) -> Iterator[Said]:
        if self._owner:
            whom = "again" if event.owner == self._owner else f"from {self._owner}"
            yield Said(1, Mark.NOTE, f"{event.owner} took the launch over {whom} (driver {event.epoch})")
        self._owner = event.owner

    def _entered(self, state: LaunchState, event: ev.PhaseEntered, at_ms: int) -> Iterator[Said]:
        self._step_ms = at_ms
        self._protected = ""
        if event.phase is Phase.ROLLING_BACK:
            self._danger_ms = self._danger_ms or at_ms
            what = "WITHDRAWING" if state.stable is None else f"ROLLBACK to {state.stable.value}"
            yield Said(0, Mark.FAIL, f"{what}: {event.why}")
        elif event.phase is Phase.SCRUBBING:
            yield Said(0, Mark.FAIL, f"SCRUB: {event.why}")
        elif event.phase is Phase.CLOSED:
            yield Said(1, Mark.NONE, f"The watch is over after {seconds(at_ms - state.entered_ms)}")
        elif event.phase in _HEADLINES:
            yield Said(0, Mark.NONE, _HEADLINES[event.phase](state))
            if event.phase is Phase.BAKING:
                yield Said(1, Mark.OK, f"Deployed: {state.plan.version} has all traffic and is verified")
            yield from self._foresee(at_ms, at_ms if event.phase is Phase.STAGING else None)

    def _foresee(self, at_ms: int, t0_ms: int | None) -> Iterator[Said]:
        """The forecast where it has just changed: at T-0, and when T-0 was moved."""
        found = None if self._state is None or t0_ms is None else forecast(self._state, at_ms, t0_ms)
        if found is not None:
            mark = Mark.FAIL if found.late_ms is not None and found.late_ms > 0 else Mark.NONE
            yield Said(1, mark, f"Forecast: {forecast_text(found)}")

    def _routed(self, state: LaunchState, event: ev.RouteConfirmed, at_ms: int) -> Iterator[Said]:
        begun_ms = at_ms if self._step_ms is None else self._step_ms
        waited_ms = (at_ms - begun_ms) or None
        if state.phase is Phase.ROLLING_BACK:
            danger_ms = begun_ms if self._danger_ms is None else self._danger_ms
            back = "taken away" if state.stable is None else "back"
            text = f"Traffic: {event.text} ... {back}, from trigger to confirmed"
            yield Said(1, Mark.OK, text, at_ms - danger_ms)
        elif state.phase is Phase.CUTOVER:
            yield Said(1, Mark.OK, f"Traffic: {event.text} ... confirmed", waited_ms)
        elif state.phase is Phase.PROMOTING:
            yield Said(1, Mark.OK, f"Commit route: {event.text} ... confirmed", waited_ms)
        else:
            lease = format_duration(state.plan.lease.bake_ms)
            kept = "" if state.stable is None else f", falls back after {lease} without control"
            yield Said(1, Mark.OK, f"Route: {event.text}{kept} ... confirmed", waited_ms)

    def _read(self, state: LaunchState, event: ev.ReadingTaken) -> Said:
        limits = tuple(trigger.limit for trigger in state.plan.triggers)
        if state.phase is Phase.VERIFYING:
            limits = state.plan.targets
        outcome = judge_reading(event, limits)
        text, self._reading = reading_text(event, self._reading), event
        if outcome is Outcome.PASS:
            return Said(1, Mark.OK, f"{text}, acceptable")
        if outcome is Outcome.FAIL:
            return Said(1, Mark.FAIL, f"{text}, beyond the limit")
        return Said(1, Mark.NOTE, f"{text} (too few requests to judge)" if event.requests else text)

    def _endangered(self, event: ev.TriggerFired | ev.RouterFellBack, at_ms: int) -> Iterator[Said]:
        if isinstance(event, ev.RouterFellBack):
            self._danger_ms = at_ms
            yield Said(1, Mark.FAIL, f"The router acted first: {event.why}")
            return
        if event.consequence is Consequence.ROLLBACK and self._danger_ms is None:
            self._danger_ms = at_ms
        mark = Mark.HOLD if event.consequence is Consequence.HOLD else Mark.FAIL
        what = "ALERT" if event.consequence is Consequence.ALERT else "TRIGGER"
        yield Said(1, mark, f"{what} {event.trigger} ({event.consequence.value}): {event.why}")

    def _protect(self, event: ev.Protected) -> Iterator[Said]:
        if event.performed or event.why == self._protected:
            return
        self._protected = event.why
        yield Said(1, Mark.FAIL, f"{_capital(event.what)} ... failed, trying again: {event.why}")


def _begin(event: ev.LaunchPlanned) -> Iterator[Said]:
    plan = event.plan
    text = f"Launch of {plan.service} {plan.version} in {plan.environment}, by {event.by}"
    yield Said(0, Mark.NONE, text, edge=Edge.FIRST)
    digest, commit = event.plan_digest[:_SHORT_DIGEST], event.commit[:12]
    what = f"{plan.source.tag} at commit {commit}"
    if plan.adopt:
        what = f"taking over what runs at {', '.join(plan.adopt)}: nothing is built, started or stopped"
    yield Said(1, Mark.NONE, f"Plan {digest}, {what}")
    if event.stable is None:
        yield Said(
            1, Mark.NONE, f"First launch: nothing serves yet, {event.candidate.value} is the candidate"
        )
    else:
        serving = f"{event.stable.value} serves {event.stable_version or 'an unknown version'}"
        yield Said(1, Mark.NONE, f"{_capital(serving)}, {event.candidate.value} is the candidate")
    when = "as soon as it is ready" if plan.t0_ms is None else f"T-0 at {format_utc(plan.t0_ms)}"
    yield Said(0, Mark.NONE, f"Countdown: {when}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _switch(state: LaunchState) -> str:
    stable = "" if state.stable is None else f"{state.stable.value} (stable) "
    return f"Switch traffic: {stable}→ {state.candidate.value} (candidate)"


def _bake(state: LaunchState) -> str:
    length = format_duration(state.plan.bake.for_ms)
    if state.stable is None:
        return f"Bake for {length}"
    return f"Bake for {length}: {state.stable.value} still runs, for rollback"


_HEADLINES: Mapping[Phase, Callable[[LaunchState], str]] = {
    Phase.POLL: lambda _: "Go/no-go poll",
    Phase.STAGING: lambda state: f"Deploy to {state.candidate.value}",
    Phase.CUTOVER: _switch,
    Phase.VERIFYING: lambda state: f"Verify live traffic for {format_duration(state.plan.verify.for_ms)}",
    Phase.BAKING: _bake,
    Phase.PROMOTING: lambda state: f"Promote {state.candidate.value}",
    Phase.WATCHING: lambda state: (
        f"Post-deployment monitoring until T+{format_duration(state.plan.watch.for_ms)}"
    ),
}


def _judged(event: ev.VerdictReached) -> Iterator[Said]:
    mark = {Outcome.PASS: Mark.OK, Outcome.FAIL: Mark.FAIL, Outcome.INCONCLUSIVE: Mark.NOTE}[event.outcome]
    yield Said(1, mark, f"Verdict on {event.gate}: {event.outcome.value}")
    for reason in _REASONS.split(event.why):
        yield Said(2, Mark.NONE, reason)


def _held(state: LaunchState, event: ev.HoldPlaced) -> Said:
    ends = "scrub" if state.phase in BEFORE_TRAFFIC else "rollback"
    then = "released" if state.phase is Phase.WATCHING else ends
    until = format_utc_clock(event.expires_ms)
    return Said(1, Mark.HOLD, f"HOLD by {event.by}: {event.why} (until {until}, then {then})")


def _resumed(state: LaunchState, event: ev.HoldReleased, at_ms: int) -> Said:
    because = f": {event.why}" if event.why else ""
    waited_ms = 0 if state.hold is None else at_ms - state.hold.since_ms
    return Said(1, Mark.NOTE, f"RESUMED by {event.by} after {seconds(waited_ms)}{because}")


def _late(event: ev.StepLate) -> Said:
    due, until = format_utc(event.due_ms), format_utc(event.until_ms)
    return Said(1, Mark.FAIL, f"LATE: {event.step}, due by {due}; done or given up by {until}")


def _ordered(state: LaunchState, event: ev.OrderTaken | ev.OrderRefused | ev.Slipped) -> Iterator[Said]:
    because = f": {event.why}" if event.why else ""
    if isinstance(event, ev.Slipped):
        yield Said(1, Mark.NOTE, f"T-0 slipped to {format_utc(event.t0_ms)} by {event.by}{because}")
    elif isinstance(event, ev.OrderRefused):
        text = f"Order {event.verb} by {event.by} refused{because} [{event.code}]"
        yield Said(1, Mark.NOTE, text)
    elif event.verb == "hold" and state.hold is not None:
        yield Said(1, Mark.NOTE, f"Order hold by {event.by}{because} (already held)")
    elif event.verb not in _SAID_ELSEWHERE:  # the event that follows these says the same
        yield Said(1, Mark.NOTE, f"Order {event.verb} by {event.by}{because}")


def _entered_by_hand(state: LaunchState, event: NoteTaken) -> Said:
    metric = state.plan.metric(event.metric)
    value = amount(event.value_micro, "" if metric is None else metric.unit)
    because = f": {event.text}" if event.text else ""
    return Said(1, Mark.NOTE, f"Noted by {event.by}: {event.metric} {value}{because}")


def _noted(state: LaunchState, event: ev.Event) -> Iterator[Said]:
    match event:
        case NoteTaken():
            yield _entered_by_hand(state, event)
        case ev.InstanceRestarted():
            who = "Instances or workers" if state.plan.run.workers else "Instances"
            text = f"{who} of {event.slot.value} died and were started again, {event.restarts} in all"
            yield Said(1, Mark.NOTE, text)
        case ev.LossMeasured(sent=0):
            yield Said(1, Mark.NOTE, "Loss not measured")
        case ev.LossMeasured():
            loss = loss_of_event(event)
            mark = Mark.FAIL if loss.count.not_served else Mark.OK
            yield Said(1, mark, f"Loss meter: {loss.text()}")
        case ev.Promoted():
            yield Said(1, Mark.OK, f"{_capital(event.slot.value)} is the stable slot now")
        case ev.LaunchEnded():
            mark, text = _BANNERS.get(event.outcome, (Mark.NONE, event.outcome.upper()))
            yield Said(0, mark, text.format(why=event.why), edge=Edge.LAST)


_SAID_ELSEWHERE = frozenset(
    {"hold", "resume", "slip", "silence", "acknowledge", "look", NOTE, TOLD_ALERT, TOLD_SOURCE}
    | {ATTEST, WAIVE, NOT_APPLICABLE}
    | {VOTE, CLOSE_CONDITION, POLICY}
)

_BANNERS = {
    "promoted": (Mark.OK, "✓✓✓ DEPLOYMENT SUCCESSFUL ✓✓✓ {why}"),
    "rolled-back": (Mark.FAIL, "ROLLED BACK: {why}"),
    "withdrawn": (Mark.FAIL, "WITHDRAWN: {why}"),
    "scrubbed": (Mark.FAIL, "SCRUBBED: {why}"),
}
