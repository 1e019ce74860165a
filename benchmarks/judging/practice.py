"""Threshold rules as other controllers apply them, on the same launches.

As their sources have them: Argo Rollouts fails a measurement whose window breaks the limit, and the
analysis when more than `failureLimit` have failed (0 unless said; 3 in its examples). Flagger counts failed
checks over the whole analysis and rolls back at its threshold. Kayenta's judge compares the points of both
arms by Mann and Whitney's test at 98 %, and calls a metric high when the interval lies above a quarter of the
shift that is estimated.
"""

import math

import numpy as np
from judging.launches import Traffic
from judging.vector import Array

LIMIT = 0.01
MINUTE_S = 60
KAYENTA_EVERY_S = 300
_Z_98 = 2.3263479  # of the standard normal distribution, two-sided 98 %
_EFFECT = 0.25


def failed_windows(launched: Traffic, window_s: int, needed: int) -> Array:
    """When the number of windows whose share of bad requests is above the limit reaches `needed`."""
    windows = launched.bad.shape[1] // window_s
    shape = (launched.launches, windows, window_s)
    bad = launched.bad[:, : windows * window_s].reshape(shape).sum(axis=2)
    total = launched.total[:, : windows * window_s].reshape(shape).sum(axis=2)
    reached = (bad > LIMIT * total).cumsum(axis=1) >= needed
    return np.where(reached.any(axis=1), (reached.argmax(axis=1) + 1.0) * window_s, np.nan)


def argo(launched: Traffic, failure_limit: int) -> Array:
    """Measurements each minute."""
    return failed_windows(launched, MINUTE_S, failure_limit + 1)


def flagger(launched: Traffic) -> Array:
    """Five failed checks of a minute."""
    return failed_windows(launched, MINUTE_S, 5)


def ten_seconds(launched: Traffic) -> Array:
    """Five failed windows of ten seconds."""
    return failed_windows(launched, 10, 5)


def kayenta(launched: Traffic) -> Array:
    """Both arms' error rates by minute, compared every five minutes over everything so far."""
    found = np.full(launched.launches, np.nan)
    for end_s in range(KAYENTA_EVERY_S, launched.bad.shape[1] + 1, KAYENTA_EVERY_S):
        mine = _points(launched.bad[:, :end_s], launched.total[:, :end_s])
        others = _points(launched.stable_bad[:, :end_s], launched.stable_total[:, :end_s])
        found[np.isnan(found) & _is_high(mine, others)] = end_s
    return found


def _points(bad: Array, total: Array) -> Array:
    shape = (bad.shape[0], -1, MINUTE_S)
    result: Array = bad.reshape(shape).sum(axis=2) / np.maximum(1, total.reshape(shape).sum(axis=2))
    return result


def _is_high(mine: Array, others: Array) -> Array:
    """Whether the lower end of the interval of the shift exceeds the effect that is tolerated."""
    points, other_points = mine.shape[1], others.shape[1]
    shifts = np.sort((mine[:, :, None] - others[:, None, :]).reshape(len(mine), -1), axis=1)
    spread = math.sqrt(points * other_points * (points + other_points + 1) / 12)
    place = max(0, math.floor(points * other_points / 2 - _Z_98 * spread))
    result: Array = shifts[:, place] > _EFFECT * np.abs(np.median(shifts, axis=1))
    return result
