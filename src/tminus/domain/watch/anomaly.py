"""What is unusual by what was learnt in the first minutes on all traffic. Alerts only; decides nothing.

A figure is unusual when it lies further from the learnt median than `FAR` times the learnt spread. The spread
is 1.4826 times the median absolute deviation, which estimates a standard deviation and is not moved by a few
outliers (Rousseeuw and Croux, 1993), and never less than what chance alone makes of a calm figure.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.watch.alerting import Sight
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.domain.watch.history import POINT_MS, Figure, Point
from tminus.domain.watch.judge import PPM, percent_of

LEARNT_POINTS = 10
"""Minutes that usual is learnt from: verification lasts as long."""

IN_A_ROW = 2
"""One odd minute is chance or a deployment elsewhere; two are worth a look."""

FAR = 5.0
"""Spreads: a normal figure is that far off in fewer than one of a million minutes."""

STALE_POINTS = 3
"""Minutes without a point after which nothing is known of the present."""

_NORMAL = 1.4826  # makes the median absolute deviation of a normal figure its standard deviation
_LEAST_RATE_SHARE = 0.08  # of the usual rate: a drop to the half is noticed, a breath is not
_LEAST_ERROR_PPM = 1_000
_LEAST_STEPS = 0.3  # of the histogram: p95 must leave its bucket by two


@dataclass(frozen=True, slots=True)
class Unusual:
    """A figure beside what is usual for it."""

    name: str
    sight: Sight
    why: str


def unusual(points: Sequence[Point], slot: Slot, now_ms: int) -> tuple[Unusual, ...]:
    """Request rate, error rate and p95 of `slot`; empty until there is something to compare with.

    `points` are oldest first; those before all traffic was on the candidate are passed over.
    """
    whole = [point for point in points if point.share_bp == FULL_BP]
    learnt, recent = whole[:LEARNT_POINTS], whole[LEARNT_POINTS:][-IN_A_ROW:]
    if len(learnt) < LEARNT_POINTS or len(recent) < IN_A_ROW:
        return ()
    fresh = now_ms - recent[-1].at_ms <= STALE_POINTS * POINT_MS
    return tuple(_look(asked, learnt, recent, slot, fresh=fresh) for asked in _ASKED)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A figure: how it is read, how far chance alone takes it from `usual`, and how it is said."""

    name: str
    read: Callable[[Point, Figure], float | None]
    chance: Callable[[float, Figure], float]
    say: Callable[[float], str]
    both_ways: bool = False


def _look(
    asked: _Asked, learnt: Sequence[Point], recent: Sequence[Point], slot: Slot, *, fresh: bool
) -> Unusual:
    known = [value for value, _ in _values(asked, learnt, slot)]
    newest = _values(asked, recent, slot)
    if not fresh or len(known) < LEARNT_POINTS // 2 or len(newest) < IN_A_ROW:
        return Unusual(asked.name, Sight.QUIET, "too few minutes with requests to compare")
    usual = median(known)
    spread = _NORMAL * median(abs(value - usual) for value in known)
    far = [_is_far(asked, value, usual, max(spread, asked.chance(usual, figure))) for value, figure in newest]
    value = newest[-1][0]
    why = f"{asked.name} {asked.say(value)} in the last minute, usually {asked.say(usual)}"
    if all(far):
        return Unusual(asked.name, Sight.BROKEN, why)
    return Unusual(asked.name, Sight.QUIET if far[-1] else Sight.KEPT, why)


def _values(asked: _Asked, points: Sequence[Point], slot: Slot) -> list[tuple[float, Figure]]:
    figures = ((point, point.figure(slot)) for point in points)
    read = [(asked.read(point, figure), figure) for point, figure in figures if figure is not None]
    return [(value, figure) for value, figure in read if value is not None]


def _is_far(asked: _Asked, value: float, usual: float, spread: float) -> bool:
    off = abs(value - usual) if asked.both_ways else value - usual
    return off > FAR * spread


def _rate(point: Point, figure: Figure) -> float:
    return figure.requests * POINT_MS / max(1, point.span_ms)


def _errors(_: Point, figure: Figure) -> float | None:
    return figure.failures * PPM / figure.requests if figure.requests else None


def _step(_: Point, figure: Figure) -> float | None:
    """Number of the bucket: a histogram knows no more."""
    if not figure.requests:
        return None
    return float(len(BUCKETS_MS) if figure.p95_ms is None else bisect_left(BUCKETS_MS, figure.p95_ms))


def _say_step(step: float) -> str:
    index = round(step)
    return f"<= {BUCKETS_MS[index]} ms" if index < len(BUCKETS_MS) else f"> {BUCKETS_MS[-1]} ms"


_ASKED = (
    _Asked(
        "request rate",
        _rate,
        lambda usual, _: max(sqrt(usual), _LEAST_RATE_SHARE * usual, 1.0),
        lambda value: f"{value:.0f} a minute",
        both_ways=True,
    ),
    _Asked(
        "error rate",
        _errors,
        lambda _, figure: max(_LEAST_ERROR_PPM, PPM / figure.requests),
        lambda value: percent_of(round(value)),
    ),
    _Asked("response time p95", _step, lambda _, __: _LEAST_STEPS, _say_step),
)

FIGURES = tuple(asked.name for asked in _ASKED)
"""Names of what is looked at."""
