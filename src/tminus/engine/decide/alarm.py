"""What is told to people beside the launch's own decisions: alerts, the stages of the watch, missed looks.

It comes after the launch has decided, sees what that led to, and changes nothing of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tminus.domain.launch.alarm import (
    AlertFired,
    AlertResolved,
    Cause,
    LookMissed,
    SilenceEnded,
    StageEntered,
)
from tminus.domain.launch.evidence import Weighed
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import MISSED_LOOK, ON_CALL, AlertRule, Severity, implied_alerts
from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.plan.stage import stage_hours
from tminus.domain.plan.times import format_duration, format_utc_clock
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.alerting import Course, Finding, Sight, alarms_of, follow
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.judge import STALE_MS, judge_total_failure
from tminus.domain.watch.measured import Watched
from tminus.engine.decide.anomaly import anomaly_findings, end_anomalies
from tminus.engine.decide.external import external_findings
from tminus.engine.decide.launch.turn import Turn
from tminus.engine.decide.step import Step
from tminus.engine.decide.watch import Evidence, verdict_on

COUNTED = frozenset({Metric.ERROR_RATE, Metric.LATENCY_P95})
"""What the router counts per slot; everything else is about the service as a whole."""

ESCALATION = (Severity.WARNING, Severity.HIGH, Severity.CRITICAL)
"""How bad the first, the second and every further look is that was missed in a row."""


def watch_over(step: Step, seen: Turn, evidence: Evidence, courses: Mapping[str, Course]) -> Step:
    """The step with what people are told, and the courses of the rules after this tick.

    Args:
        step: what the launch has decided.
        seen: a turn over the state that this led to.
        evidence: of this tick.
        courses: as the last tick left them.
    """
    if not seen.observation.journal_open:
        return replace(step, courses=courses)  # it fires as soon as somebody could read of it
    if seen.state.phase in TERMINAL:
        return replace(step, courses={})  # the end of a launch is its last event
    _end_silences(seen)
    after: dict[str, Course] = {}
    if is_watched(seen.state):
        _enter_stages(seen)
        end_anomalies(seen)
        found_now = findings(seen.state, evidence, seen.now_ms)
        elsewhere = external_findings(seen.state)
        for found in (*found_now, *elsewhere, *anomaly_findings(seen.state, seen.observation)):
            course = follow(courses.get(found.key), found.sight, seen.now_ms)
            after[found.key] = course
            for event in alarms_of(found, course, seen.state.alarms):
                seen.record(event)
    return replace(step, events=(*step.events, *seen.events), state=seen.state, courses=after)


def is_watched(state: LaunchState) -> bool:
    """Whether the candidate has, or is being given, traffic that people are responsible for."""
    return state.phase in TRIAL or state.phase is Phase.WATCHING


def rules_in_force(state: LaunchState) -> tuple[AlertRule, ...]:
    """The plan's rules; once nothing can roll back by itself, also what its triggers look at."""
    alerts = state.plan.alerts
    if state.phase is not Phase.WATCHING:
        return alerts
    return (*alerts, *implied_alerts(state.plan.triggers, alerts))


def findings(state: LaunchState, evidence: Evidence, now_ms: int) -> Iterator[Finding]:
    """Every rule in force beside what is seen of it, once per slot that it is about."""
    for rule in rules_in_force(state):
        for slot in _subjects(state, rule.limit):
            verdict = verdict_on(state, rule.limit, slot, now_ms, evidence)
            sight = _sight(state, rule.limit, verdict, evidence, now_ms)
            subject = slot.value if rule.limit.metric in COUNTED else ""
            yield Finding(rule, subject, sight, verdict.why)
    if state.phase is Phase.WATCHING:
        yield from _total_failures(state, evidence.samples, now_ms)
        yield from weighed_findings(state, evidence.weighed)


def _subjects(state: LaunchState, limit: Limit) -> Iterator[Slot]:
    yield state.candidate
    shares = state.phase in TRIAL and state.share_bp < FULL_BP
    if limit.metric in COUNTED and state.stable is not None and shares:
        yield state.stable


def _sight(state: LaunchState, limit: Limit, verdict: Verdict, evidence: Evidence, now_ms: int) -> Sight:
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        return Sight.BROKEN if verdict.outcome is Outcome.FAIL else Sight.KEPT
    if limit.metric in COUNTED:
        return Sight.MISSING if _is_stale(evidence.samples, now_ms) else Sight.QUIET
    if limit.metric is Metric.QUESTION:
        answers = evidence.answers.get(limit.question, ())
        return Sight.QUIET if answers and now_ms - answers[-1].at_ms <= STALE_MS else Sight.MISSING
    metric = state.plan.metric(limit.measured)
    if metric is None:
        return Sight.MISSING
    found = evidence.measurements.get(metric.name, ())
    return Sight.QUIET if Watched(metric, found, now_ms).is_fresh else Sight.MISSING


def _is_stale(samples: Sequence[Sample], now_ms: int) -> bool:
    return not samples or now_ms - samples[-1].at_ms > STALE_MS


