"""From `metrics` and the limits on them to domain values, also the handbook's. Must not judge the file."""

from collections.abc import Iterable, Iterator

from tminus.domain.plan.alert import DEVOPS, AlertRule, Severity
from tminus.domain.plan.limit import Against, Limit, Metric, Side
from tminus.domain.plan.metric import (
    MICRO,
    PERCENT,
    VULNERABILITY,
    CommandSource,
    DatabaseGauge,
    DatabaseSource,
    Headers,
    HttpSource,
    MetricDefinition,
    MetricKind,
    MetricSource,
    PersonSource,
    PrometheusSource,
    ReportSource,
    SqlSource,
    SystemGauge,
    SystemSource,
    vulnerability,
)
from tminus.domain.plan.times import DAY_MS, SECOND_MS
from tminus.plan.amount import Amount, Factor, in_unit
from tminus.plan.kinds import PPM_PER_PERCENT
from tminus.plan.limit_section import LASTING_MS, LimitSection
from tminus.plan.metric_section import HeadersSection, MetricSection
from tminus.plan.model import LaunchFile

LOCAL_EVERY_MS = SECOND_MS
REMOTE_EVERY_MS = 10 * SECOND_MS
TIMEOUT_MS = 5 * SECOND_MS
DEFAULT_OVER_MS = 60 * SECOND_MS

_SYSTEM = {
    "cpu": SystemGauge.CPU,
    "memory": SystemGauge.MEMORY,
    "disk free": SystemGauge.DISK_FREE,
    "load": SystemGauge.LOAD,
}
_DATABASE = {
    "database connections": (DatabaseGauge.CONNECTIONS, PERCENT),
    "database latency": (DatabaseGauge.LATENCY, "ms"),
}

HANDBOOK_ALERTS = (
    ("cpu", Side.ABOVE, Amount(80 * MICRO, PERCENT), Severity.WARNING),
    ("memory", Side.ABOVE, Amount(85 * MICRO, PERCENT), Severity.HIGH),
    ("memory", Side.ABOVE, Amount(80 * MICRO, PERCENT), Severity.WARNING),
    ("disk free", Side.BELOW, Amount(10 * MICRO, PERCENT), Severity.HIGH),
    ("database connections", Side.ABOVE, Amount(75 * MICRO, PERCENT), Severity.WARNING),
    ("database latency", Side.ABOVE, Amount(300 * MICRO, "ms"), Severity.HIGH),
)
"""Metric, side, value and severity; DevOps is told."""


def built_in_names(file: LaunchFile) -> tuple[str, ...]:
    """Metrics that a limit may name without a definition."""
    database = () if file.database is None else tuple(_DATABASE)
    return (*_SYSTEM, *database, VULNERABILITY)


def definition_of(file: LaunchFile, name: str) -> MetricDefinition | None:
    """The metric of that name: the plan's own, else the built-in one, else none."""
    section = file.metrics.get(name)
    if section is not None:
        return _definition(file, name, section)
    if name == VULNERABILITY:
        return vulnerability()
    if name in _SYSTEM:
        source = SystemSource(_SYSTEM[name])
        return MetricDefinition(name, source, unit=PERCENT, every_ms=LOCAL_EVERY_MS, limit_ms=LOCAL_EVERY_MS)
    if name in _DATABASE and file.database is not None:
        gauge, unit = _DATABASE[name]
        return MetricDefinition(name, DatabaseSource(gauge, file.database.url), unit=unit)
    return None


def is_lasting(file: LaunchFile, section: LimitSection) -> bool:
    """Whether a limit is judged by how long its gauge is beyond it."""
    metric = None if section.metric is None else definition_of(file, section.metric)
    return metric is not None and metric.counted is MetricKind.GAUGE and not metric.by_person


def metrics_of(file: LaunchFile, limits: Iterable[Limit]) -> tuple[MetricDefinition, ...]:
    """Every metric that the plan defines or a limit names."""
    names = dict.fromkeys([*file.metrics, *(limit.measured for limit in limits if limit.measured)])
    found = (definition_of(file, name) for name in names)
    return tuple(each for each in found if each is not None)


