"""Names of the series that tminus exposes, and what is asked of them in PromQL. Must not format a file."""

from bisect import bisect_left

from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.times import MINUTE_MS, format_duration
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.domain.watch.judge import PPM

UP = "tminus_up"
ROUTER_UP = "tminus_router_up"
REQUESTS = "tminus_requests_total"
FAILURES = "tminus_request_failures_total"
DURATION = "tminus_request_duration_seconds"
LAUNCH = "tminus_launch_info"
HELD = "tminus_launch_held"
SHARE = "tminus_candidate_share_ratio"
QUESTION_BAD = "tminus_question_bad"
QUESTION_CASES = "tminus_question_cases"
METRIC_VALUE = "tminus_metric_value"
METRIC_BAD = "tminus_metric_bad"
METRIC_CASES = "tminus_metric_cases"
ALERT = "tminus_alert_firing"
LOOK_DUE = "tminus_look_due_timestamp_seconds"
LOOKS_MISSED = "tminus_looks_missed"

LEAST_WINDOW_MS = MINUTE_MS
"""Prometheus scrapes every 15 s or so; a rate over less than four scrapes is mostly no rate at all."""

_METER = "meter"  # the loss meter's own requests, which no limit is about


def selector(service: str, environment: str, **labels: str) -> str:
    """`{service="shop",environment="production",…}`; a value that begins with `!` must not be there."""
    found = {"service": service, "environment": environment, **labels}
    parts = (
        f'{name}!="{escaped(value[1:])}"' if value.startswith("!") else f'{name}="{escaped(value)}"'
        for name, value in found.items()
    )
    return "{" + ",".join(parts) + "}"


def escaped(value: str) -> str:
    """A value of a label between double quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def edge_text(edge_ms: int) -> str:
    """The `le` of a bucket: seconds."""
    return f"{edge_ms / 1000:g}"


def broken(limit: Limit, service: str, environment: str) -> str:
    """PromQL that has a value per slot on which the limit is broken.

    What only tminus can judge, a metric of the plan or a comparison, is asked of tminus itself.
    """
    if not is_evaluated(limit):
        chosen = selector(service, environment, rule=limit.name, cause="limit", silenced="false")
        return f"{ALERT}{chosen} == 1"
    if limit.metric is Metric.QUESTION:
        chosen = selector(service, environment, question=limit.question)
        share = f"{QUESTION_BAD}{chosen} / {QUESTION_CASES}{chosen} > {_ratio(limit.at_most)}"
        return f"{share}\nand {QUESTION_CASES}{chosen} >= {limit.min_requests}"
    name = f"!{_METER}" if limit.route_class == ALL_CLASSES else limit.route_class
    window = f"[{format_duration(max(limit.window_ms, LEAST_WINDOW_MS))}]"
    chosen = selector(service, environment, **{"class": name})
    if limit.metric is Metric.ERROR_RATE:
        share = f"{_rate(FAILURES, chosen, window)}\n/ {_rate(REQUESTS, chosen, window)}"
        return f"{share}\n> {_ratio(limit.at_most)}\n{_enough(REQUESTS, chosen, window, limit)}"
    within = selector(service, environment, **{"class": name}, le=_edge_above(limit.at_most))
    share = (
        f"1 - {_rate(f'{DURATION}_bucket', within, window)}\n/ {_rate(f'{DURATION}_count', chosen, window)}"
    )
    return f"{share}\n> 0.05\n{_enough(f'{DURATION}_count', chosen, window, limit)}"


def readings(limit: Limit, service: str, environment: str) -> str:
    """PromQL of the series that the limit is judged by; nothing where there is no reading."""
    if not is_evaluated(limit):
        return UP
    if limit.metric is Metric.QUESTION:
        return f"{QUESTION_CASES}{selector(service, environment, question=limit.question)}"
    return f"{REQUESTS}{selector(service, environment)}"


def is_evaluated(limit: Limit) -> bool:
    """Whether Prometheus has what the limit is judged by."""
    return limit.metric is not Metric.MEASURED and limit.is_absolute


def _rate(name: str, chosen: str, window: str) -> str:
    return f"sum by (service, environment, slot) (rate({name}{chosen}{window}))"


def _enough(name: str, chosen: str, window: str, limit: Limit) -> str:
    counted = f"sum by (service, environment, slot) (increase({name}{chosen}{window}))"
    return f"and {counted} >= {limit.min_requests}"


def _edge_above(limit_ms: int) -> str:
    """As tminus judges: an answer is called slow when it certainly was."""
    index = bisect_left(BUCKETS_MS, limit_ms)
    return edge_text(BUCKETS_MS[index]) if index < len(BUCKETS_MS) else "+Inf"


def _ratio(ppm: int) -> str:
    return f"{ppm / PPM:g}"
