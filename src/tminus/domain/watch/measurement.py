"""What a source told of a metric, or why it told nothing that counts. Must not ask, and not judge limits.

Whatever a source answers becomes a measurement: a source that lies, hangs or is gone is a state of its
metric and never an error of the watch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from tminus.domain.canonical import Json
from tminus.domain.plan.metric import MICRO, PERCENT, MetricDefinition, MetricKind
from tminus.domain.plan.times import SECOND_MS, format_duration

SKEW_MS = 30 * SECOND_MS
"""A source whose clock is further ahead of this machine's cannot say how old its numbers are."""

WHY_CHARS = 200
"""Of a sentence: many measurements travel together."""

_LARGEST = 15  # decimal digits before the point: what is larger is a slip, and slow to compute with
_TEXT_CHARS = 64  # of a number as a source wrote it


class MeasuredState(StrEnum):
    """How a measurement stands. Only OK is evidence; the others say what was missing."""

    OK = "ok"
    EMPTY = "empty"
    STALE = "stale"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"
    SLOW = "slow"


class Arm(StrEnum):
    """Which version a measurement is of; WHOLE where its source cannot tell them apart."""

    WHOLE = ""
    CANDIDATE = "candidate"
    STABLE = "stable"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One look at one metric.

    Attributes:
        at_ms: when it was asked, milliseconds since the epoch by this machine's clock.
        arm: of which version.
        state: whether it is evidence.
        value_micro: of a gauge or count, in millionths of its unit; None for ratios.
        bad: cases of a ratio that were bad; with a cumulative metric since the source began.
        total: all cases.
        sampled_ms: the source's own time of its numbers; None where it tells none.
        deduplicated: each case was counted once, however often it was tried.
        why: a sentence on what was missing; empty for OK.
    """

    at_ms: int
    arm: Arm = Arm.WHOLE
    state: MeasuredState = MeasuredState.OK
    value_micro: int | None = None
    bad: int | None = None
    total: int | None = None
    sampled_ms: int | None = None
    deduplicated: bool = False
    why: str = ""

    @property
    def counts(self) -> bool:
        """It is evidence."""
        return self.state is MeasuredState.OK


@dataclass(frozen=True, slots=True)
class Taken:
    """Numbers as a source wrote them: one value, or bad and all cases; and its own time for them, if any."""

    numbers: tuple[str, ...]
    sampled_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """No numbers, and why. The sentence quotes nothing that a source could have put a secret into."""

    state: MeasuredState
    why: str


Measurements = Mapping[str, Sequence[Measurement]]
"""Measurements by the metric's name, in the order in which they were taken."""


def measurement_of(
    metric: MetricDefinition,
    found: Taken | Missed,
    at_ms: int,
    arm: Arm = Arm.WHOLE,
    before: Measurement | None = None,
) -> Measurement:
    """The measurement that an answer makes; `before` is the newest that counted of this metric and arm."""
    if isinstance(found, Missed):
        return Measurement(at_ms, arm, found.state, why=found.why[:WHY_CHARS])
    why = _wrong_time(found.sampled_ms, at_ms, metric, before)
    if why is not None:
        return Measurement(at_ms, arm, why.state, sampled_ms=found.sampled_ms, why=why.why)
    try:
        return _counted(metric, found, at_ms, arm)
    except ValueError as error:
        return Measurement(
            at_ms, arm, MeasuredState.INVALID, sampled_ms=found.sampled_ms, why=str(error)[:WHY_CHARS]
        )


def is_repeated(now: Measurement, before: Measurement | None) -> bool:
    """Whether the source has only said again what it said before, by its own time."""
    return (
        before is not None
        and now.counts
        and before.counts
        and now.sampled_ms == before.sampled_ms is not None
    )


def micro_of(text: str) -> int:
    """A decimal number in whole millionths, halves rounded to even.

    Raises:
        ValueError: it is no number, not finite, or too large to be meant.
    """
    shown = text if len(text) <= _TEXT_CHARS else f"{text[:_TEXT_CHARS]}…"
    try:
        number = Decimal(text.strip()) if len(text) <= _TEXT_CHARS else Decimal("NaN")
    except InvalidOperation:
        raise ValueError("it answered something that is no number") from None
    if not number.is_finite():
        raise ValueError(f"it answered {shown}, which is no finite number")
    if number.adjusted() >= _LARGEST:
        raise ValueError(f"it answered a number of more than {_LARGEST} digits")
    return int((number * MICRO).to_integral_value())


