"""Limits on metrics, and what follows when one is broken. Must not measure anything."""

from dataclasses import dataclass
from enum import StrEnum


class Metric(StrEnum):
    """What is measured: by the router per slot and route class, by a question, or as the plan says."""

    ERROR_RATE = "error-rate"
    """Share of requests answered with a server error or not at all, in parts per million."""
    LATENCY_P95 = "latency-p95"
    """The answer time that 95 of 100 requests do not exceed, in milliseconds."""
    QUESTION = "question"
    """Share of bad cases that a question to the database counts, in parts per million."""
    MEASURED = "measured"
    """A named metric of the plan, in millionths of its unit; parts per million for a ratio."""


class Consequence(StrEnum):
    """What a broken limit leads to, while the stable slot is there to go back to."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    ALERT = "alert"


class Against(StrEnum):
    """What a limit compares with.

    LIMIT is the value itself; STABLE what stable does at the same time; BASELINE what was measured before
    traffic moved.
    """

    LIMIT = "limit"
    STABLE = "stable"
    BASELINE = "baseline"


class Side(StrEnum):
    """On which side of its value a limit is broken."""

    ABOVE = "above"
    BELOW = "below"


ALL_CLASSES = "all"  # every class of the plan together, the loss meter's apart


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that a metric may reach and not exceed, judged over a window.

    Attributes:
        name: shown in the log and in verdicts.
        metric: what is measured.
        route_class: a class of the plan, or `all`.
        at_most: parts per million for rates, milliseconds for times, millionths of its unit for a measured
            metric; a factor in millionths where `against` is not the limit itself.
        window_ms: how far back the counters are compared; how long a gauge must be beyond the limit.
        min_requests: fewer requests (or cases) in the window are inconclusive.
        question: name of the plan's question for `Metric.QUESTION`, else empty; its query has a window of
            its own.
        measured: name of the plan's metric for `Metric.MEASURED`, else empty.
        side: on which side of `at_most` the limit is broken.
        against: what the value is compared with.
    """

    name: str
    metric: Metric
    at_most: int
    route_class: str = ALL_CLASSES
    window_ms: int = 10_000
    min_requests: int = 20
    question: str = ""
    measured: str = ""
    side: Side = Side.ABOVE
    against: Against = Against.LIMIT

    @property
    def is_routed(self) -> bool:
        """The router counts it."""
        return self.metric in (Metric.ERROR_RATE, Metric.LATENCY_P95)

    @property
    def is_absolute(self) -> bool:
        """It compares with a value of its own, and not with another slot or time."""
        return self.against is Against.LIMIT


@dataclass(frozen=True, slots=True)
class Trigger:
    """A limit that acts when it is broken.

    Attributes:
        limit: what must not be broken.
        consequence: what follows.
        weighed: it is judged by evidence, continuously and with a bound on false alarms; over the limit's
            window otherwise.
    """

    limit: Limit
    consequence: Consequence = Consequence.ROLLBACK
    weighed: bool = False
