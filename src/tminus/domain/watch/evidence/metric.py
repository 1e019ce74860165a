"""What is judged and against what, in whole numbers. Must not weigh anything."""

from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.watch.counts import BUCKETS_MS


class Kind(StrEnum):
    """Which formula weighs a metric."""

    RATE = "rate"
    """Share of bad cases against a limit."""
    P95 = "p95"
    """The 95th percentile against a limit: more than 5 % of the cases are slower."""
    AGAINST_STABLE = "against-stable"
    """Share of bad cases against stable's in the same moments."""
    AGAINST_BASELINE = "against-baseline"
    """Share of bad cases against what stable had before the launch."""
    LATENCY_AGAINST_STABLE = "latency-against-stable"
    """The whole distribution of latency against stable's in the same moments."""
    COUNT = "count"
    """Events per unit of exposure against a known rate."""
    SHARE = "share"
    """The candidate's share of requests against the router's weight, both ways."""
    GAUGE = "gauge"
    """A measured value, such as processor time, that stays above a limit."""


class Group(StrEnum):
    """Metrics that share one part of the error budget."""

    AVAILABILITY = "availability"
    PAYMENT = "payment"
    RELATIVE = "relative"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is judged.

    Limits are parts per million of the cases for rates, milliseconds for `P95`, events per million units of
    exposure for counts, the gauge's own unit for gauges, and thousandths of a ratio for the kinds that
    compare: 1500 allows one and a half times stable's odds. A limit that is None is not judged.

    Attributes:
        name: shown in sentences, such as `payments`. One metric, one name.
        kind: which formula weighs it.
        limit: rolls back when it is broken.
        alert: alerts when it is broken.
        target: what a pass must prove to be kept; None takes `limit`. Only rates, percentiles and counts can
            pass; a metric with neither limit nor target keeps nothing else from passing.
        group: whose part of the error budget it draws on.
        floor: for comparing kinds: a rollback also needs the candidate's own share (parts per million) or
            95th percentile (milliseconds) to exceed this, usually the absolute metric's alert limit.
        dispersion_milli: how much more the count of bad cases varies than by chance, in thousandths; see
            `dispersion`. 2000 is the guess without a baseline.
        tempers_pass: the dispersion slows a pass down too. Without it a candidate beyond its limit whose bad
            cases come in clusters may well pass between two of them.
        deduplicated: bad cases are counted once per client and incident, so none come in clusters.
        strict: weigh blocks of 5 seconds as wholes, for a proof that holds whatever depends on what inside.
        stale_ms: readings older than this say nothing of now. Five times as long as they are apart.
        burn_in_ms: latency counts from so long after the first case: cold caches are no regression.
        edges_ms: the histogram's upper edges, for latency.
        cuts_ms: the edges that are compared with stable's, from `cuts_of`.
        baseline_bad: bad cases of the baseline.
        baseline_total: cases of the baseline.
        blocks: fewest readings that a rollback rests on; 0 takes the rules' number of seconds. For metrics
            that are read every few seconds: each reading then stands for many.
    """

    name: str
    kind: Kind
    limit: int | None = None
    alert: int | None = None
    target: int | None = None
    group: Group = Group.AVAILABILITY
    floor: int | None = None
    dispersion_milli: int = 2000
    tempers_pass: bool = False
    deduplicated: bool = False
    strict: bool = False
    stale_ms: int = 5000
    burn_in_ms: int = 30_000
    edges_ms: tuple[int, ...] = BUCKETS_MS
    cuts_ms: tuple[int, ...] = ()
    baseline_bad: int = 0
    baseline_total: int = 0
    blocks: int = 0

    @property
    def compares(self) -> bool:
        """Whether the candidate is weighed against stable rather than against a limit."""
        return self.kind in (Kind.AGAINST_STABLE, Kind.AGAINST_BASELINE, Kind.LATENCY_AGAINST_STABLE)

    @property
    def gates(self) -> bool:
        """Whether a launch may not pass while nothing is known of it."""
        return self.limit is not None or self.target is not None

    @property
    def has_histogram(self) -> bool:
        """Whether its readings carry one."""
        return self.kind in (Kind.P95, Kind.LATENCY_AGAINST_STABLE)

    @property
    def needs_stable(self) -> bool:
        """Whether nothing can be said of a moment without stable's cases."""
        return self.kind in (Kind.AGAINST_STABLE, Kind.LATENCY_AGAINST_STABLE)


def cuts_of(within: tuple[int, ...], total: int, edges_ms: tuple[int, ...] = BUCKETS_MS) -> tuple[int, ...]:
    """The edges nearest above a baseline's 50th, 75th, 90th, 95th and 99th percentile, each once.

    Args:
        within: cases of the baseline not slower than each edge, cumulative.
        total: cases of the baseline.
        edges_ms: the histogram's upper edges.
    """
    cuts = []
    for per_mille in (500, 750, 900, 950, 990):
        needed = -(-total * per_mille // 1000)
        cut = next((edge for edge, seen in zip(edges_ms, within, strict=True) if seen >= needed), None)
        if total and cut is not None and cut not in cuts:
            cuts.append(cut)
    return tuple(cuts)
