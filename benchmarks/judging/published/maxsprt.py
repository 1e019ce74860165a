"""Exact chances of the maximised sequential probability ratio test for a Poisson count.

Kulldorff, Davis, Kolczak, Lewis, Lieu and Platt, A maximized sequential probability ratio test for drug and
vaccine safety surveillance, Sequential Analysis 30(1), 2011. It signals when `log_ratio` gets high.
"""

import math
from collections.abc import Sequence

_MORE = 60  # events beyond a boundary whose chance still counts; the mean of a step is a few
_TIE = 1e-9  # values of `log_ratio` this near are one and the same


def log_ratio(events: int, expected: float) -> float:
    """Logarithm of the likelihood ratio of the rate that fits best; 0 for fewer events than expected."""
    if events <= expected:
        return 0.0
    return expected - events + events * math.log(events / expected) if expected else math.inf


def continuous_alpha(critical: float, expected: float) -> float:
    """Chance of ever reaching `critical` within `expected` events, looked at after each event."""
    alive, at, signalled, events = [1.0], 0.0, 0.0, 0
    while at < expected:
        events += 1
        low, high = 0.0, float(events)
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if log_ratio(events, middle) >= critical else (low, middle)
        until = min(low, expected)
        moved = _moved(alive, until - at)
        signalled += math.fsum(moved[events:])
        alive, at = moved[:events], until
    return signalled


def grouped_alpha(critical: float, groups: Sequence[float], *, strictly: bool = True) -> float:
    """Chance of ever exceeding `critical`, looked at after each group.

    Args:
        critical: of `log_ratio`.
        groups: events expected in each group.
        strictly: whether a value equal to `critical` is not yet a signal.
    """
    needed = critical + _TIE if strictly else critical - _TIE
    alive, expected, signalled = [1.0], 0.0, 0.0
    for group in groups:
        expected += group
        moved = _moved(alive, group)
        signals = (events for events in range(len(moved)) if log_ratio(events, expected) >= needed)
        first = next(signals, len(moved))
        signalled += math.fsum(moved[first:])
        alive = moved[:first]
    return signalled


def grouped_critical(groups: Sequence[float], alpha: float = 0.05) -> float:
    """The least value of `log_ratio` at any look that is exceeded with a chance below `alpha`."""
    looks = [math.fsum(groups[: number + 1]) for number in range(len(groups))]
    values = sorted({log_ratio(events, at) for at in looks for events in range(math.ceil(at) + _MORE)})
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if grouped_alpha(values[middle], groups) < alpha else (middle + 1, high)
    return values[low]


def _moved(alive: Sequence[float], mean: float) -> list[float]:
    """Chances of each number of events after a stretch in which `mean` more are expected."""
    steps = [_poisson(more, mean) for more in range(_MORE)]
    moved = [0.0] * (len(alive) + _MORE)
    for known, chance in enumerate(alive):
        for more, step in enumerate(steps):
            moved[known + more] += chance * step
    return moved


def _poisson(count: int, mean: float) -> float:
    if not mean:
        return float(count == 0)
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
