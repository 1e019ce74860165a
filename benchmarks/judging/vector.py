"""Many launches at once: the formulas of `tminus.domain.watch.evidence` over arrays.

The constants are those of the domain's own scales; only the loops over launches and alternatives are others.
`benchmarks/judge.py` and a test hold every number to the domain's own, to 1e-9.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tminus.domain.watch.evidence.kernel import BlockBet, BlockShare, Kernel, Linear, TwoArms
from tminus.domain.watch.evidence.rules import PPM, Scale

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What both arms did in one block, per launch; `bad` has a column per cut, or one."""

    bad: Counts
    total: Counts
    stable_bad: Counts
    stable_total: Counts


def seen(
    bad: Counts, total: Counts, stable_bad: Counts | None = None, stable_total: Counts | None = None
) -> Seen:
    """Counts of one block; one column where there are no cuts."""
    none = np.zeros_like(total)
    stable_bad = none if stable_bad is None else stable_bad
    stable_total = none if stable_total is None else stable_total
    return Seen(_columns(bad), total, _columns(stable_bad), stable_total)


def _columns(counts: Counts) -> Counts:
    return counts[:, None] if counts.ndim == 1 else counts


def log_ratios(kernel: Kernel, block: Seen) -> Array:
    """Log-likelihood ratios, launches by alternatives; 0 where nothing can be said."""
    if isinstance(kernel, Linear):
        per_bad, per_case = np.array(kernel.per_bad), np.array(kernel.per_case)
        linear: Array = block.bad[:, :1] * per_bad + block.total[:, None] * per_case
        return linear
    if isinstance(kernel, BlockBet):
        share = np.divide(block.bad[:, 0], np.maximum(block.total, 1))
        gain = np.where(block.total > 0, share / kernel.limit - 1, 0.0)
        staked: Array = np.log1p(gain[:, None] * np.array(kernel.bets))
        return staked
    both = block.total + block.stable_total
    rho = np.divide(block.total, np.maximum(both, 1))
    said = (block.total > 0) & (block.stable_total > 0)
    errors = block.bad + block.stable_bad
    if isinstance(kernel, TwoArms):
        return _two_arms(kernel, block, rho, said)
    assert isinstance(kernel, BlockShare)
    expected = rho * kernel.ratio / (1 - rho + rho * kernel.ratio)
    share = np.divide(block.bad, np.maximum(errors, 1))
    known = (errors > 0) & said[:, None]
    gain = np.where(known, share / np.where(said, expected, 1.0)[:, None] - 1, 0.0)
    ratios: Array = np.log1p(gain[:, :, None] * np.array(kernel.bets)).reshape(len(both), -1)
    return ratios


def _two_arms(kernel: TwoArms, block: Seen, rho: Array, said: npt.NDArray[np.bool_]) -> Array:
    odds = np.array(kernel.odds)
    up = np.log(odds) - np.log(kernel.ratio)
    rho = rho[:, None]
    both = np.log(1 - rho + rho * odds) - np.log(1 - rho + rho * kernel.ratio)
    mine, others = block.bad[:, :, None], block.stable_bad[:, :, None]
    ratios = mine * up - (mine + others) * both[:, None, :]
    return np.where(said[:, None], ratios.reshape(len(rho), -1), 0.0)


class Fleet:
    """One scale's evidence in many launches.

    Attributes:
        logs: logarithms of the mixtures' parts, launches by alternatives.
    """

    def __init__(
        self, scale: Scale, launches: int, temper: Array | None = None, floor_ppm: int | None = None
    ) -> None:
        """Takes a scale, and where each launch has its own dispersion the tempering per launch."""
        self.scale = scale
        self.logs = np.tile(np.array(scale.detector.begin()), (launches, 1))
        self._temper = temper
        self._floor_ppm = floor_ppm
        self._bad = np.zeros(launches, dtype=np.int64)
        self._total = np.zeros(launches, dtype=np.int64)

    def step(self, block: Seen, number: int, before: int | None = None) -> None:
        """One block more: number `number` from the first, after number `before`."""
        detector = self.scale.detector
        if self._floor_ppm is not None:
            fresh = self.log_e() <= 0
            self._bad = np.where(fresh, 0, self._bad) + block.bad[:, 0]
            self._total = np.where(fresh, 0, self._total) + block.total
        due = detector.restarts_between(max(0, number - 1) if before is None else before, number)
        if due:
            np.logaddexp(self.logs, np.log(due * detector.restart), out=self.logs)
        ratios = log_ratios(self.scale.kernel, block)
        ratios /= detector.temper if self._temper is None else self._temper[:, None]
        np.minimum(ratios, detector.cap, out=ratios)
        self.logs += ratios

    def log_e(self) -> Array:
        """Natural logarithm of the evidence of each launch."""
        high = self.logs.max(axis=1)
        mass = np.exp(self.logs - high[:, None]).mean(axis=1)
        result: Array = high + np.log(mass)
        return result

    def fires(self) -> npt.NDArray[np.bool_]:
        """Which launches have enough evidence now; the exact sum only where it can be enough."""
        threshold = self.scale.detector.threshold
        result: npt.NDArray[np.bool_] = self.logs.max(axis=1) >= threshold
        if result.any():
            result &= self.log_e() >= threshold
        return result & self.counts()

    def counts(self) -> npt.NDArray[np.bool_]:
        """Where the candidate exceeds the floor; everywhere without one."""
        if self._floor_ppm is None:
            return np.ones(len(self.logs), dtype=np.bool_)
        above: npt.NDArray[np.bool_] = self._bad * PPM > self._floor_ppm * self._total
        return above
