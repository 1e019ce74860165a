"""Simulated launches under the judge's rules: when each of them would have been rolled back."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from judging.vector import Array, Counts, Fleet, Seen, seen

from tminus.domain.watch.evidence.detector import RESTARTS, detector, proof
from tminus.domain.watch.evidence.metric import Group, Kind, Metric
from tminus.domain.watch.evidence.rules import BLOCK_MS, TEMPER, Rules, Scale, kernel_of

LAUNCH_S = 1800
ALPHA = 1e-3
LIMIT_PPM = 10_000

ERRORS = Metric("errors", Kind.RATE, LIMIT_PPM)
AGAINST = Metric("errors against blue", Kind.AGAINST_STABLE, 1000, group=Group.RELATIVE)
STRICT_ERRORS = Metric("errors", Kind.RATE, LIMIT_PPM, strict=True)
STRICT_AGAINST = Metric("errors against blue", Kind.AGAINST_STABLE, 1000, group=Group.RELATIVE, strict=True)
GUARDED = Metric("errors against blue", Kind.AGAINST_STABLE, 1500, group=Group.RELATIVE, floor=5000)


@dataclass(frozen=True)
class Traffic:
    """Bad requests per second and requests per second of both arms, launches by seconds."""

    bad: Counts
    total: Counts
    stable_bad: Counts
    stable_total: Counts

    @property
    def launches(self) -> int:
        return len(self.bad)

    def blocks(self, length_s: int) -> Iterable[Seen]:
        """Blocks of both arms together, in order; what is left over at the end is not judged."""
        for first in range(0, self.bad.shape[1] - length_s + 1, length_s):
            part = slice(first, first + length_s)
            yield seen(
                self.bad[:, part].sum(axis=1),
                self.total[:, part].sum(axis=1),
                self.stable_bad[:, part].sum(axis=1),
                self.stable_total[:, part].sum(axis=1),
            )


def traffic(
    bad: Counts, per_s: int, stable_bad: Counts | None = None, stable_per_s: int | None = None
) -> Traffic:
    """Of constant rates; without `stable_bad` the other arm has no requests."""
    total = np.full_like(bad, per_s)
    if stable_bad is None:
        none = np.zeros_like(bad)
        return Traffic(bad, total, none, none)
    others = per_s if stable_per_s is None else stable_per_s
    return Traffic(bad, total, stable_bad, np.full_like(bad, others))


def scale_of(metric: Metric, blocks: int | None, temper: float = 1.0) -> Scale:
    """A metric's scale with all of the error budget and another cap or tempering."""
    kernel = kernel_of(metric, metric.limit)
    assert kernel is not None
    every = LAUNCH_S * 1000 // (RESTARTS * BLOCK_MS)
    return Scale(kernel, detector(kernel.size, ALPHA, blocks, temper, every))


def without_restarts(metric: Metric) -> Scale:
    """A metric's scale as a plain mixture: one start, no cap, not tempered."""
    kernel = kernel_of(metric, metric.limit)
    assert kernel is not None
    return Scale(kernel, proof(kernel.size, ALPHA))


def usual(metric: Metric) -> Scale:
    """A metric's scale as the judge makes it, with all of the error budget."""
    scale = Rules((metric,)).scales[0].rollback
    assert scale is not None
    return scale


def seconds(scale: Scale, launched: Traffic, dispersion: Array | None = None, length_s: int = 1) -> Array:
    """The second at whose end each launch is rolled back; not a number where it is not.

    Args:
        scale: what judges.
        launched: what happens.
        dispersion: of each launch's baseline, where the scale is tempered by it.
        length_s: length of a block.
    """
    temper = None if dispersion is None else np.maximum(1.0, TEMPER * dispersion)
    fleet = Fleet(scale, launched.launches, temper)
    found = np.full(launched.launches, np.nan)
    for number, block in enumerate(launched.blocks(length_s)):
        fleet.step(block, number)
        _note(found, fleet.fires(), (number + 1) * length_s)
    return found


def together(launched: Traffic, dispersion: Array) -> Array:
    """As `seconds`, for a launch with a limit on errors and one against stable, in one error budget."""
    scales = Rules((ERRORS, GUARDED)).scales
    fleets, weights = [], []
    for scale, floor_ppm in ((scales[0], None), (scales[1], GUARDED.floor)):
        assert scale.rollback is not None
        temper = np.maximum(1.0, TEMPER * dispersion)
        fleets.append(Fleet(scale.rollback, launched.launches, temper, floor_ppm))
        weights.append(np.log(scale.weight))
    found = np.full(launched.launches, np.nan)
    for number, block in enumerate(launched.blocks(1)):
        weighed = []
        for fleet, weight in zip(fleets, weights, strict=True):
            fleet.step(block, number)
            weighed.append(np.where(fleet.counts(), weight + fleet.log_e(), -np.inf))
        _note(found, np.logaddexp(*weighed) >= -np.log(ALPHA), number + 1)
    return found


def _note(found: Array, fires: npt.NDArray[np.bool_], second: int) -> None:
    found[np.isnan(found) & fires] = second


def hits(found: Array) -> int:
    """How many launches were rolled back."""
    return int((~np.isnan(found)).sum())
