"""What stable did before the launch, from samples of the router. Must not judge a candidate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.times import MINUTE_MS, SECOND_MS
from tminus.domain.watch.counts import Counts, Sample
from tminus.domain.watch.evidence.dispersion import BLOCK_S, dispersion_milli

BASELINE_MS = 30 * MINUTE_MS
"""How far back a baseline reaches: many clusters of failures, and still the traffic of this hour."""

_BLOCK_MS = BLOCK_S * SECOND_MS
_UNKNOWN = dispersion_milli(())


@dataclass(frozen=True, slots=True)
class Baseline:
    """Stable's requests of one class before the launch.

    Attributes:
        seconds: for how long they were watched; 0 where they were not.
        counts: all of them together.
        dispersion_milli: see `dispersion_milli`.
    """

    seconds: int = 0
    counts: Counts = field(default_factory=Counts)
    dispersion_milli: int = _UNKNOWN

    @property
    def per_s_milli(self) -> int:
        """Requests in 1000 seconds."""
        return self.counts.requests * 1000 // self.seconds if self.seconds else 0


def baseline_of(samples: Sequence[Sample], stable: Slot, route_class: str) -> Baseline:
    """Stable's baseline of a class, from samples in the order in which they were taken."""
    if len(samples) < 2:  # noqa: PLR2004 - a difference takes two
        return Baseline()
    since_ms = samples[-1].at_ms - BASELINE_MS
    recent = [sample for sample in samples if sample.at_ms >= since_ms]
    classes = None if route_class == ALL_CLASSES else frozenset({route_class})
    whole = Counts()
    blocks: dict[int, int] = {}
    before = _total(recent[0], stable, classes) if recent else Counts()
    for sample in recent[1:]:
        now = _total(sample, stable, classes)
        added = now.since(before)
        whole += added
        block = (sample.at_ms - recent[0].at_ms - 1) // _BLOCK_MS
        blocks[block] = blocks.get(block, 0) + added.failures
        before = now
    if not whole.requests:
        return Baseline()
    seconds = max(1, (recent[-1].at_ms - recent[0].at_ms) // SECOND_MS)
    failed = [blocks.get(number, 0) for number in range(max(blocks) + 1)]
    return Baseline(seconds, whole, dispersion_milli(failed))


def _total(sample: Sample, slot: Slot, classes: frozenset[str] | None) -> Counts:
    """Counts of a slot over all generations: before a launch it has that of the last one only."""
    total = Counts()
    for generation in {entry.generation for entry in sample.classes if entry.slot is slot}:
        total += sample.total(slot, generation, classes)
    return total
