"""How many requests a regression takes to be seen, by chance alone, beside Wald's bound.

Without a cap and tempering the evidence depends on the number of bad cases and of cases only, so that a
launch fires with the first bad case that comes within the boundary.
"""

import math
from dataclasses import dataclass

import numpy as np
from judging.exact import ALPHA, as_linear, boundary
from judging.vector import Array

from tminus.domain.watch.evidence.kernel import Linear, errors_worse, share_above

_MOST_BAD = 100_000  # bad cases; a hundred times what the slowest row takes


@dataclass(frozen=True)
class Row:
    """Mean requests to detection and what bounds them."""

    bound: float
    oracle: float
    whole: float
    usual: float


def divergence(share: float, limit: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli shares."""
    high = 0.0 if share == 0 else share * math.log(share / limit)
    low = 0.0 if share == 1 else (1 - share) * math.log((1 - share) / (1 - limit))
    return high + low


def rate_row(rng: np.random.Generator, limit: float, share: float, launches: int) -> Row:
    """Of the rate's formula, for a regression from the first request on."""
    kernel = share_above(limit)
    oracle = Linear((math.log(share / limit) - _log_good(share, limit),), (_log_good(share, limit),))
    return Row(
        -math.log(ALPHA) / divergence(share, limit),
        _mean(_detections(rng, oracle, share, launches, 1.0)),
        _mean(_detections(rng, kernel, share, launches, 1.0)),
        _mean(_detections(rng, kernel, share, launches, 0.7)),
    )


def two_arm_row(rng: np.random.Generator, stable: float, candidate: float, rho: float, launches: int) -> Row:
    """Of the two-arm formula, in requests of the candidate."""
    kernel = as_linear(errors_worse(1.0), rho)
    per_request = rho * candidate + (1 - rho) * stable  # errors
    share = rho * candidate / per_request
    requests = rho / per_request  # of the candidate, per error
    rows = [_mean(_detections(rng, kernel, share, launches, start)) * requests for start in (1.0, 0.7)]
    return Row(two_arm_bound(stable, candidate, rho), math.nan, *rows)


def two_arm_bound(stable: float, candidate: float, rho: float) -> float:
    """Wald's bound for two samples, in requests of the candidate: against the common share that fits best."""
    common = rho * candidate + (1 - rho) * stable
    per_request = divergence(candidate, common) + (1 - rho) / rho * divergence(stable, common)
    return -math.log(ALPHA) / per_request


def _log_good(share: float, limit: float) -> float:
    return math.log1p(-share) - math.log1p(-limit) if share < 1 else math.log(1e-12)


def _detections(rng: np.random.Generator, kernel: Linear, share: float, launches: int, start: float) -> Array:
    cases = np.zeros(launches, dtype=np.int64)
    found = np.full(launches, np.nan)
    first = 1
    while first < _MOST_BAD and np.isnan(found).any():
        last = 2 * first + 50
        for most in boundary(kernel, first, last, start):
            waiting = np.isnan(found)
            cases[waiting] += rng.geometric(share, int(waiting.sum()))
            fires = waiting & (cases <= most)
            found[fires] = cases[fires]
        first = last + 1
    return found


def _mean(values: Array) -> float:
    """Mean of the values; not a number where a launch was never seen, so that no target is kept by it."""
    return float(values.mean())


def latency_requests(rng: np.random.Generator, times: float, launches: int, most: int = 4000) -> Array:
    """Requests of both arms, evenly split, until all answers being `times` slower are seen by the five cuts.

    Times are lognormal with a standard deviation of 0.8 of the logarithm; cuts are stable's 50th, 75th, 90th,
    95th and 99th percentile, looked at after every request.
    """
    cuts = np.array([0.0, 0.6744898, 1.2815516, 1.6448536, 2.3263479])  # standard normal quantiles
    kernel = errors_worse(1.0)
    up = np.log(np.array(kernel.odds))
    both = np.log(0.5 + 0.5 * np.array(kernel.odds))
    logs = np.zeros((launches, len(cuts), len(up)))
    found = np.full(launches, np.nan)
    shift = math.log(times) / 0.8
    for request in range(1, most + 1):
        mine = rng.random(launches) < 0.5
        over = (rng.standard_normal(launches) + shift * mine)[:, None] > cuts
        logs += over[:, :, None] * (mine[:, None, None] * up - both)
        held = np.log(np.exp(logs - 50).mean(axis=(1, 2))) + 50
        found[np.isnan(found) & (held >= -math.log(ALPHA))] = request
        if not np.isnan(found).any():
            break
    return found
