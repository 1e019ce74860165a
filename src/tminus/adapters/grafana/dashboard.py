"""A dashboard of Grafana over the series of tminus. Must not read or write a file.

Source: grafana.com, dashboard JSON model, schema version 36 (Grafana 9 and later read it).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.plan import Plan
from tminus.domain.watch import series
from tminus.domain.watch.judge import PPM

SCHEMA_VERSION = 36
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
_WINDOW = "[1m]"


def dashboard_text(plan: Plan) -> str:
    """The dashboard as JSON, for import; it asks for the data source."""
    panels = list(_placed(list(_panels(plan))))
    body = {
        "title": f"Launch of {plan.service} ({plan.environment})",
        "uid": f"tminus-{plan.service}-{plan.environment}"[:40],
        "tags": ["tminus", plan.service, plan.environment],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
            ]
        },
        "annotations": {"list": [_phases(plan)]},
        "panels": panels,
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def expressions(plan: Plan) -> list[str]:
    """Every query of the dashboard, for whoever checks them."""
    targets = [target for panel in _panels(plan) for target in panel["targets"]]
    return [*(target["expr"] for target in targets), _phases(plan)["expr"]]


def _panels(plan: Plan) -> Iterator[Mapping[str, Any]]:
    own = series.selector(plan.service, plan.environment)
    users = series.selector(plan.service, plan.environment, **{"class": "!meter"})
    by = "sum by (slot)"
    yield _stat("Phase", f"{series.LAUNCH}{own}", "{{version}} {{phase}}")
    yield _stat("Alerts that fire", f"{series.ALERT}{own}", "{{rule}} ({{severity}}, {{role}})")
    rate = f"{by} (rate({series.REQUESTS}{users}{_WINDOW}))"
    yield _graph("Request rate", [(rate, "{{slot}}")], "reqps")
    failures = f"{by} (rate({series.FAILURES}{users}{_WINDOW}))"
    limits = _limits(plan, Metric.ERROR_RATE)
    yield _graph("Error rate", [(f"{failures} / {rate}", "{{slot}}")], "percentunit", limits)
    p95 = f"histogram_quantile(0.95, sum by (slot, le) (rate({series.DURATION}_bucket{users}{_WINDOW})))"
    yield _graph("Response time p95", [(p95, "{{slot}}")], "s", _limits(plan, Metric.LATENCY_P95))
    yield _graph("Share of the candidate", [(f"{series.SHARE}{own}", "candidate")], "percentunit")
    for route_class in plan.route_classes:
        yield from _class_panels(plan, route_class.name)
    for question in plan.database.questions if plan.database is not None else ():
        chosen = series.selector(plan.service, plan.environment, question=question.name)
        share = f"{series.QUESTION_BAD}{chosen} / {series.QUESTION_CASES}{chosen}"
        yield _graph(f"Question {question.name}", [(share, "bad")], "percentunit")
    missed = f"{series.LOOKS_MISSED}{own}"
    due = f"{series.LOOK_DUE}{own} - time()"
    yield _graph("Looks", [(missed, "missed in a row"), (due, "seconds until the next is due")], "short")


def _class_panels(plan: Plan, name: str) -> Iterator[Mapping[str, Any]]:
    chosen = series.selector(plan.service, plan.environment, **{"class": name})
    rate = f"sum by (slot) (rate({series.REQUESTS}{chosen}{_WINDOW}))"
    failures = f"sum by (slot) (rate({series.FAILURES}{chosen}{_WINDOW}))"
    yield _graph(f"{name}: request rate", [(rate, "{{slot}}")], "reqps")
    yield _graph(f"{name}: success", [(f"1 - {failures} / {rate}", "{{slot}}")], "percentunit")


def _limits(plan: Plan, metric: Metric) -> Sequence[float]:
    scale = PPM if metric is Metric.ERROR_RATE else 1_000
    found = [rule.limit for rule in plan.alerts]
    return sorted({each.at_most / scale for each in found if _is(each, metric)})


def _is(limit: Limit, metric: Metric) -> bool:
    return limit.metric is metric and limit.route_class == ALL_CLASSES and limit.is_absolute


def _stat(title: str, expression: str, legend: str) -> dict[str, Any]:
    return {
        "type": "stat",
        "title": title,
        "datasource": _DATASOURCE,
        "targets": [_target("A", expression, legend)],
        "options": {"textMode": "name", "reduceOptions": {"calcs": ["lastNotNull"]}},
    }


def _graph(
    title: str, queries: Sequence[tuple[str, str]], unit: str, limits: Sequence[float] = ()
) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}]
    colours = ["orange"] * (len(limits) - 1) + ["red"]
    steps += [{"color": colour, "value": value} for colour, value in zip(colours, limits, strict=False)]  # type: ignore[dict-item]  # the first has no value
    defaults = {
        "unit": unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": {"thresholdsStyle": {"mode": "line" if limits else "off"}},
    }
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _DATASOURCE,
        "targets": [
            _target(chr(ord("A") + index), expression, legend)
            for index, (expression, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _target(ref: str, expression: str, legend: str) -> Mapping[str, Any]:
    return {"refId": ref, "datasource": _DATASOURCE, "expr": expression, "legendFormat": legend}


def _placed(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for index, panel in enumerate(panels):
        column, row = index % (_COLUMNS // _WIDTH) * _WIDTH, index // (_COLUMNS // _WIDTH) * _HEIGHT
        yield {"id": index + 1, **panel, "gridPos": {"x": column, "y": row, "w": _WIDTH, "h": _HEIGHT}}


def _phases(plan: Plan) -> dict[str, Any]:
    own = series.selector(plan.service, plan.environment)
    return {
        "name": "Phases",
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": f"changes(count by (phase) ({series.LAUNCH}{own})[1m:10s]) > 0",
        "titleFormat": "{{phase}}",
    }
