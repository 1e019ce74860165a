"""Whether cases fall upon arms as their shares say: the test that the comparison of two arms comes from.

Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022 (arXiv 2011.03567): a
Dirichlet mixture against the null's shares, and the contrasts of two arms' log rates that it does not reject.
Weight of the mixture and running intersection as in the program savvi 0.3.1.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

ALPHA = 0.05
WEIGHT = 100.0
_WIDEST = 50.0  # log of a ratio of rates beyond any that is looked for
_HALVINGS = 80


def log_evidence(counts: Sequence[int], null: Sequence[float], prior: Sequence[float]) -> float:
    """Logarithm of how many times better Dirichlet(`prior`) explains the counts than the shares `null`."""
    known = math.fsum(count * math.log(share) for count, share in zip(counts, null, strict=True))
    return _log_marginal(counts, prior) - known


def stop(draws: Iterable[Sequence[int]], null: Sequence[float]) -> tuple[int, float, list[int]]:
    """Number of draws at which the mixture rejects `null`, its p-value there, and the counts.

    Raises:
        ValueError: the draws ended before.
    """
    prior = [WEIGHT * share for share in null]
    counts = [0] * len(null)
    for number, draw in enumerate(draws, 1):
        counts = [count + int(more) for count, more in zip(counts, draw, strict=True)]
        evidence = log_evidence(counts, null, prior)
        if evidence >= -math.log(ALPHA):
            return number, math.exp(-evidence), counts
    raise ValueError("the draws ended before the shares were rejected")


def contrasts(draws: Iterable[Sequence[int]], shares: Sequence[float]) -> Iterator[tuple[float, float]]:
    """After each draw: lowest and highest log ratio of the second arm's rate to the first's not rejected.

    Args:
        draws: one case each, by arm.
        shares: the arms' exposures, adding up to 1.
    """
    prior = [WEIGHT * share for share in shares]
    counts = [0, 0]
    low, high = -_WIDEST, _WIDEST
    for draw in draws:
        counts = [count + int(more) for count, more in zip(counts, draw, strict=True)]
        if all(counts):
            marginal = _log_marginal(counts, prior)
            best = math.log(counts[1] / shares[1]) - math.log(counts[0] / shares[0])
            low = max(low, _edge(counts, shares, marginal, best, -_WIDEST))
            high = min(high, _edge(counts, shares, marginal, best, _WIDEST))
        yield low, high


def _edge(
    counts: Sequence[int], shares: Sequence[float], marginal: float, inside: float, outside: float
) -> float:
    """Where evidence against a contrast reaches 1/alpha on the way from `inside` to `outside`."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        raised = shares[1] * math.exp(middle)
        whole = shares[0] + raised
        known = counts[0] * math.log(shares[0] / whole) + counts[1] * math.log(raised / whole)
        if marginal - known < -math.log(ALPHA):
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _log_marginal(counts: Sequence[int], prior: Sequence[float]) -> float:
    """Logarithm of the chance of the draws in their order, under shares from Dirichlet(`prior`)."""
    each = math.fsum(_log_rising(start, count) for start, count in zip(prior, counts, strict=True))
    return each - _log_rising(math.fsum(prior), sum(counts))


def _log_rising(start: float, count: int) -> float:
    """Logarithm of `start (start + 1) … (start + count - 1)`, also where log-gammas would cancel."""
    return math.fsum(math.log(start + more) for more in range(count))
