"""Alerts of somebody else's Alertmanager, as triggers and as alerts of the launch's own."""

from collections.abc import Iterator
from dataclasses import replace

from tminus.domain.launch.alarm import Cause
from tminus.domain.launch.external import External, ExternalState
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import TRIAL
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import AlertRule
from tminus.domain.plan.external import ExternalRule
from tminus.domain.plan.limit import Consequence, Limit, Metric
from tminus.domain.readiness.verdict import Outcome, Verdict, all_of
from tminus.domain.watch.alerting import Finding, Sight


def with_external(state: LaunchState, judged: Judged) -> Judged:
    """The judgement with what external alerts add to it; in a trial only."""
    manager = state.plan.alertmanager
    if manager is None or state.phase not in TRIAL:
        return judged
    acting = [rule for rule in manager.rules if rule.consequence is not Consequence.ALERT]
    verdicts = [_verdict(state, rule) for rule in acting]
    fired = tuple(
        Fired(rule.alert, rule.consequence, verdict.why)
        for rule, verdict in zip(acting, verdicts, strict=True)
        if verdict.outcome is Outcome.FAIL
    )
    if not verdicts:
        return judged
    safe = all_of(judged.safe.subject, [judged.safe, *verdicts])
    return replace(judged, fired=(*judged.fired, *fired), safe=safe)


def external_findings(state: LaunchState) -> Iterator[Finding]:
    """Every external alert of the plan beside what is known of it."""
    manager = state.plan.alertmanager
    for rule in () if manager is None else manager.rules:
        verdict = _verdict(state, rule)
        yield Finding(_alert_rule(rule), "", _sight(state, verdict), verdict.why, Cause.EXTERNAL)


def _alert_rule(rule: ExternalRule) -> AlertRule:
    """Fires and is resolved at once: whoever alerts has waited already."""
    return AlertRule(Limit(rule.alert, Metric.ERROR_RATE, 0), rule.severity, rule.role, resolve_ms=0)


def _verdict(state: LaunchState, rule: ExternalRule) -> Verdict:
    found = state.externals.of(rule.alert)
    if found and found[0].state is ExternalState.FIRING:
        return Verdict(rule.alert, Outcome.FAIL, _firing(rule, found))
    if found:
        why = f"{rule.alert}: silenced in Alertmanager, which is not healthy: {found[0].why}"
        return Verdict(rule.alert, Outcome.INCONCLUSIVE, why)
    if _is_unknown(state):
        told = state.externals.why or "it was not asked yet"
        return Verdict(rule.alert, Outcome.INCONCLUSIVE, f"{rule.alert}: Alertmanager does not say: {told}")
    return Verdict(rule.alert, Outcome.PASS, f"{rule.alert}: does not fire")


def _firing(rule: ExternalRule, found: tuple[External, ...]) -> str:
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{rule.alert}: fires in Alertmanager{others}: {found[0].why}"


def _sight(state: LaunchState, verdict: Verdict) -> Sight:
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        return Sight.BROKEN if verdict.outcome is Outcome.FAIL else Sight.KEPT
    return Sight.MISSING if _is_unknown(state) else Sight.QUIET


def _is_unknown(state: LaunchState) -> bool:
    """An Alertmanager that only tells by its webhook is not asked, and so is never missed."""
    manager = state.plan.alertmanager
    return manager is not None and bool(manager.url) and state.externals.answers is not True
