"""Every alert rule of a launch with its state, as the journal has it. Must not judge a limit."""

from collections.abc import Iterator
from dataclasses import dataclass

from tminus.domain.launch.alarm import Alarm, Cause
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import AlertRule, Severity, implied_alerts
from tminus.domain.plan.limit import Limit, Metric

FIRING, SILENCED, UNKNOWN, QUIET, UNWATCHED = "firing", "silenced", "unknown", "not firing", "not watched"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One rule and subject.

    Attributes:
        rule: its name.
        subject: slot that it is about, empty where it is about none.
        state: `firing`, `unknown` (no reading), `silenced (firing)`, `silenced`, `not firing` or
            `not watched`; silenced is never healthy.
        cause: of what fires, else empty.
        severity: how bad it is, or would be.
        role: who is told.
        since_ms: when it fired first, None where it does not.
        until_ms: end of its silence, None without one.
        why: of what fires, else of its silence.
        acknowledged_by: who takes care of it, else empty.
    """

    rule: str
    subject: str
    state: str
    cause: str
    severity: Severity
    role: str
    since_ms: int | None = None
    until_ms: int | None = None
    why: str = ""
    acknowledged_by: str = ""

    @property
    def fires(self) -> bool:
        """Whether something is wrong, silenced or not."""
        return self.since_ms is not None


def alert_rows(state: LaunchState, now_ms: int) -> tuple[AlertRow, ...]:
    """What fires first, worst first and oldest first; then every rule that does not, in the plan's order."""
    firing = [_firing(state, alarm, now_ms) for alarm in state.alarms.firing.values()]
    worst = list(Severity)
    firing.sort(key=lambda row: (worst.index(row.severity), row.since_ms, row.rule, row.subject))
    named = {row.rule for row in firing}
    return (*firing, *(_calm(state, rule, now_ms) for rule in _rules(state) if rule.name not in named))


def _rules(state: LaunchState) -> Iterator[AlertRule]:
    yield from state.plan.alerts
    if state.phase is Phase.WATCHING:
        yield from implied_alerts(state.plan.triggers, state.plan.alerts)
    manager = state.plan.alertmanager
    for rule in () if manager is None else manager.rules:
        yield AlertRule(Limit(rule.alert, Metric.ERROR_RATE, 0), rule.severity, rule.role)


def _firing(state: LaunchState, alarm: Alarm, now_ms: int) -> AlertRow:
    fired = alarm.fired
    silenced = state.alarms.silenced(fired.rule, now_ms)
    usual = UNKNOWN if fired.cause is Cause.NO_DATA else FIRING
    return AlertRow(
        rule=fired.rule,
        subject=fired.subject,
        state=f"silenced ({usual})" if silenced else usual,
        cause=fired.cause.value,
        severity=fired.severity,
        role=fired.role,
        since_ms=alarm.since_ms,
        until_ms=state.alarms.silences[fired.rule].until_ms if silenced else None,
        why=fired.why,
        acknowledged_by=alarm.acknowledged_by,
    )


def _calm(state: LaunchState, rule: AlertRule, now_ms: int) -> AlertRow:
    watched = state.phase in TRIAL or state.phase is Phase.WATCHING
    silence = state.alarms.silences.get(rule.name)
    if silence is None or not state.alarms.silenced(rule.name, now_ms):
        return AlertRow(rule.name, "", QUIET if watched else UNWATCHED, "", rule.severity, rule.role)
    why = f"by {silence.by}: {silence.why}"
    return AlertRow(rule.name, "", SILENCED, "", rule.severity, rule.role, None, silence.until_ms, why)
