"""Alerts on anomalies, in the stages of the watch that ask for them."""

from collections.abc import Iterator

from tminus.domain.launch.alarm import AlertResolved, Cause
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import AlertRule, Severity
from tminus.domain.plan.limit import Limit, Metric
from tminus.domain.watch.alerting import Finding
from tminus.domain.watch.anomaly import unusual
from tminus.engine.decide.launch.turn import Turn
from tminus.engine.decide.step import Observation


def anomaly_rule(figure: str, role: str) -> AlertRule:
    """The rule of a figure, for whoever is on duty. Its limit is what was learnt."""
    return AlertRule(Limit(f"anomaly of {figure}", Metric.ERROR_RATE, 0), Severity.WARNING, role)


def anomaly_findings(state: LaunchState, seen: Observation) -> Iterator[Finding]:
    """What is unusual now; nothing in stages that alert on limits alone."""
    if not _asked_for(state):
        return
    role = state.plan.stages[state.alarms.stage].role
    for found in unusual(seen.history, state.candidate, seen.now_ms):
        rule = anomaly_rule(found.name, role)
        yield Finding(rule, state.candidate.value, found.sight, found.why, Cause.ANOMALY)


def end_anomalies(turn: Turn) -> None:
    """What fires when its stage is over is no longer judged, and so no longer told."""
    if _asked_for(turn.state):
        return
    for alarm in list(turn.state.alarms.firing.values()):
        if alarm.fired.cause is Cause.ANOMALY:
            fired, why = alarm.fired, "its stage is over; limits go on being judged"
            turn.record(AlertResolved(fired.rule, fired.subject, fired.cause, why))


def _asked_for(state: LaunchState) -> bool:
    stages, index = state.plan.stages, state.alarms.stage
    return 0 <= index < len(stages) and stages[index].anomalies
