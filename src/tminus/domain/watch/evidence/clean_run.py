"""How many clean cases a pass takes. Must not look at any launch."""

import math

from tminus.domain.watch.evidence.detector import Detector, log_mean, proof
from tminus.domain.watch.evidence.kernel import Linear, share_below

_MOST_CASES = 2**50  # more than any launch sees; a bound for the search


def clean_run(limit: float, alpha: float = 0.01) -> int:
    """Cases, none of them bad, that prove a share below `limit` (0 to 1), wrong with a chance of `alpha`."""
    kernel = share_below(limit)
    scale = proof(kernel.size, alpha)
    return cases_missing(kernel, scale, scale.begin()) or 0


def cases_missing(kernel: Linear, detector: Detector, logs: tuple[float, ...]) -> int | None:
    """Clean cases that are still missing for a pass; 0 with enough evidence, None where none suffice."""
    gains = tuple(per / detector.temper for per in kernel.per_case)

    def passes(cases: int) -> bool:
        grown = tuple(log + cases * gain for log, gain in zip(logs, gains, strict=True))
        return log_mean(grown) >= detector.threshold

    if passes(0):
        return 0
    # The alternative that gains most per case gives a number that is certainly enough.
    best = max(gains)
    if best <= 0:
        return None
    lacking = detector.threshold + math.log(len(logs)) - logs[gains.index(best)]
    low, high = 0, min(math.ceil(lacking / best) + 1, _MOST_CASES)
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
