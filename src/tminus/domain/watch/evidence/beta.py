"""The beta distribution, for bounds on shares. Must not know what is counted."""

import math

_TINY = 1e-300
_PRECISION = 1e-15
_TERMS = 10_000  # a fraction needs about the root of its larger parameter; 1e8 cases take this many
_HALVINGS = 200  # of the unit interval; below a double's resolution long before


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    # The fraction converges fast on this side of the mean only.
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_share(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) of the incomplete beta function."""
    value = high = 1.0
    low = 0.0
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        low = 1 / ((1 + d * low) or _TINY)
        high = (1 + d / high) or _TINY
        value *= low * high
        if abs(low * high - 1) < _PRECISION:
            break
    return value


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = `probability` (0 to 1), to a double's resolution."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_share(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def upper_bound(bad: int, total: int, alpha: float) -> float:
    """What a share does not exceed but for a chance of `alpha`, after `bad` of `total` (Clopper-Pearson)."""
    return 1.0 if bad >= total else beta_quantile(1 - alpha, bad + 1, total - bad)
