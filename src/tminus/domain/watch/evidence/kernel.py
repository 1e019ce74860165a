"""What a block says about each alternative: one formula per kind of metric. Must not keep any state.

Each kernel gives, per alternative, the logarithm of a factor whose mean is at most 1 as long as the limit
holds, whatever was seen before. A block of which nothing can be said gives None.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.watch.evidence.grid import BETS, BETTER, ODDS, worse
from tminus.domain.watch.evidence.tally import Both

_PPM = 1_000_000

Ratios = tuple[float, ...]


class Kernel(Protocol):
    """One formula with its alternatives."""

    @property
    def size(self) -> int:
        """Alternatives."""

    def log_ratios(self, seen: Both) -> Ratios | None:
        """Log-likelihood ratio of each alternative against the limit, for one block."""


@dataclass(frozen=True, slots=True)
class Linear:
    """One arm: so much per bad case, so much per case.

    Attributes:
        per_bad: added per bad case, by alternative.
        per_case: added per case, by alternative.
        edge: the histogram's edge above which a case is bad; None counts the bad ones.
    """

    per_bad: Ratios
    per_case: Ratios
    edge: int | None = None

    @property
    def size(self) -> int:
        """Alternatives."""
        return len(self.per_bad)

    def log_ratios(self, seen: Both) -> Ratios | None:
        """`k log(pj/p0) + (n-k) log((1-pj)/(1-p0))`, or a Poisson count's."""
        total = seen.candidate.total
        if not total:
            return None
        bad = seen.candidate.bad_at(self.edge)
        return tuple(bad * u + total * v for u, v in zip(self.per_bad, self.per_case, strict=True))


def share_above(limit: float, edge: int | None = None) -> Linear:
    """Evidence that more than `limit` (0 to 1) of all cases are bad."""
    return _bernoulli(limit, worse(limit), edge)


def share_below(limit: float, edge: int | None = None) -> Linear:
    """Evidence that fewer than `limit` (0 to 1) of all cases are bad."""
    return _bernoulli(limit, tuple(limit / times for times in BETTER), edge)


def count_above(per_case: float) -> Linear:
    """Evidence that there are more than `per_case` events per unit of exposure."""
    return _poisson(per_case, ODDS)


def count_below(per_case: float) -> Linear:
    """Evidence that there are fewer than `per_case` events per unit of exposure."""
    return _poisson(per_case, tuple(1 / times for times in BETTER))


def _bernoulli(limit: float, shares: tuple[float, ...], edge: int | None) -> Linear:
    good = tuple(math.log1p(-share) - math.log1p(-limit) for share in shares)
    bad = tuple(math.log(share / limit) for share in shares)
    return Linear(tuple(b - g for b, g in zip(bad, good, strict=True)), good, edge)


def _poisson(per_case: float, times: tuple[float, ...]) -> Linear:
    return Linear(tuple(math.log(th) for th in times), tuple((1 - th) * per_case for th in times))


@dataclass(frozen=True, slots=True)
class TwoArms:
    """Both arms in the same block, conditional on how many bad cases there were in both.

    The odds of a bad case in the candidate are at most `ratio` times stable's. What both arms share, such as
    a failing dependency, cancels out. Lindon and Malek (arXiv 2011.03567), one-sided, with a grid of ratios.

    Attributes:
        ratio: the odds ratio that is allowed.
        odds: alternatives, each above `ratio`.
        edges: the cuts of the histogram that are compared, each with every alternative; `(None,)` compares
            bad cases.
    """

    ratio: float
    odds: tuple[float, ...]
    edges: tuple[int | None, ...] = (None,)

    @property
    def size(self) -> int:
        """Alternatives."""
        return len(self.odds) * len(self.edges)

    def log_ratios(self, seen: Both) -> Ratios | None:
        """`kg log(th/r) - (kg+kb) log((1-rho+rho th)/(1-rho+rho r))`, rho by the block's own cases."""
        candidate, stable = seen.candidate, seen.stable
        if not candidate.total or not stable.total:
            return None
        counts = [(candidate.bad_at(edge), stable.bad_at(edge)) for edge in self.edges]
        if not any(mine or others for mine, others in counts):
            return None
        gains = _gains(candidate.total / (candidate.total + stable.total), self.ratio, self.odds)
        return tuple(mine * up - (mine + others) * both for mine, others in counts for up, both in gains)