def measured_limit(file: LaunchFile, section: LimitSection, over_ms: int | None) -> Limit:
    """A limit on a metric; the rules hold for it. `over_ms` is the window that the plan gives, if it does."""
    metric = definition_of(file, section.metric or "")
    value = section.above if section.below is None else section.below
    if metric is None or value is None:
        raise AssertionError("the rules let a limit on no metric pass")
    side = Side.ABOVE if section.below is None else Side.BELOW
    against = Against.LIMIT if section.against is None else Against(section.against.value)
    at_most = int(value) if isinstance(value, Factor) else value_of(metric, value)
    if at_most is None:
        raise AssertionError("the rules let a limit in another unit pass")
    return Limit(
        name=section.name or _limit_name(metric, side, value, against),
        metric=Metric.MEASURED,
        at_most=at_most,
        window_ms=window_of(metric, section.lasting, over_ms),
        min_requests=section.min_requests,
        measured=metric.name,
        side=side,
        against=against,
    )


def value_of(metric: MetricDefinition, amount: Amount) -> int | None:
    """A limit's value as the metric counts it; None where its unit is another."""
    if metric.counted is MetricKind.RATIO:
        ppm = amount.micro * PPM_PER_PERCENT // 1_000_000
        return ppm if amount.unit == PERCENT else None
    return in_unit(amount, metric.unit)


def window_of(metric: MetricDefinition, lasting_ms: int | None, over_ms: int | None) -> int:
    """How far back a limit on the metric looks."""
    if metric.by_person:
        return over_ms or DAY_MS
    if metric.counted is MetricKind.GAUGE:
        return lasting_ms or max(LASTING_MS, 3 * metric.every_ms)
    return over_ms or max(DEFAULT_OVER_MS, 3 * metric.every_ms)


def handbook_gauges(file: LaunchFile) -> Iterator[AlertRule]:
    """The handbook's alerts on the machine and the database, as far as their sources exist."""
    for name, side, amount, severity in HANDBOOK_ALERTS:
        metric = definition_of(file, name)
        if metric is None or metric.counted is not MetricKind.GAUGE:
            continue
        at_most = value_of(metric, amount)
        if at_most is not None:
            limit = Limit(
                _limit_name(metric, side, amount, Against.LIMIT),
                Metric.MEASURED,
                at_most,
                window_ms=window_of(metric, None, None),
                measured=name,
                side=side,
            )
            yield AlertRule(limit, severity, DEVOPS)


def _limit_name(metric: MetricDefinition, side: Side, value: Amount | Factor, against: Against) -> str:
    if isinstance(value, Factor):
        return f"{metric.name} against {against.value}"
    return f"{metric.name} {side.value} {value.text}"


def _definition(file: LaunchFile, name: str, section: MetricSection) -> MetricDefinition:
    source = source_of(file, section)
    local = isinstance(source, SystemSource)
    every_ms = section.every or (LOCAL_EVERY_MS if local else REMOTE_EVERY_MS)
    return MetricDefinition(
        name=name,
        source=source,
        counted=section.counted or _usual_kind(section),
        unit=_unit(section),
        every_ms=every_ms,
        limit_ms=section.timeout or min(TIMEOUT_MS, every_ms),
        oldest_ms=section.oldest or max(60 * SECOND_MS, 2 * every_ms),
        cumulative=section.cumulative,
        dedupe=section.dedupe or "",
    )


def _usual_kind(section: MetricSection) -> MetricKind:
    pairs = (section.prometheus, section.http)
    if any(each is not None and each.bad is not None for each in pairs):
        return MetricKind.RATIO
    return MetricKind.COUNT if section.report is not None else MetricKind.GAUGE


def _unit(section: MetricSection) -> str:
    if section.system is None or section.unit is not None:
        return section.unit or ""
    return "MB" if section.system is SystemGauge.SLOT_MEMORY else PERCENT


def source_of(file: LaunchFile, section: MetricSection) -> MetricSource:
    """The source of a metric's section; a query to a database that the plan does not have asks nothing."""
    if section.prometheus is not None:
        it = section.prometheus
        return PrometheusSource(it.url or "", it.query or "", it.bad or "", it.total or "", _headers(it))
    if section.http is not None:
        page = section.http
        return HttpSource(page.url, page.value, page.bad, page.total, page.at, _headers(page))
    if section.sql is not None and file.database is not None:
        return SqlSource(section.sql, file.database.url)
    if section.command is not None:
        command = section.command
        return CommandSource(command.run, tuple(command.env.items()), tuple(command.secrets.items()))
    if section.system is not None:
        slot = "{slot}" if section.system is SystemGauge.SLOT_MEMORY else ""
        return SystemSource(section.system, slot)
    if section.report is not None:
        report = section.report
        return ReportSource(report.form, report.file or "", report.url or "", _headers(report))
    return PersonSource(section.person or "")


def _headers(section: HeadersSection) -> Headers:
    return Headers(tuple(section.headers.items()), tuple(section.secret_headers.items()), section.token)
