"""Limits on metrics, and what follows when one is broken. Must not measure anything."""

from dataclasses import dataclass
from enum import StrEnum


class Metric(StrEnum):
    """What the router counts, per slot and route class."""

    ERROR_RATE = "error-rate"
    """Share of requests answered with a server error or not at all, in parts per million."""
    LATENCY_P95 = "latency-p95"
    """The answer time that 95 of 100 requests do not exceed, in milliseconds."""
    QUESTION = "question"
    """Share of bad cases that a question to the database counts, in parts per million."""


class Consequence(StrEnum):
    """What a broken limit leads to, while the stable slot is there to go back to."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    ALERT = "alert"


ALL_CLASSES = "all"  # every class of the plan together, the loss meter's apart


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that a metric may reach and not exceed, judged over a window.

    Attributes:
        name: shown in the log and in verdicts.
        metric: what is measured.
        route_class: a class of the plan, or `all`.
        at_most: parts per million for rates, milliseconds for times.
        window_ms: how far back the counters are compared.
        min_requests: fewer requests (or cases) in the window are inconclusive.
        question: name of the plan's question for `Metric.QUESTION`, else empty; its query has a window of
            its own.
    """

    name: str
    metric: Metric
    at_most: int
    route_class: str = ALL_CLASSES
    window_ms: int = 10_000
    min_requests: int = 20
    question: str = ""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A limit that acts when it is broken."""

    limit: Limit
    consequence: Consequence = Consequence.ROLLBACK
