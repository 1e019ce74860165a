"""A bound on false alarms at any moment: a weighted mixture of likelihood ratios that starts again and again.

For alternatives j = 1..J and blocks t, with the block's log-likelihood ratio l_j(t) against the limit:

    o_j(t) = min(l_j(t) / temper, cap)
    R_j(t) = (R_j(t-1) + w_t) exp(o_j(t)),   R_j(0) = start
    E(t)   = mean over j of R_j(t)

Where the limit holds, E(t) plus the weight not yet spent is a nonnegative supermartingale that begins at no
more than 1, so E ever reaches 1/alpha with a chance of at most alpha (Ville). That is the e-detector of Shin,
Ramdas and Rinaldo (arXiv 2203.03532) with starts whose weights sum to 1. The cap and the tempering only make
E smaller. Restarts let a regression that begins late count from when it began. Must not know any metric.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

START = 0.7
"""Share of the weight that is spent at the beginning. It costs 0.36 nats of evidence there; what remains
goes to the restarts."""

RESTARTS = 180
"""Restarts over which the rest of the weight is spread."""


@dataclass(frozen=True, slots=True)
class Detector:
    """The constants of one mixture.

    Attributes:
        size: alternatives.
        threshold: natural logarithm of the evidence that it takes to fire.
        cap: most that one block may add to an alternative's logarithm.
        temper: divides what a block says; above 1 where bad cases come in clusters.
        start: weight of the first start.
        restart: weight of each later one.
        every: blocks between restarts.
        restarts: how many there are.
    """

    size: int
    threshold: float
    cap: float = math.inf
    temper: float = 1.0
    start: float = START
    restart: float = (1 - START) / RESTARTS
    every: int = 10
    restarts: int = RESTARTS

    def begin(self) -> tuple[float, ...]:
        """Logarithms of R_j(0)."""
        return (math.log(self.start),) * self.size

    def restarts_between(self, earlier: int, later: int) -> int:
        """Restarts that fall after block number `earlier`, up to and with `later`; the first block is 0."""
        if not self.restart:
            return 0
        return min(later // self.every, self.restarts) - min(earlier // self.every, self.restarts)

    def step(
        self, logs: tuple[float, ...], ratios: tuple[float, ...] | None, restarts: int = 0
    ) -> tuple[float, ...]:
        """Logarithms of R_j after a block with these log-likelihood ratios; None says nothing."""
        if restarts:
            added = math.log(restarts * self.restart)
            logs = tuple(log_add(log, added) for log in logs)
        if ratios is None:
            return logs
        temper, cap = self.temper, self.cap
        return tuple(log + min(ratio / temper, cap) for log, ratio in zip(logs, ratios, strict=True))


def detector(size: int, alpha: float, blocks: int | None, temper: float, every: int) -> Detector:
    """A detector that rolls back or alerts.

    Args:
        size: alternatives.
        alpha: bound on the chance that it ever fires where its limit holds.
        blocks: fewest blocks that firing must rest on; None for no such bound.
        temper: see `Detector`; below 1 counts as 1.
        every: blocks between restarts.
    """
    threshold = -math.log(alpha)
    cap = math.inf if blocks is None else (threshold + math.log(size / START)) / blocks
    return Detector(size, threshold, cap, max(1.0, temper), every=max(1, every))


def proof(size: int, alpha: float, temper: float = 1.0) -> Detector:
    """A detector that proves a candidate better than its limit: one start, no cap."""
    return Detector(size, -math.log(alpha), temper=max(1.0, temper), start=1.0, restart=0.0)


def log_add(one: float, other: float) -> float:
    """Logarithm of the sum of two numbers given by their logarithms."""
    low, high = (one, other) if one < other else (other, one)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def log_sum(logs: Iterable[float]) -> float:
    """Logarithm of the sum of numbers given by their logarithms; minus infinity for none."""
    numbers = tuple(logs)
    high = max(numbers, default=-math.inf)
    if high == -math.inf:
        return high
    return high + math.log(math.fsum(math.exp(log - high) for log in numbers))


def log_mean(logs: tuple[float, ...]) -> float:
    """Logarithm of the mean of numbers given by their logarithms."""
    return log_sum(logs) - math.log(len(logs))
