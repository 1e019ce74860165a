"""Quantiles at every moment: how far a whole distribution may lie off, and a test of two arms' quantiles.

Howard and Ramdas, Sequential estimation of quantiles with applications to A/B testing and best-arm
identification, Bernoulli 28(3), 2022; parameters as in the authors' program confseq 0.0.11.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from judging.published.mixtures import beta_binomial_mixture

_HALVINGS = 100
_GOLDEN = (math.sqrt(5) - 1) / 2


def lil_bound(cases: int, alpha: float, first: float, scale: float) -> float:
    """What no share of an empirical distribution is ever off by, but for a chance of `alpha` (theorem 2).

    It falls as the law of the iterated logarithm says: `scale sqrt((log(1 + log(cases/first)) + c) / cases)`.

    Args:
        cases: cases so far.
        alpha: chance that the bound is ever broken from `first` cases on.
        first: cases from which it holds; it is infinite before.
        scale: leading factor, above the root of one half.
    """
    if cases < first:
        return math.inf
    constant = _falling_root(lambda c: _least_crossing(c, scale) - alpha, 1e-3, 1e3)
    return scale * math.sqrt((math.log1p(math.log(cases / first)) + constant) / cases)


def _least_crossing(constant: float, scale: float) -> float:
    """Least bound on the chance of a crossing, over the ratio `eta` of neighbouring epochs."""

    def exponent(eta: float) -> float:
        return 2 / eta * (scale - math.sqrt(2 * (eta - 1) / constant)) ** 2

    def chance(eta: float) -> float:
        power = exponent(eta)
        if power <= 1 or eta <= 1:
            return math.inf
        return 4 * math.exp(-power * constant) * (1 + 1 / ((power - 1) * math.log(eta)))

    # Up to where the root is negative, `exponent` falls with eta; the bound is finite while it is above 1.
    end = _falling_root(lambda eta: exponent(eta) - 1, 1.0, 1 + constant * scale**2 / 2)
    return chance(_lowest(chance, 1.0, end))


def quantile_p_value(quantile: float, one: Sequence[float], other: Sequence[float], planned: float) -> float:
    """Anytime p-value of both arms having the same `quantile` (0 to 1), tuned for `planned` cases.

    The evidence is the least, over every value x that the quantile could have, of both arms' evidence
    against x: the two-sided beta-binomial mixture of the share of an arm's cases below x.
    """
    arms = [(sorted(values), _calmest(quantile, len(values), planned)) for values in (one, other)]

    def against(x: float) -> float:
        total = 0.0
        for values, calmest in arms:
            least, most = bisect_left(values, x) / len(values), bisect_right(values, x) / len(values)
            # A value that occurs may count as below or above: what speaks least against x is taken.
            share = min(max(calmest, least), most)
            total += _evidence(quantile, share, len(values), planned)
        return total

    return min(1.0, math.exp(-min(map(against, {*one, *other}))))


def _calmest(quantile: float, cases: int, planned: float) -> float:
    """The share below that speaks least against a value being the quantile."""
    return _lowest(lambda share: _evidence(quantile, share, cases, planned), 0.0, 1.0)


def _evidence(quantile: float, share: float, cases: int, planned: float) -> float:
    variance = quantile * (1 - quantile)
    return beta_binomial_mixture(
        (share - quantile) * cases,
        variance * cases,
        variance * planned,
        quantile,
        1 - quantile,
        one_sided=False,
    )


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest, by golden sections."""
    for _ in range(_HALVINGS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return (low + high) / 2
