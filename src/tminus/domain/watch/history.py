"""Figures of a launch by the minute, for charts and for what is usual. Must not store or judge them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.times import MINUTE_MS, SECOND_MS
from tminus.domain.watch.counts import Counts, Sample
from tminus.domain.watch.measurement import Arm, Measurements

POINT_MS = MINUTE_MS
"""Seconds are in the ring of samples for an hour; what is older is worth a minute."""

MOST_POINTS = 26 * 60
"""A day of watching and what comes before it."""

EDGE_SLACK_MS = 5 * SECOND_MS
"""A minute that has no sample so near its ends is left out: no data is not zero."""

_P95 = 950  # per mille


@dataclass(frozen=True, slots=True)
class Figure:
    """One slot and class over one minute.

    Attributes:
        route_class: or `all`, the loss meter's apart.
        p95_ms: upper edge of the bucket, None without answers or beyond the last.
    """

    slot: Slot
    route_class: str
    requests: int
    failures: int
    p95_ms: int | None


@dataclass(frozen=True, slots=True)
class Gauge:
    """The last value of a metric of the plan in one minute, in millionths of its unit."""

    metric: str
    value_micro: int


@dataclass(frozen=True, slots=True)
class Point:
    """One minute.

    Attributes:
        at_ms: its end, milliseconds since the epoch, a whole minute.
        span_ms: between the samples that it was made from.
        share_bp: of the candidate at its end.
        generation: of the counters.
        figures: all classes together first, then each class, per slot.
        gauges: metrics of the plan that had a value in it, by name.
    """

    at_ms: int
    span_ms: int
    share_bp: int
    generation: int
    figures: tuple[Figure, ...]
    gauges: tuple[Gauge, ...] = ()

    def figure(self, slot: Slot, route_class: str = ALL_CLASSES) -> Figure | None:
        """Of one slot and class."""
        found = (each for each in self.figures if each.slot is slot and each.route_class == route_class)
        return next(found, None)


def point_of(samples: Sequence[Sample], end_ms: int, generation: int, share_bp: int) -> Point | None:
    """The minute that ends at `end_ms`, from samples oldest first; None where they do not span it."""
    first, last = _nearest(samples, end_ms - POINT_MS), _nearest(samples, end_ms)
    if first is None or last is None or first.at_ms >= last.at_ms:
        return None
    names = {entry.route_class for entry in last.classes if entry.generation == generation}
    figures = [
        _figure(slot, name, first, last, generation)
        for slot in Slot
        for name in (ALL_CLASSES, *sorted(names))
    ]
    return Point(end_ms, last.at_ms - first.at_ms, share_bp, generation, tuple(figures))


def gauges_in(measurements: Measurements, end_ms: int) -> tuple[Gauge, ...]:
    """The last value of each metric in the minute that ends at `end_ms`, stable's apart."""
    found = []
    for name, taken in sorted(measurements.items()):
        values = [
            each.value_micro
            for each in taken
            if each.counts and each.arm is not Arm.STABLE and end_ms - POINT_MS < each.at_ms <= end_ms
        ]
        if values and values[-1] is not None:
            found.append(Gauge(name, values[-1]))
    return tuple(found)


def _nearest(samples: Sequence[Sample], at_ms: int) -> Sample | None:
    """The newest sample at or before `at_ms`, None where it is too old to stand for it."""
    for sample in reversed(samples):
        if sample.at_ms <= at_ms:
            return sample if at_ms - sample.at_ms <= EDGE_SLACK_MS else None
    return None


def _figure(slot: Slot, name: str, first: Sample, last: Sample, generation: int) -> Figure:
    classes = None if name == ALL_CLASSES else frozenset({name})
    counts: Counts = last.total(slot, generation, classes).since(first.total(slot, generation, classes))
    return Figure(slot, name, counts.requests, counts.failures, counts.quantile_ms(_P95))
