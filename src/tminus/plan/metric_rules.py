"""What must hold between metrics and the limits on them. Must not type single values."""

from collections.abc import Iterator

from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.metric import (
    PERCENT,
    PLACEHOLDERS,
    HttpSource,
    MetricDefinition,
    MetricKind,
    PersonSource,
    PrometheusSource,
    ReportSource,
    SystemSource,
    is_split,
)
from tminus.domain.plan.times import SECOND_MS, format_duration
from tminus.domain.problem import Problem
from tminus.plan.amount import Factor
from tminus.plan.breach import Breach, Rule
from tminus.plan.limit_section import LimitSection, Reference
from tminus.plan.metric_build import built_in_names, definition_of, value_of, window_of
from tminus.plan.metric_section import SOURCES, HeadersSection, MetricSection
from tminus.plan.model import LaunchFile
from tminus.plan.scalar import nearest
from tminus.plan.statement import VARIABLE
from tminus.plan.tree import Path

MOST_METRICS = 32
"""Each is asked by a thread of its own, twice where it tells versions apart."""

KEPT_SAMPLES = 120
"""So many measurements of each metric and version are kept; a longer window would see only a part."""

FEWEST_SAMPLES = 3
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key")


def limits_in(file: LaunchFile) -> Iterator[tuple[Path, LimitSection]]:
    """Every limit with its place."""
    for index, trigger in enumerate(file.triggers or []):
        yield ("triggers", index), trigger
    for index, alert in enumerate(file.alerts or []):
        yield ("alerts", index), alert
    for index, target in enumerate(file.verify.targets or []):
        yield ("verify", "targets", index), target


def _sources(file: LaunchFile) -> Iterator[Breach]:
    if len(file.metrics) > MOST_METRICS:
        what = f"there are {len(file.metrics)} metrics, and at most {MOST_METRICS} can be measured"
        yield Breach(("metrics",), _bad(what, "remove those that no limit names"), at_key=True)
    for name, section in file.metrics.items():
        path = ("metrics", name)
        if section.sql is not None and file.database is None:
            what = f"the metric `{name}` is a query, but the plan has no database"
            yield Breach((*path, "sql"), _bad(what, "add `database.url`"), at_key=True)
        metric = definition_of(file, name)
        if metric is not None:
            yield from _kinds(path, section, metric)
            yield from _pace(path, metric)
        yield from _placeholders(path, section)
        yield from _secrets(path, section)


def _kinds(path: Path, section: MetricSection, metric: MetricDefinition) -> Iterator[Breach]:
    source, counted = metric.source, metric.counted
    possible = list(MetricKind)
    if isinstance(source, PrometheusSource | HttpSource):
        ratio = bool(source.bad) if isinstance(source, PrometheusSource) else source.bad is not None
        possible = [MetricKind.RATIO] if ratio else [MetricKind.GAUGE, MetricKind.COUNT]
    elif isinstance(source, SystemSource):
        possible = [MetricKind.GAUGE]
    elif isinstance(source, ReportSource):
        possible = [MetricKind.COUNT]
    elif isinstance(source, PersonSource):
        possible = [MetricKind.GAUGE, MetricKind.COUNT]
    if counted not in possible:
        words = " or ".join(each.value for each in possible)
        what = f"its source tells a {words}, not a {counted.value}"
        yield Breach((*path, "kind"), _bad(what, f"write `kind: {possible[0].value}`"))
    never = counted is MetricKind.GAUGE or isinstance(source, SystemSource | ReportSource | PersonSource)
    if section.cumulative and never:
        what = "only a ratio or count that a source keeps on counting is cumulative"
        yield Breach((*path, "cumulative"), _bad(what, "remove `cumulative`, or write `kind: count`"))
    if counted is MetricKind.RATIO and section.unit not in (None, PERCENT):
        yield Breach((*path, "unit"), _bad("a ratio is a percentage", "remove `unit`"))


def _pace(path: Path, metric: MetricDefinition) -> Iterator[Breach]:
    if metric.every_ms < SECOND_MS:
        what = "nothing is measured more often than each second"
        yield Breach((*path, "every"), _bad(what, "write `every: 1s`, or more"))


def _placeholders(path: Path, section: MetricSection) -> Iterator[Breach]:
    for place, text in _texts(section):
        for used in sorted(set(VARIABLE.findall(text)) - set(PLACEHOLDERS)):
            # Other braces are a query language's own; only what is almost a placeholder is surely a slip.
            if meant := nearest(used, PLACEHOLDERS):
                what = f"`{{{used}}}` is nothing that a metric knows"
                problem = Problem("plan-unknown-variable", what, fix=f"did you mean `{{{meant}}}`?")
                yield Breach((*path, *place), problem)


def _texts(section: MetricSection) -> Iterator[tuple[Path, str]]:
    if section.prometheus is not None:
        for key in ("query", "bad", "total"):
            yield ("prometheus", key), getattr(section.prometheus, key) or ""
    if section.http is not None:
        yield ("http", "url"), section.http.url
    if section.sql is not None:
        yield ("sql",), section.sql
    if section.command is not None:
        yield ("command", "run"), " ".join(section.command.run)


