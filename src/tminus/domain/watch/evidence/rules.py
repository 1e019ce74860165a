"""What a judge holds fixed from before the launch: metrics, error budget and the detectors made of them."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import to_json
from tminus.domain.watch.evidence.beta import upper_bound
from tminus.domain.watch.evidence.detector import RESTARTS, Detector, detector, proof
from tminus.domain.watch.evidence.kernel import (
    BlockBet,
    BlockShare,
    Kernel,
    count_above,
    count_below,
    errors_worse,
    share_above,
    share_below,
    share_off,
)
from tminus.domain.watch.evidence.metric import Group, Kind, Metric

PPM = 1_000_000
MILLI = 1000

SLOW_SHARE = 0.05
"""Share of cases that may be slower than a limit on the 95th percentile."""

BLOCK_MS = 1000
STRICT_BLOCK_MS = 5000
"""As long as the longest cluster of failures that must not look like a regression."""

ROLLBACK_BLOCKS = 10
"""Fewest blocks that a rollback rests on, so that a blip of about three seconds is forgiven."""

ALERT_BLOCKS = 3
STRICT_BLOCKS = 3

TEMPER = 1.5
"""A rollback is tempered by this many times the dispersion: the estimate does not see rare clusters. Whoever
lets it rest on fewer blocks wants it soon, and has it tempered by the dispersion alone."""

WEIGHTS: Mapping[Group, float] = MappingProxyType(
    {Group.AVAILABILITY: 0.3, Group.PAYMENT: 0.15, Group.RELATIVE: 0.4, Group.LATENCY: 0.15}
)
"""How the error budget is split: most to the comparison, which finds a bad candidate first. Groups without
metrics leave their part to the others."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One question that is put to the evidence: a formula and the mixture that adds it up.

    Attributes:
        kernel: the formula.
        detector: the mixture.
        gated: its evidence counts only while the candidate exceeds the metric's floor.
        floor_place: where among the kept edges the floor stands; None where it is no time.
    """

    kernel: Kernel
    detector: Detector
    gated: bool = False
    floor_place: int | None = None


@dataclass(frozen=True, slots=True)
class Scales:
    """The scales of one metric; None where it has no such limit.

    Attributes:
        rollback: against the limit.
        alert: against the alert limit.
        passing: for the target.
        weight: the metric's part of the error budget for rollbacks.
        block_ms: length of a block.
        kept: numbers of the histogram's edges that are kept; None keeps all.
    """

    rollback: Scale | None
    alert: Scale | None
    passing: Scale | None
    weight: float
    block_ms: int
    kept: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is fixed before a launch. Another limit is another judge, with an error budget of its own.

    Attributes:
        metrics: what is judged.
        alpha_ppm: bound on the chance that a launch within its limits is rolled back, in parts per million.
        alert_ppm: the same for an alert.
        pass_ppm: bound, per metric, on the chance that one at its limit passes.
        horizon_ms: how long the launch is judged; restarts are spread over it.
        blocks: fewest blocks of a second that a rollback rests on; a blip of a third as long is forgiven.
        candidate: what sentences call the candidate, such as `green`.
        stable: what sentences call stable.
        scales: the scales of each metric, in order; made from the rest.

    Raises:
        ValueError: two metrics share a name, or a limit leaves nothing beyond it to look for. Of a limit of
            nothing, a single bad case is the proof: that is for a plain rule to say.
    """

    metrics: tuple[Metric, ...]
    alpha_ppm: int = 1_000
    alert_ppm: int = 10_000
    pass_ppm: int = 10_000
    horizon_ms: int = 1_800_000
    blocks: int = ROLLBACK_BLOCKS
    candidate: str = "candidate"
    stable: str = "stable"
    scales: tuple[Scales, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Makes the scales."""
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"two metrics share a name: {', '.join(sorted(names))}")
        object.__setattr__(self, "scales", _scales(self))

    def index(self, name: str) -> int:
        """Where a metric stands among the metrics.

        Raises:
            KeyError: there is none of that name.
        """
        for index, metric in enumerate(self.metrics):
            if metric.name == name:
                return index
        raise KeyError(f"no metric is called {name!r}; there are {', '.join(m.name for m in self.metrics)}")

    @property
    def threshold(self) -> float:
        """Natural logarithm of the weighted evidence that rolls back."""
        return math.log(PPM / self.alpha_ppm)

    def digest(self) -> str:
        """A digest of everything that decides; a dump belongs to one."""
        metrics = [to_json(metric) for metric in self.metrics]
        budgets: list[Json] = [self.alpha_ppm, self.alert_ppm, self.pass_ppm, self.horizon_ms, self.blocks]
        return digest_of([metrics, *budgets])


def weights_of(metrics: tuple[Metric, ...]) -> tuple[float, ...]:
    """Each metric's part of the error budget; they sum to 1. Metrics of a group share its part equally.

    Gauges take none: their rule is not a test.
    """
    weighed = [metric for metric in metrics if metric.kind is not Kind.GAUGE]
    sizes = {group: sum(metric.group is group for metric in weighed) for group in Group}
    whole = math.fsum(WEIGHTS[group] for group, size in sizes.items() if size)
    return tuple(
        0.0 if metric.kind is Kind.GAUGE else WEIGHTS[metric.group] / sizes[metric.group] / whole
        for metric in metrics
    )


def _scales(rules: Rules) -> tuple[Scales, ...]:
    rolling = _parts(rules.metrics, [metric.limit is not None for metric in rules.metrics])
    alerting = _parts(rules.metrics, [metric.alert is not None for metric in rules.metrics])
    made = []
    for metric, weight, alert_weight in zip(rules.metrics, rolling, alerting, strict=True):
        try:
            made.append(_scales_of(rules, metric, weight, alert_weight))
        except ValueError as error:
            raise ValueError(f"{metric.name}: {error}") from error
    return tuple(made)


def _parts(metrics: tuple[Metric, ...], chosen: list[bool]) -> tuple[float, ...]:
    parts = iter(weights_of(tuple(m for m, chose in zip(metrics, chosen, strict=True) if chose)))
    return tuple(next(parts) if chose else 0.0 for chose in chosen)


def _scales_of(rules: Rules, metric: Metric, weight: float, alert_weight: float) -> Scales:
    block_ms = STRICT_BLOCK_MS if metric.strict else BLOCK_MS
    if metric.kind is Kind.GAUGE:
        return Scales(None, None, None, 0.0, block_ms)
    every = max(1, rules.horizon_ms // (RESTARTS * block_ms))
    free = metric.deduplicated or metric.strict
    dispersion = metric.dispersion_milli / MILLI
    rollback = alert = passing = None
    if (kernel := kernel_of(metric, metric.limit)) is not None:
        blocks = STRICT_BLOCKS if metric.strict else metric.blocks or rules.blocks
        alpha = rules.alpha_ppm / PPM * weight
        usual = TEMPER if rules.blocks >= ROLLBACK_BLOCKS else 1.0
        temper = 1.0 if free else usual * dispersion
        compares_times = metric.kind is Kind.LATENCY_AGAINST_STABLE and metric.floor is not None
        place = place_of(metric, metric.floor or 0) if compares_times else None
        rollback = Scale(
            kernel, detector(kernel.size, alpha, blocks, temper, every), gated=True, floor_place=place
        )
    if (kernel := kernel_of(metric, metric.alert)) is not None:
        alpha = rules.alert_ppm / PPM * alert_weight
        fewest = min(ALERT_BLOCKS, metric.blocks or ALERT_BLOCKS)
        alert = Scale(kernel, detector(kernel.size, alpha, fewest, 1.0 if free else dispersion, every))
    if (kernel := passing_kernel_of(metric)) is not None:
        temper = dispersion if metric.tempers_pass and not metric.deduplicated else 1.0
        passing = Scale(kernel, proof(kernel.size, rules.pass_ppm / PPM, temper))
    kept = kept_edges(metric) if metric.kind is Kind.LATENCY_AGAINST_STABLE else None
    return Scales(rollback, alert, passing, weight, block_ms, kept)


def kernel_of(metric: Metric, limit: int | None) -> Kernel | None:
    """The formula that looks for a broken `limit`; None without one, and where the baseline is too small."""
    if limit is None or metric.kind is Kind.GAUGE:
        return None
    if metric.kind is Kind.COUNT:
        return count_above(limit / PPM)
    if metric.kind is Kind.SHARE:
        return share_off(limit / MILLI)
    if metric.needs_stable:
        edges = _cuts(metric) if metric.kind is Kind.LATENCY_AGAINST_STABLE else (None,)
        if not edges:
            return None
        ratio = limit / MILLI
        return BlockShare(ratio, edges) if metric.strict else errors_worse(ratio, edges)
    share, edge = _share(metric, limit)
    if share >= 0.5:  # noqa: PLR2004 - a bound this high says that there is no baseline
        return None
    return BlockBet(share, edge) if metric.strict else share_above(share, edge)


def passing_kernel_of(metric: Metric) -> Kernel | None:
    """The formula that proves the target kept; None for kinds that cannot pass."""
    target = target_of(metric)
    if target is None:
        return None
    if metric.kind is Kind.COUNT:
        return count_below(target / PPM)
    if metric.kind in (Kind.RATE, Kind.P95):
        return share_below(*_share(metric, target))
    return None


def target_of(metric: Metric) -> int | None:
    """What a pass must prove to be kept; None where nothing has to be."""
    return metric.limit if metric.target is None else metric.target


def edge_of(metric: Metric, limit_ms: int) -> int:
    """Number of the edge at or next above a limit: what lies beyond it is certainly slower.

    Raises:
        ValueError: the limit lies beyond the last edge.
    """
    index = bisect_left(metric.edges_ms, limit_ms)
    if index == len(metric.edges_ms):
        raise ValueError(f"a limit of {limit_ms} ms lies beyond {metric.edges_ms[-1]} ms")
    return index


def _share(metric: Metric, limit: int) -> tuple[float, int | None]:
    if metric.kind is Kind.P95:
        return SLOW_SHARE, place_of(metric, limit)
    if metric.kind is Kind.AGAINST_BASELINE:
        # A tenth of the smallest budget goes to the chance that the baseline itself was lucky.
        bound = upper_bound(metric.baseline_bad, metric.baseline_total, 1e-4)
        return limit / MILLI * bound, None
    return limit / PPM, None


def kept_edges(metric: Metric) -> tuple[int, ...]:
    """Numbers of the histogram's edges that are kept of a reading; all of them for `P95`."""
    if metric.kind is not Kind.LATENCY_AGAINST_STABLE:
        return tuple(range(len(metric.edges_ms)))
    limits = metric.cuts_ms if metric.floor is None else (*metric.cuts_ms, metric.floor)
    return tuple(sorted({edge_of(metric, limit_ms) for limit_ms in limits}))


def place_of(metric: Metric, limit_ms: int) -> int:
    """Where among the kept edges the one at or next above a limit stands.

    Raises:
        ValueError: the limit lies beyond the last edge.
    """
    return kept_edges(metric).index(edge_of(metric, limit_ms))


def _cuts(metric: Metric) -> tuple[int, ...]:
    return tuple(place_of(metric, cut_ms) for cut_ms in metric.cuts_ms)
