"""Alerting rules of Prometheus from a plan. Must not read or write a file.

Source: prometheus.io, alerting rules; `keep_firing_for` needs Prometheus 2.42.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tminus.domain.plan.alert import ON_CALL, AlertRule, Severity, implied_alerts
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.times import MINUTE_MS, format_duration
from tminus.domain.watch import series

EVALUATE_EVERY_MS = 15_000
"""As often as Prometheus scrapes by default."""

WATCHDOG = "TminusWatchdog"
"""Fires always. Whoever receives it raises an alarm when it no longer comes."""

SILENT_MS = 2 * MINUTE_MS
"""Without tminus, or without its router, for so long, nothing else here can fire: that pages on-call."""

Rule = Mapping[str, Any]


def rules_text(plan: Plan) -> str:
    """The rule file, with every rule of the plan and what its triggers look at."""
    group = {
        "name": f"tminus-{plan.service}-{plan.environment}",
        "interval": format_duration(EVALUATE_EVERY_MS),
        "rules": list(_rules(plan)),
    }
    head = f"# Alerts of {plan.service} in {plan.environment}, written by `tminus export prometheus`.\n"
    return head + yaml.dump(
        {"groups": [group]}, sort_keys=False, allow_unicode=True, Dumper=_Dumper, width=100
    )


def alert_name(rule: AlertRule) -> str:
    """`ErrorRateAbove0_5Percent`: a name that needs no quotes anywhere."""
    words = re.findall(r"[A-Za-z0-9.]+|%", rule.name)
    joined = "".join("Percent" if word == "%" else word[:1].upper() + word[1:] for word in words)
    return re.sub(r"[^A-Za-z0-9]", "_", joined) or "Unnamed"


def named_rules(plan: Plan) -> dict[str, AlertRule]:
    """The rules by the names that Prometheus knows them by, each once."""
    found: dict[str, AlertRule] = {}
    for rule in (*plan.alerts, *implied_alerts(plan.triggers, plan.alerts)):
        name, number = alert_name(rule), 2
        while name in found:
            name, number = f"{alert_name(rule)}_{number}", number + 1
        found[name] = rule
    return found


def _rules(plan: Plan) -> Iterator[Rule]:
    missing: dict[str, AlertRule] = {}
    for name, rule in named_rules(plan).items():
        yield _rule(plan, name, rule)
        if not series.is_evaluated(rule.limit):
            continue  # tminus itself alarms that it has no reading
        worst = missing.setdefault(series.readings(rule.limit, plan.service, plan.environment), rule)
        if list(Severity).index(rule.severity) < list(Severity).index(worst.severity):
            missing[series.readings(rule.limit, plan.service, plan.environment)] = rule
    for number, (chosen, rule) in enumerate(missing.items(), start=1):
        yield _no_readings(plan, f"TminusNoReadings{number if number > 1 else ''}", chosen, rule)
    yield from _own(plan)


def _rule(plan: Plan, name: str, rule: AlertRule) -> Rule:
    evaluated = series.is_evaluated(rule.limit)
    on = "" if rule.limit.question or not evaluated else " on {{ $labels.slot }}"
    annotations = {
        "summary": f"{plan.service} in {plan.environment}: {rule.name}{on}",
        "description": "now {{ $value | humanizePercentage }}" if evaluated else "tminus alerts says more",
        **({"action": rule.action} if rule.action else {}),
        **({"runbook_url": rule.runbook} if rule.runbook else {}),
    }
    return {
        "alert": name,
        "expr": series.broken(rule.limit, plan.service, plan.environment),
        **({"for": format_duration(rule.for_ms)} if rule.for_ms else {}),
        **({"keep_firing_for": format_duration(rule.resolve_ms)} if rule.resolve_ms else {}),
        "labels": _labels(plan, rule.name, rule.severity, rule.role, rule.group or rule.role, _about(rule)),
        "annotations": annotations,
    }


def _about(rule: AlertRule) -> str:
    limit = rule.limit
    return limit.question or limit.measured or f"{limit.metric.value} of {limit.route_class}"


def _no_readings(plan: Plan, name: str, chosen: str, rule: AlertRule) -> Rule:
    summary = f"{plan.service} in {plan.environment}: no readings for the rule {rule.name!r} and the like"
    return {
        "alert": name,
        "expr": f"absent({chosen})",
        "for": format_duration(rule.missing_ms),
        "labels": _labels(plan, f"{rule.name} (no data)", rule.severity, rule.role, rule.role, "readings"),
        "annotations": {"summary": summary, "description": "No data is not healthy."},
    }


def _own(plan: Plan) -> Iterator[Rule]:
    """What tminus alone knows, and whether it and its router are there to know anything."""
    own = series.selector(plan.service, plan.environment)
    told = series.selector(plan.service, plan.environment, silenced="false")
    told = told[:-1] + ',cause=~"missed-look|anomaly|rollback|external"}'
    yield {
        "alert": "TminusAlert",
        "expr": f"{series.ALERT}{told} == 1",
        "labels": {
            "service": plan.service,
            "environment": plan.environment,
            "severity": "{{ $labels.severity }}",
            "role": "{{ $labels.role }}",
            "group": "{{ $labels.role }}",
            "about": "{{ $labels.rule }}",
        },
        "annotations": {"summary": f"{plan.service} in {plan.environment}: {{{{ $labels.rule }}}}"},
    }
    yield _silent(plan, "TminusRouterDown", f"{series.ROUTER_UP}{own} == 0", "its router does not answer")
    yield _silent(plan, "TminusSilent", f"absent({series.UP})", "tminus is not scraped, so nobody watches")
    yield {
        "alert": WATCHDOG,
        "expr": "vector(1)",
        "labels": {
            "service": plan.service,
            "environment": plan.environment,
            "severity": "none",
            "role": "watchdog",
        },
        "annotations": {"summary": "Alerting works. When this no longer arrives, it does not."},
    }


def _silent(plan: Plan, name: str, expression: str, text: str) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        "for": format_duration(SILENT_MS),
        "labels": _labels(plan, text, Severity.CRITICAL, ON_CALL, ON_CALL, "tminus"),
        "annotations": {"summary": f"{plan.service} in {plan.environment}: {text}"},
    }


def _labels(
    plan: Plan, rule: str, severity: Severity, role: str, group: str, about: str
) -> Mapping[str, str]:
    return {
        "service": plan.service,
        "environment": plan.environment,
        "severity": severity.value,
        "role": role,
        "group": group,
        "rule": rule,
        "about": about,
    }


class _Dumper(yaml.SafeDumper):
    """Writes expressions as blocks, so that people can read them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
