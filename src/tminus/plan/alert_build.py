"""Alert rules and stages from the typed file, with every open value filled in. Must not judge the file."""

from collections.abc import Iterable
from dataclasses import replace

from tminus.domain.plan.alert import ON_CALL, TEAM, AlertRule, Severity, handbook_alerts
from tminus.domain.plan.external import Alertmanager, ExternalRule
from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.stage import Stage, handbook_stages
from tminus.domain.plan.times import format_duration
from tminus.plan.choice import Choice
from tminus.plan.kinds import PPM_PER_PERCENT
from tminus.plan.limit_section import AlertSection
from tminus.plan.metric_build import handbook_gauges, is_lasting
from tminus.plan.model import LaunchFile
from tminus.plan.parse import show_percent
from tminus.plan.section import HANDBOOK
from tminus.plan.stage_section import AlertOn, StageSection


def alert_rule(file: LaunchFile, section: AlertSection, limit: Limit) -> AlertRule:
    """The rule of a section whose limit has been built."""
    name = section.name or alert_name(limit)
    critical = section.severity is Severity.CRITICAL
    return AlertRule(
        limit=replace(limit, name=name),
        severity=section.severity,
        role=section.role or (ON_CALL if critical else TEAM),
        # A gauge's `for` is the window that it is judged over.
        for_ms=0 if is_lasting(file, section) else section.lasting or 0,
        resolve_ms=section.resolve,
        missing_ms=section.missing,
        group=section.group or "",
        runbook=section.runbook,
        action=section.action,
    )


def alert_name(limit: Limit) -> str:
    """`error rate of payment above 0.5 %`: two rules on one figure differ by their values."""
    if limit.metric is Metric.MEASURED or not limit.is_absolute:
        return limit.name
    if limit.metric is Metric.LATENCY_P95:
        words, value = "response time p95", format_duration(limit.at_most)
    else:
        words = limit.question if limit.metric is Metric.QUESTION else "error rate"
        value = show_percent(limit.at_most, PPM_PER_PERCENT)
    of = "" if limit.route_class == ALL_CLASSES else f" of {limit.route_class}"
    return f"{words}{of} above {value}"


def alerts_left_open(
    file: LaunchFile, classes: Iterable[str], chosen: list[Choice]
) -> tuple[AlertRule, ...] | None:
    """The handbook's rules where the file names none; None where it does."""
    if file.alerts is not None:
        return None
    if "alerts" in file.model_fields_set:
        return ()
    rules = (*handbook_alerts(classes), *handbook_gauges(file))
    shown = "; ".join(f"{rule.name}: {rule.severity.value} to {rule.role}" for rule in rules)
    chosen.append(Choice("alerts", shown, HANDBOOK))
    return rules


def alertmanager_of(file: LaunchFile) -> Alertmanager | None:
    """Where external alerts come from, and which of them matter."""
    section = file.alertmanager
    if section is None:
        return None
    rules = tuple(
        ExternalRule(name, each.then, each.severity, each.role) for name, each in section.alerts.items()
    )
    return Alertmanager(rules, section.url or "", section.token, section.every)


def stages_of(file: LaunchFile, chosen: list[Choice]) -> tuple[Stage, ...]:
    """The stages as far as the watch reaches; the last ends with it."""
    watch = file.watch
    if watch.stages is not None:
        return _within(tuple(_stage(each, watch.length) for each in watch.stages), watch.length)
    if "stages" in watch.model_fields_set:
        return ()
    stages = _within(handbook_stages(), watch.length)
    shown = "; ".join(
        f"to {format_duration(each.until_ms)} {each.role} looks every {format_duration(each.look_every_ms)}"
        for each in stages
    )
    chosen.append(Choice("watch.stages", shown, HANDBOOK))
    return stages


def _stage(section: StageSection, watch_ms: int) -> Stage:
    return Stage(
        until_ms=section.until or watch_ms,
        look_every_ms=section.look,
        role=section.role,
        action=section.action,
        anomalies=section.alert_on is AlertOn.ANOMALIES,
    )


def _within(stages: tuple[Stage, ...], watch_ms: int) -> tuple[Stage, ...]:
    begun = [each for index, each in enumerate(stages) if not index or stages[index - 1].until_ms < watch_ms]
    return (*begun[:-1], replace(begun[-1], until_ms=watch_ms))
