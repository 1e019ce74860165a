"""Mixtures of exponential supermartingales: evidence that a sum drifts upwards, whatever its drift.

Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals
of Statistics 49(2), 2021; parameters as in the authors' program confseq 0.0.11. `s` is the sum, `v` its
intrinsic time (variance), `planned` the time for which the mixture is tuned, all at a level of 5 %.
"""

import math
from collections.abc import Callable

from tminus.domain.watch.evidence.beta import beta_share

ALPHA = 0.05
_HALVINGS = 100
_PRECISION = 1e-17


def tuned(variance: float, alpha: float) -> float:
    """The mixing precision that makes the normal mixture's bound nearly least at `variance`."""
    twice = -2 * math.log(alpha)
    return variance / (twice + math.log1p(twice))


def normal_mixture(s: float, v: float, planned: float) -> float:
    """Logarithm of the one-sided normal mixture."""
    rho = tuned(planned, 2 * ALPHA)
    tail = 0.5 * math.erfc(-s / math.sqrt(v + rho) / math.sqrt(2))
    return 0.5 * math.log(4 * rho / (v + rho)) + s * s / (2 * (v + rho)) + math.log(tail)


def beta_binomial_mixture(
    s: float, v: float, planned: float, g: float, h: float, *, one_sided: bool
) -> float:
    """Logarithm of the beta-binomial mixture for increments in [-g, h]."""
    r = max(tuned(planned, 2 * ALPHA if one_sided else ALPHA) - g * h, 1e-3 * g * h)
    x = h / (g + h) if one_sided else 1.0

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b) + math.log(beta_share(x, a, b))

    return (
        v / (g * h) * math.log(g + h)
        - (v / h + s) / (g + h) * math.log(g)
        - (v / g - s) / (g + h) * math.log(h)
        + log_beta((r + v - g * s) / (g * (g + h)), (r + v + h * s) / (h * (g + h)))
        - log_beta(r / (g * (g + h)), r / (h * (g + h)))
    )


def gamma_poisson_mixture(s: float, v: float, planned: float, c: float) -> float:
    """Logarithm of the gamma-Poisson mixture for increments of scale `c`.

    With `expected = v / c²` and `events = s / c + expected` it is a Poisson count's likelihood ratio
    `theta^events exp(-(theta - 1) expected)`, averaged over the rates `theta` above 1 of a gamma
    distribution whose shape and inverse scale are both `gamma_prior(planned, c)`.
    """
    prior = gamma_prior(planned, c)
    expected = v / c**2
    events = s / c + expected
    return expected + _log_gamma_above_1(prior + events, prior + expected) - _log_gamma_above_1(prior, prior)


def gamma_prior(planned: float, c: float) -> float:
    """Shape and inverse scale of the gamma distribution of rates."""
    return tuned(planned, 2 * ALPHA) / c**2


def _log_gamma_above_1(shape: float, inverse_scale: float) -> float:
    """Logarithm of the integral of `t^(shape-1) exp(-inverse_scale t)` over t > 1."""
    whole = math.lgamma(shape) - shape * math.log(inverse_scale)
    return whole + math.log1p(-_gamma_share(shape, inverse_scale))


def _gamma_share(shape: float, x: float) -> float:
    """The regularised lower incomplete gamma function P(shape, x) by its series (DLMF 8.11.4)."""
    term = math.exp(shape * math.log(x) - x - math.lgamma(shape + 1))
    total, divisor = term, shape
    while term > _PRECISION * total:
        divisor += 1
        term *= x / divisor
        total += term
    return total


def bound(mixture: Callable[[float], float], alpha: float = ALPHA) -> float:
    """The sum at which a mixture reaches 1/alpha."""
    low, high = 0.0, 1e3
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if mixture(middle) < -math.log(alpha) else (low, middle)
    return low