def _total_failures(state: LaunchState, samples: Sequence[Sample], now_ms: int) -> Iterator[Finding]:
    """In a trial these roll back; afterwards they page."""
    for name in (ALL_CLASSES, *(route_class.name for route_class in state.plan.route_classes)):
        rule = total_failure_rule(name)
        if _is_stale(samples, now_ms):
            sight, why = Sight.QUIET, "no fresh counters"  # the plan's own rules alarm about these
        else:
            verdict = judge_total_failure(name, samples, state.candidate, state.generation)
            sight = Sight.KEPT if verdict is None else Sight.BROKEN
            why = "not every request fails" if verdict is None else verdict.why
        yield Finding(rule, state.candidate.value, sight, why)


def weighed_findings(state: LaunchState, figures: Sequence[Weighed]) -> Iterator[Finding]:
    """What would have rolled back before the promotion pages from then on."""
    for weighed in figures:
        if weighed.needed_milli is None or weighed.log_e_milli is None:
            continue
        limit = Limit(f"evidence on {weighed.metric}", Metric.ERROR_RATE, 0)
        if weighed.log_e_milli >= weighed.needed_milli:
            sight = Sight.BROKEN
        else:
            sight = Sight.KEPT if weighed.log_e_milli <= 0 else Sight.QUIET
        why = (
            f"{weighed.bad} of {weighed.total} bad since the promotion, by luck with a chance of {weighed.p}"
        )
        yield Finding(AlertRule(limit, Severity.CRITICAL, ON_CALL), state.candidate.value, sight, why)


def total_failure_rule(route_class: str) -> AlertRule:
    """A class that answers nothing but errors."""
    limit = Limit(f"total failure of {route_class}", Metric.ERROR_RATE, 0, route_class)
    return AlertRule(limit, Severity.CRITICAL, ON_CALL)


def _end_silences(turn: Turn) -> None:
    for rule, silence in sorted(turn.state.alarms.silences.items()):
        if turn.now_ms >= silence.until_ms:
            turn.record(SilenceEnded(rule, "it ran out"))


def _enter_stages(turn: Turn) -> None:
    """Enters every stage that has begun, and tells of the looks that were missed in those before."""
    plan = turn.state.plan
    if turn.state.cutover_ms is None:
        return
    for index in range(turn.state.alarms.stage + 1, len(plan.stages)):
        began_ms, until_ms = (turn.state.cutover_ms + each for each in stage_hours(plan.stages, index))
        if turn.now_ms < began_ms:
            break
        _miss_looks(turn, began_ms)
        stage = plan.stages[index]
        turn.record(StageEntered(index, stage.role, stage.look_every_ms, began_ms, until_ms))
        _look_anew(turn)
    _miss_looks(turn, turn.now_ms)
    _look_anew(turn)


def look_due_ms(state: LaunchState) -> int | None:
    """When somebody has to have looked; None where nobody has to."""
    alarms, plan = state.alarms, state.plan
    if not is_watched(state) or state.cutover_ms is None or not 0 <= alarms.stage < len(plan.stages):
        return None
    stage = plan.stages[alarms.stage]
    due_ms = alarms.looked_ms + stage.look_every_ms
    return due_ms if due_ms < _stage_ends_ms(state) else None


def _stage_ends_ms(state: LaunchState) -> int:
    stage = state.plan.stages[state.alarms.stage]
    return min(state.watch_began_ms + stage.until_ms, state.watch_ends_ms)


def _miss_looks(turn: Turn, up_to_ms: int) -> None:
    """One alarm, however many looks nobody could miss while nobody drove."""
    alarms = turn.state.alarms
    due_ms = look_due_ms(turn.state)
    up_to_ms = min(up_to_ms, _stage_ends_ms(turn.state) - 1) if due_ms is not None else up_to_ms
    if due_ms is None or up_to_ms < due_ms:
        return
    stage = turn.state.plan.stages[alarms.stage]
    more = 1 + (up_to_ms - due_ms) // stage.look_every_ms
    missed = alarms.missed + more
    role = stage.role if missed < len(ESCALATION) else ON_CALL
    last_due_ms = due_ms + (more - 1) * stage.look_every_ms
    turn.record(LookMissed(last_due_ms, missed, role))
    count = "1 look was" if missed == 1 else f"{missed} looks in a row were"
    every = format_duration(stage.look_every_ms)
    why = f"{count} missed, the last due at {format_utc_clock(last_due_ms)} (every {every})"
    severity = ESCALATION[min(missed, len(ESCALATION)) - 1]
    action = f"look at the service, then run `tminus look {turn.state.plan.service}`"
    fired = AlertFired(MISSED_LOOK, "", Cause.MISSED_LOOK, severity, role, role, why, action=action)
    turn.record(fired)


def _look_anew(turn: Turn) -> None:
    """Ends the alarm once somebody has looked."""
    alarms = turn.state.alarms
    if alarms.missed == 0 and alarms.alarm(MISSED_LOOK, "", Cause.MISSED_LOOK) is not None:
        turn.record(AlertResolved(MISSED_LOOK, "", Cause.MISSED_LOOK, "somebody has looked"))