def _secrets(path: Path, section: MetricSection) -> Iterator[Breach]:
    for key in SOURCES:
        source = getattr(section, key)
        if not isinstance(source, HeadersSection):
            continue
        for header in source.headers:
            if header.lower() in _SECRET_HEADERS:
                problem = Problem(
                    "plan-secret-not-reference",
                    f"the header `{header}` is a secret",
                    why="a plan is read by many; it holds references to secrets, never values",
                    fix=f"move it: `secret_headers: {{{header}: env:NAME}}`, or use `token`",
                )
                yield Breach((*path, key, "headers", header), problem, at_key=True)


def _limits(file: LaunchFile) -> Iterator[Breach]:
    known = (*file.metrics, *built_in_names(file))
    for path, section in limits_in(file):
        if section.metric is None:
            continue
        metric = definition_of(file, section.metric)
        if metric is None:
            yield Breach((*path, "metric"), _unknown(section.metric, known))
            continue
        yield from _value(path, section, metric)
        yield from _windows(file, path, section, metric)


def _unknown(name: str, known: tuple[str, ...]) -> Problem:
    if name.startswith("database "):
        what = f"there is no metric `{name}`, since the plan has no database"
        return Problem("plan-unknown-metric", what, fix="add `database.url`")
    meant = nearest(name, known)
    return Problem(
        "plan-unknown-metric",
        f"there is no metric `{name}`",
        why=f"the metrics of this plan are: {', '.join(known)}",
        fix=f"did you mean `{meant}`?" if meant else f"define it: `metrics.{name}`",
    )


def _value(path: Path, section: LimitSection, metric: MetricDefinition) -> Iterator[Breach]:
    key = "above" if section.below is None else "below"
    value = section.above if section.below is None else section.below
    if isinstance(value, Factor):
        if section.against is Reference.STABLE and not is_split(metric.source):
            what = f"the metric `{metric.name}` does not tell stable from the candidate"
            fix = "name `{slot}` or `{version}` in its source, or compare with the baseline"
            yield Breach((*path, "against"), _bad(what, fix, "plan-bad-limit"))
        if metric.by_person:
            what = f"people enter `{metric.name}`, and nobody measures a reference for it"
            yield Breach((*path, key), _bad(what, "write a value", "plan-bad-limit"))
    elif value is not None and value_of(metric, value) is None:
        unit = PERCENT if metric.counted is MetricKind.RATIO else metric.unit
        what = (
            f"`{metric.name}` is measured {f'in {unit}' if unit else 'without a unit'}, not as {value.text}"
        )
        yield Breach((*path, key), _bad(what, f"write {_example(unit)}", "plan-bad-limit"))


def _example(unit: str) -> str:
    return f"it like 80 {unit}" if unit else "the number alone, or give the metric a `unit`"


def _windows(
    file: LaunchFile, path: Path, section: LimitSection, metric: MetricDefinition
) -> Iterator[Breach]:
    lasts = metric.counted is MetricKind.GAUGE and not metric.by_person
    if lasts and "over" in section.model_fields_set:
        what = f"`{metric.name}` is a gauge, which is judged by how long it lasts"
        yield Breach((*path, "over"), _bad(what, "write `for` instead of `over`", "plan-bad-limit"))
    if section.lasting is not None and not lasts and not section.fires_late:
        what = f"`{metric.name}` is no gauge that is measured again and again"
        yield Breach((*path, "for"), _bad(what, "write `over` instead of `for`", "plan-bad-limit"))
        return
    window_ms = window_of(metric, section.lasting, None)
    least_ms, most_ms = FEWEST_SAMPLES * metric.every_ms, KEPT_SAMPLES * metric.every_ms
    if lasts and not least_ms <= window_ms <= most_ms:
        what = (
            f"`{metric.name}` is measured every {format_duration(metric.every_ms)}, so it can be judged over "
            f"{format_duration(least_ms)} to {format_duration(most_ms)}"
        )
        place = "for" if section.lasting is not None else "metric"
        yield Breach((*path, place), _bad(what, "change `for`, or the metric's `every`", "plan-bad-limit"))
    if path[0] == "verify" and lasts and window_ms > file.verify.length:
        what = (
            f"the target looks back {format_duration(window_ms)}, "
            f"but verification lasts {format_duration(file.verify.length)}"
        )
        place = "for" if section.lasting is not None else "metric"
        yield Breach((*path, place), _bad(what, "raise `verify.for` or lower `for`", "plan-bad-limit"))


def _something_acts(file: LaunchFile) -> Iterator[Breach]:
    triggers = file.triggers or []
    if triggers and all(each.metric and each.then is Consequence.ALERT for each in triggers):
        what = "every trigger only alerts on a metric, so nothing would tell a good step from a bad one"
        fix = "move them to `alerts`, and leave `triggers` out for the handbook's"
        yield Breach(("triggers",), _bad(what, fix, "plan-bad-limit"), at_key=True)


def _bad(what: str, fix: str, code: str = "plan-bad-metric") -> Problem:
    return Problem(code, what, fix=fix)


METRIC_RULES = (
    Rule(_sources, frozenset({"metrics", "database"})),
    Rule(_limits, frozenset({"metrics", "database", "triggers", "alerts", "verify"})),
    Rule(_something_acts, frozenset({"triggers"})),
)
