"""Alert rules: what is alarming, how much, and for whom. Must not judge or send anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.domain.plan.times import MINUTE_MS


class Severity(StrEnum):
    """How bad it is when a rule fires, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"


ON_CALL, TEAM, DEVOPS = "on-call", "team", "devops"
"""The roles that the handbook alerts. A plan may name others."""

RESOLVE_MS = MINUTE_MS
"""An alert is resolved after its limit was kept for so long: one good moment ends no incident."""

MISSING_MS = 2 * MINUTE_MS
"""After so long without a reading the missing reading is an alarm of its own."""

ALERT_WINDOW_MS = MINUTE_MS
"""Alerts look back further than triggers: they wake people, and what passes by itself should not."""

ROLLBACK = "rollback"
"""The alarm that every rollback implies."""

MISSED_LOOK = "missed look"
"""The alarm of a look that nobody took."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A limit that somebody is told about when it is broken.

    Attributes:
        limit: what is judged; its name is the rule's.
        severity: how bad it is.
        role: who is told.
        for_ms: it fires after the limit was broken for so long; 0 fires at once.
        resolve_ms: it is resolved after the limit was kept for so long.
        missing_ms: without a reading for so long it is an alarm that there is none.
        group: alerts of one group are told together; the role when empty.
        runbook: address of what to do; may be empty.
        action: what to do, in a sentence; may be empty.
    """

    limit: Limit
    severity: Severity
    role: str
    for_ms: int = 0
    resolve_ms: int = RESOLVE_MS
    missing_ms: int = MISSING_MS
    group: str = ""
    runbook: str = ""
    action: str = ""

    @property
    def name(self) -> str:
        """Unique in the plan."""
        return self.limit.name


def handbook_alerts(classes: Iterable[str] = ()) -> tuple[AlertRule, ...]:
    """The handbook's critical thresholds and its live alerts, as far as the router counts them.

    Args:
        classes: names of the plan's route classes; rules on payments need one of that name.
    """
    rules = [
        _rate("error rate above 1 %", 10_000, Severity.CRITICAL, ON_CALL),
        _time("response time p95 above 500ms", 500, Severity.HIGH, TEAM),
        _rate("error rate above 0.5 %", 5_000, Severity.WARNING, TEAM, for_ms=MINUTE_MS),
        _time("response time p95 above 300ms", 300, Severity.WARNING, TEAM, for_ms=MINUTE_MS),
    ]
    if PAYMENT in set(classes):
        rules.insert(1, _rate("payment failures above 0.5 %", 5_000, Severity.CRITICAL, ON_CALL, PAYMENT))
        rules.append(_rate("payment success below 99 %", 10_000, Severity.HIGH, TEAM, PAYMENT))
    return tuple(rules)


PAYMENT = "payment"
"""The class that the handbook has thresholds of its own for."""


def _rate(
    name: str, at_most: int, severity: Severity, role: str, route_class: str = "all", *, for_ms: int = 0
) -> AlertRule:
    limit = Limit(name, Metric.ERROR_RATE, at_most, route_class, ALERT_WINDOW_MS)
    return AlertRule(limit, severity, role, for_ms)


def _time(name: str, at_most: int, severity: Severity, role: str, *, for_ms: int = 0) -> AlertRule:
    limit = Limit(name, Metric.LATENCY_P95, at_most, window_ms=ALERT_WINDOW_MS)
    return AlertRule(limit, severity, role, for_ms)


def implied_alerts(triggers: Iterable[Trigger], alerts: Iterable[AlertRule]) -> tuple[AlertRule, ...]:
    """What pages once stable is no longer warm: every trigger's limit that no alert rule judges already."""
    judged = {_measure(rule.limit) for rule in alerts}
    names = {rule.name for rule in alerts}
    return tuple(
        AlertRule(trigger.limit, Severity.CRITICAL, ON_CALL)
        for trigger in triggers
        if _measure(trigger.limit) not in judged and trigger.limit.name not in names
    )


def _measure(limit: Limit) -> tuple[object, ...]:
    """What a limit is about, without how it is judged."""
    passing = {"name", "window_ms", "min_requests"}
    return tuple(getattr(limit, name) for name in Limit.__slots__ if name not in passing)