def errors_worse(ratio: float, edges: tuple[int | None, ...] = (None,)) -> TwoArms:
    """Evidence that the candidate's odds of a bad case exceed `ratio` times stable's."""
    return TwoArms(ratio, tuple(ratio * times for times in ODDS), edges)


@dataclass(frozen=True, slots=True)
class RouterShare:
    """Whether the candidate gets the share of requests that the router was told to give it, both ways."""

    ratio: float
    odds: tuple[float, ...]

    @property
    def size(self) -> int:
        """Alternatives."""
        return 2 * len(self.odds)

    def log_ratios(self, seen: Both) -> Ratios | None:
        """The two-arm formula with requests in place of errors, upward and with the arms swapped."""
        candidate, weight_ppm = seen.candidate, seen.weight_ppm
        if weight_ppm is None or not 0 < weight_ppm < _PPM or not candidate.total:
            return None
        rho = weight_ppm / _PPM
        mine, others = candidate.bad, candidate.total - candidate.bad
        upward = _gains(rho, self.ratio, self.odds)
        downward = _gains(1 - rho, self.ratio, self.odds)
        return (
            *(mine * up - candidate.total * both for up, both in upward),
            *(others * up - candidate.total * both for up, both in downward),
        )


def share_off(ratio: float) -> RouterShare:
    """Evidence that the odds of getting a request are more than `ratio` times off what was asked."""
    return RouterShare(ratio, tuple(ratio * times for times in ODDS))


def _gains(rho: float, ratio: float, odds: tuple[float, ...]) -> list[tuple[float, float]]:
    """Per alternative: what a bad case of the candidate adds, and what one of either arm takes."""
    base, log_ratio = math.log(1 - rho + rho * ratio), math.log(ratio)
    return [(math.log(th) - log_ratio, math.log(1 - rho + rho * th) - base) for th in odds]


@dataclass(frozen=True, slots=True)
class BlockBet:
    """Strict mode for one arm: bets on the mean of a whole block, whatever depends on what within it.

    Waudby-Smith and Ramdas (JRSSB 2024), one-sided, with fixed stakes.
    """

    limit: float
    edge: int | None = None
    bets: tuple[float, ...] = BETS

    @property
    def size(self) -> int:
        """Alternatives."""
        return len(self.bets)

    def log_ratios(self, seen: Both) -> Ratios | None:
        """`log(1 + l (Y/m0 - 1))` with the block's share Y."""
        candidate = seen.candidate
        if not candidate.total:
            return None
        gain = candidate.bad_at(self.edge) / candidate.total / self.limit - 1
        return tuple(math.log1p(bet * gain) for bet in self.bets)


@dataclass(frozen=True, slots=True)
class BlockShare:
    """Strict mode for two arms: bets on whose the block's bad cases are, for clients assigned at random."""

    ratio: float
    edges: tuple[int | None, ...] = (None,)
    bets: tuple[float, ...] = BETS

    @property
    def size(self) -> int:
        """Alternatives."""
        return len(self.bets) * len(self.edges)

    def log_ratios(self, seen: Both) -> Ratios | None:
        """`log(1 + l (kg/(kg+kb)/pi - 1))`, `pi = rho r / (1 - rho + rho r)`; 0 without bad cases."""
        candidate, stable = seen.candidate, seen.stable
        if not candidate.total or not stable.total:
            return None
        if seen.weight_ppm is not None and 0 < seen.weight_ppm < _PPM:
            rho = seen.weight_ppm / _PPM
        else:
            rho = candidate.total / (candidate.total + stable.total)
        expected = rho * self.ratio / (1 - rho + rho * self.ratio)
        ratios: list[float] = []
        for edge in self.edges:
            mine, others = candidate.bad_at(edge), stable.bad_at(edge)
            gain = mine / (mine + others) / expected - 1 if mine + others else 0.0
            ratios.extend(math.log1p(bet * gain) for bet in self.bets)
        return tuple(ratios)
