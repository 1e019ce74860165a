"""Intervals for people: where a share or a percentile lies, valid at every moment at once.

They decide nothing. A confidence sequence covers the truth at all times with the chance it states, so it may
be looked at as often as one likes. Howard, Ramdas, McAuliffe and Sekhon (Annals of Statistics 2021).
"""

import math
from collections.abc import Callable

_PPM = 1_000_000
_HALVINGS = 60  # of an interval of at most 1; finer than a part in 1e17
_DESIGN_ALPHA = 0.05
_LEAST_PRIOR = 1e-3


def bernoulli_cs(bad: int, total: int, alpha: float = 0.05, planned: float = 1000) -> tuple[float, float]:
    """Confidence sequence of a share, by a beta-binomial mixture centred on each value that is tried.

    Args:
        bad: bad cases, at most `total`.
        total: cases, at least one.
        alpha: chance that the sequence ever misses the truth.
        planned: number of cases at which it should be narrowest, fixed beforehand.

    Returns:
        Its lower and upper end, 0 to 1.
    """
    share = bad / total
    prior = max(planned / _one_over_rho(_DESIGN_ALPHA) - 1, _LEAST_PRIOR)
    threshold = -math.log(alpha)

    def rejected(p: float) -> bool:
        return _log_martingale(p, bad, total, prior) > threshold

    low = 0.0 if bad == 0 else _end(rejected_from=0.0, kept_from=share, rejected=rejected)
    high = 1.0 if bad == total else _end(rejected_from=1.0, kept_from=share, rejected=rejected)
    return low, high


def share_interval_ppm(bad: int, total: int, planned: int = 1000, alpha: float = 0.05) -> tuple[int, int]:
    """`bernoulli_cs` in parts per million, rounded outwards."""
    low, high = bernoulli_cs(bad, total, alpha, planned)
    return math.floor(low * _PPM), math.ceil(high * _PPM)


def percentile_interval_ms(
    within: tuple[int, ...],
    total: int,
    edges_ms: tuple[int, ...],
    share: float = 0.95,
    alpha: float = 0.05,
    planned: float = 1000,
) -> tuple[int | None, int | None]:
    """Between which edges of a histogram a percentile lies.

    Args:
        within: cases not slower than each edge, cumulative.
        total: cases.
        edges_ms: upper edges.
        share: the percentile, 0 to 1.
        alpha: chance that the interval ever misses it.
        planned: see `bernoulli_cs`.

    Returns:
        The highest edge that is certainly below, and the lowest that is certainly not; None where the
        histogram has no such edge.
    """
    if not total:
        return None, None
    lower: int | None = None
    for edge_ms, seen in zip(edges_ms, within, strict=True):
        low, high = bernoulli_cs(seen, total, alpha, planned)
        if high < share:
            lower = edge_ms
        if low > share:
            return lower, edge_ms
    return lower, None


def _one_over_rho(alpha: float) -> float:
    """Of the normal mixture that is tightest at a given variance; two-sided."""
    twice = -2 * math.log(alpha)
    return twice + math.log1p(twice)


def _log_martingale(p: float, bad: int, total: int, prior: float) -> float:
    """Logarithm of the beta-binomial mixture against `p`; its prior has mean `p` and `prior` cases."""
    good = total - bad
    return (
        _log_beta((1 - p) * prior + good, p * prior + bad)
        - _log_beta((1 - p) * prior, p * prior)
        - bad * math.log(p)
        - good * math.log1p(-p)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _end(rejected_from: float, kept_from: float, rejected: Callable[[float], bool]) -> float:
    outside, inside = rejected_from, kept_from
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2
