"""Cumulative counters of the router, per slot, generation and route class. Must not judge them."""

from bisect import bisect_left
from dataclasses import dataclass

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES

BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1_000, 2_000, 5_000)
"""Upper edges of the latency histogram. A limit on an edge is exact; between edges the next higher one
decides, so that an answer is only called slow when it certainly was."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one slot, generation and class since the generation began.

    Attributes:
        requests: requests that were given to the slot.
        failures: of these, answered with a server error or not at all; what the net caught counts.
        answers: answers whose time was measured.
        within: answers not slower than each edge of `BUCKETS_MS`, cumulative.
    """

    requests: int = 0
    failures: int = 0
    answers: int = 0
    within: tuple[int, ...] = (0,) * len(BUCKETS_MS)

    def __add__(self, other: "Counts") -> "Counts":
        """Sum of two classes."""
        return Counts(
            self.requests + other.requests,
            self.failures + other.failures,
            self.answers + other.answers,
            tuple(mine + theirs for mine, theirs in zip(self.within, other.within, strict=True)),
        )

    def since(self, earlier: "Counts") -> "Counts":
        """What was added after `earlier`; a counter that fell was reset and counts from zero."""
        if self.requests < earlier.requests or self.answers < earlier.answers:
            return self
        return Counts(
            self.requests - earlier.requests,
            max(0, self.failures - earlier.failures),
            self.answers - earlier.answers,
            tuple(max(0, now - then) for now, then in zip(self.within, earlier.within, strict=True)),
        )

    def slower_than(self, limit_ms: int) -> int:
        """Answers that certainly took longer than `limit_ms`: those above the next edge."""
        index = bisect_left(BUCKETS_MS, limit_ms)
        return self.answers - (self.within[index] if index < len(BUCKETS_MS) else self.answers)

    def quantile_ms(self, per_mille: int) -> int | None:
        """Upper edge of the bucket that holds the quantile; None without answers or beyond the last."""
        if not self.answers:
            return None
        needed = -(-self.answers * per_mille // 1000)
        for edge_ms, within in zip(BUCKETS_MS, self.within, strict=True):
            if within >= needed:
                return edge_ms
        return None


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Counts under the key that a router keeps them."""

    slot: Slot
    generation: int
    route_class: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Sample:
    """All counters at one instant, milliseconds since the epoch."""

    at_ms: int
    classes: tuple[ClassCounts, ...]

    def class_total(self, slot: Slot, generation: int, route_class: str) -> Counts:
        """Sum of a class, or of all but the meter's for `all`."""
        return self.total(slot, generation, None if route_class == ALL_CLASSES else frozenset({route_class}))

    def total(self, slot: Slot, generation: int, route_classes: frozenset[str] | None) -> Counts:
        """Sum over the named classes, or over all but the meter's when None."""
        total = Counts()
        for entry in self.classes:
            if entry.slot is not slot or entry.generation != generation:
                continue
            if (
                entry.route_class == "meter"
                if route_classes is None
                else entry.route_class not in route_classes
            ):
                continue
            total += entry.counts
        return total
