"""Published formulas that the judge does not use, to hold its building blocks and our reading of them to.

Howard, Ramdas, McAuliffe and Sekhon (Annals of Statistics 2021) and their program confseq for the mixtures;
Lindon and Malek (arXiv 2011.03567) for the multinomial test; Kulldorff and others (2011) for MaxSPRT.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from tminus.domain.watch.evidence.beta import beta_share

ALPHA = 0.05


def _rho(variance: float, alpha: float) -> float:
    twice = -2 * math.log(alpha)
    return variance / (twice + math.log1p(twice))


def normal_mixture(s: float, v: float, planned: float) -> float:
    """Logarithm of the one-sided normal mixture."""
    rho = _rho(planned, 2 * ALPHA)
    tail = 0.5 * math.erfc(-s / math.sqrt(v + rho) / math.sqrt(2))
    return 0.5 * math.log(4 * rho / (v + rho)) + s * s / (2 * (v + rho)) + math.log(tail)


def beta_binomial_mixture(
    s: float, v: float, planned: float, g: float, h: float, *, one_sided: bool
) -> float:
    """Logarithm of the beta-binomial mixture for increments in [-g, h]."""
    r = max(_rho(planned, 2 * ALPHA if one_sided else ALPHA) - g * h, 1e-3 * g * h)
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


def bound(mixture: Callable[[float], float], alpha: float = ALPHA) -> float:
    """The sum at which a mixture reaches 1/alpha."""
    low, high = 0.0, 1e3
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if mixture(middle) < -math.log(alpha) else (low, middle)
    return low


def multinomial_stop(
    draws: Iterable[Sequence[int]], null: Sequence[float], weight: float = 100
) -> tuple[int, float, list[int]]:
    """Number of draws at which the Dirichlet mixture rejects `null`, its p-value there, and the counts."""
    prior = [weight * share for share in null]
    counts = [0] * len(null)
    log_e = 0.0
    for number, draw in enumerate(draws, 1):
        counts = [count + more for count, more in zip(counts, map(int, draw), strict=True)]
        log_e = (
            math.lgamma(weight)
            - math.lgamma(weight + number)
            + sum(
                math.lgamma(a + count) - math.lgamma(a) - count * math.log(share)
                for a, count, share in zip(prior, counts, null, strict=True)
            )
        )
        if log_e >= -math.log(ALPHA):
            return number, math.exp(-log_e), counts
    raise AssertionError("never rejected")


def max_sprt_alpha(critical: float, time: float) -> float:
    """Chance that MaxSPRT for a Poisson count ever exceeds `critical` within `time` expected events."""
    alive, at, signalled, events = [1.0], 0.0, 0.0, 0
    while at < time:
        events += 1
        low, high = 0.0, float(events)
        for _ in range(200):
            middle = (low + high) / 2
            ratio = middle - events + events * math.log(events / middle) if middle else math.inf
            low, high = (middle, high) if ratio >= critical else (low, middle)
        until = min(low, time)
        moved = [0.0] * (events + 60)
        for known, chance in enumerate(alive):
            for more in range(events + 60 - known):
                moved[known + more] += chance * _poisson(more, until - at)
        signalled += sum(moved[events:])
        alive, at = moved[:events], until
    return signalled


def _poisson(count: int, mean: float) -> float:
    if not mean:
        return float(count == 0)
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