def _counted(metric: MetricDefinition, found: Taken, at_ms: int, arm: Arm) -> Measurement:
    deduplicated = bool(metric.dedupe)
    wanted = 2 if metric.counted is MetricKind.RATIO else 1
    if len(found.numbers) != wanted:
        names = "bad and all cases" if wanted > 1 else "one value"
        raise ValueError(f"it answered {len(found.numbers)} numbers instead of {names}")
    micros = [micro_of(number) for number in found.numbers]
    if metric.counted is not MetricKind.GAUGE or metric.unit == PERCENT:
        for micro, number in zip(micros, found.numbers, strict=True):
            if micro < 0:
                raise ValueError(f"it answered {number}, and nothing is counted below zero")
    if metric.counted is not MetricKind.RATIO:
        return Measurement(
            at_ms, arm, value_micro=micros[0], sampled_ms=found.sampled_ms, deduplicated=deduplicated
        )
    bad, total = (_whole(micro) for micro in micros)
    if bad > total:
        raise ValueError(f"it answered {bad} bad of {total} cases, which cannot be")
    return Measurement(
        at_ms, arm, bad=bad, total=total, sampled_ms=found.sampled_ms, deduplicated=deduplicated
    )


def _whole(micro: int) -> int:
    # Rates over a window are extrapolated by their source: 2.98 failures are three.
    return (micro + MICRO // 2) // MICRO


def _wrong_time(
    sampled_ms: int | None, at_ms: int, metric: MetricDefinition, before: Measurement | None
) -> Missed | None:
    if sampled_ms is None:
        return None
    age_ms = at_ms - sampled_ms
    if age_ms > metric.oldest_ms:
        return Missed(MeasuredState.STALE, f"its numbers are {format_duration(age_ms)} old")
    if age_ms < -SKEW_MS:
        return Missed(
            MeasuredState.INVALID, f"its clock is {format_duration(-age_ms)} ahead of this machine's"
        )
    if before is not None and before.sampled_ms is not None and sampled_ms < before.sampled_ms:
        back = format_duration(before.sampled_ms - sampled_ms)
        return Missed(MeasuredState.STALE, f"its numbers are {back} older than those it gave before")
    return None


def to_row(measurement: Measurement) -> list[Json]:
    """A measurement as a list, for a job's progress."""
    it = measurement
    return [
        it.at_ms,
        it.arm.value,
        it.state.value,
        it.value_micro,
        it.bad,
        it.total,
        it.sampled_ms,
        it.deduplicated,
        it.why,
    ]


def read_measurements(progress: Any) -> Measurements:  # noqa: ANN401 - JSON of a job
    """Measurements from a job's progress; what does not fit is left out, and so grows old."""
    if not isinstance(progress, dict) or not isinstance(progress.get("metrics"), dict):
        return {}
    return {
        str(name): tuple(found for row in rows if (found := _from_row(row)) is not None)
        for name, rows in progress["metrics"].items()
        if isinstance(rows, list)
    }


_ROW = (
    (int,),
    (str,),
    (str,),
    (int, type(None)),
    (int, type(None)),
    (int, type(None)),
    (int, type(None)),
    (bool,),
    (str,),
)


def _from_row(row: Any) -> Measurement | None:  # noqa: ANN401 - JSON of a job
    if not isinstance(row, list) or len(row) != len(_ROW):
        return None
    if not all(type(part) in kinds for part, kinds in zip(row, _ROW, strict=True)):
        return None
    at_ms, arm, state, value_micro, bad, total, sampled_ms, deduplicated, why = row
    try:
        known = (Arm(arm), MeasuredState(state))
        return Measurement(at_ms, *known, value_micro, bad, total, sampled_ms, deduplicated, why)
    except ValueError:
        return None
