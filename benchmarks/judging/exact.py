"""Exact figures, without drawing anything: chances of a false alarm and means of the two-arm factor."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from judging.vector import Array, Counts

from tminus.domain.watch.evidence.kernel import Linear, TwoArms, errors_worse, share_above
from tminus.domain.watch.evidence.tally import Both, Tally

ALPHA = 1e-3
_NEGLIGIBLE = 1e-25


def boundary(kernel: Linear, first: int, last: int, start: float = 1.0, alpha: float = ALPHA) -> Counts:
    """For each number of bad cases from `first` to `last`: among how many cases they fire, or 0."""
    bad = np.arange(first, last + 1)
    per_bad, per_case = np.array(kernel.per_bad), np.array(kernel.per_case)
    needed = -math.log(alpha) - math.log(start) + math.log(kernel.size)

    def fires(cases: Counts) -> npt.NDArray[np.bool_]:
        logs = bad[:, None] * per_bad + cases[:, None] * per_case
        high = logs.max(axis=1)
        result: npt.NDArray[np.bool_] = high + np.log(np.exp(logs - high[:, None]).sum(axis=1)) >= needed
        return result

    low, high = bad.copy(), bad * 2
    never = ~fires(low)
    while (growing := fires(high) & ~never).any():
        high[growing] *= 2
    while (low + 1 < high).any():
        middle = (low + high) // 2
        held = fires(middle)
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    result: Counts = np.where(never, 0, low)
    return result


def false_alarms(kernel: Linear, share: float, cases: int, alpha: float = ALPHA) -> float:
    """Chance that independent cases, bad with `share`, ever fire within `cases` when one looks at each.

    The number of bad cases only grows, so between two bounds it is enough to move its distribution on at once
    and to take away what has reached the next bound.
    """
    chances: Array = np.ones(1)
    first, done, fired = 0, 0, 0.0  # `chances[i]` belongs to `first + i` bad cases among `done`
    for bad, most in _bounds(kernel, cases, alpha):
        until = min(most, cases)
        if until <= done:
            continue
        chances = np.convolve(chances, _binomial(until - done, share))
        done = until
        alive = bad - first
        fired += float(chances[alive:].sum())
        chances = chances[:alive]
        keep = int(np.argmax(chances > _NEGLIGIBLE))
        first, chances = first + keep, chances[keep:]
    return fired


def _bounds(kernel: Linear, cases: int, alpha: float) -> Iterator[tuple[int, int]]:
    """Numbers of bad cases with their boundary, up to the first whose boundary is beyond `cases`."""
    first = 1
    while True:
        last = 2 * first + 1000
        for bad, most in enumerate(boundary(kernel, first, last, alpha=alpha).tolist(), first):
            yield bad, most
            if most >= cases:
                return
        first = last + 1


def _binomial(cases: int, share: float) -> Array:
    """Chances of 0, 1, ... bad cases, as far as they are not negligible."""
    mean = cases * share
    most = min(cases, math.ceil(mean + 12 * math.sqrt(mean + 1) + 25))
    bad = np.arange(most + 1)
    whole = math.lgamma(cases + 1)
    ways = [whole - math.lgamma(k + 1) - math.lgamma(cases - k + 1) for k in range(most + 1)]
    result: Array = np.exp(ways + bad * math.log(share) + (cases - bad) * math.log1p(-share))
    return result


def rate_false_alarms(limit: float, cases: int) -> float:
    """Of the rate's formula at its limit, with all weight on the first start."""
    return false_alarms(share_above(limit), limit, cases)


def two_arm_false_alarms(rho: float, errors: int) -> float:
    """Of the two-arm formula where both arms are alike, by errors of either arm."""
    return false_alarms(as_linear(errors_worse(1.0), rho), rho, errors)


def as_linear(kernel: TwoArms, rho: float) -> Linear:
    """The two-arm formula at a fixed split, for errors as cases and the candidate's errors as bad ones."""
    odds, ratio = np.array(kernel.odds), kernel.ratio
    both = np.log(1 - rho + rho * odds) - np.log(1 - rho + rho * ratio)
    return Linear(tuple(np.log(odds / ratio)), tuple(-both))


def highest_mean(kernel: TwoArms, candidate: int, stable: int, errors: int) -> float:
    """The largest mean of a factor over the alternatives, where the odds ratio is exactly the allowed one.

    Given how many of both arms' cases are bad, the candidate's bad ones are noncentral hypergeometric.
    """
    low, high = max(0, errors - stable), min(candidate, errors)
    logs, factors = [], []
    for mine in range(low, high + 1):
        logs.append(
            _log_choose(candidate, mine) + _log_choose(stable, errors - mine) + mine * math.log(kernel.ratio)
        )
        ratios = kernel.log_ratios(Both(Tally(mine, candidate), Tally(errors - mine, stable)))
        factors.append(np.exp(ratios if ratios is not None else np.zeros(kernel.size)))
    chances = np.exp(np.array(logs) - max(logs))
    chances /= chances.sum()
    return float((chances[:, None] * np.array(factors)).sum(axis=0).max())


def _log_choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)
