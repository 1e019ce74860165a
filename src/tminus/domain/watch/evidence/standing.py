"""Where a metric stands, from its evidence and the moment. Must not act on it."""

import math
from dataclasses import dataclass

from tminus.domain.watch.evidence.clean_run import cases_missing
from tminus.domain.watch.evidence.judgement import Fired, MetricJudgement, State
from tminus.domain.watch.evidence.kernel import Linear
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import MILLI, PPM, Rules, Scales, place_of
from tminus.domain.watch.evidence.said import (
    kept_sentence,
    seen_sentence,
    silence_sentence,
    stale_sentence,
    underpowered_sentence,
)
from tminus.domain.watch.evidence.track import Track, log_e

AHEAD_MS = 2000
"""A reading this far ahead of the clock means that clocks disagree or one was set back."""

SILENT_MS = 30_000
"""A candidate with traffic and without a case for so long has no data."""

_RATE_MS = 10_000  # over less, a rate is no basis for saying that time will not suffice


@dataclass(frozen=True, slots=True)
class Moment:
    """When a judgement is made, and what is known of the traffic.

    Attributes:
        now_ms: milliseconds since the epoch; -1 before the first tick.
        weighted_ms: since when the candidate has been given traffic; None while it is not.
        remaining_ms: time left for a pass; None where nobody said.
    """

    now_ms: int = -1
    weighted_ms: int | None = None
    remaining_ms: int | None = None


BEFORE = Moment()
"""Before the first tick."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The verdicts that were reached on a metric, and stay."""

    rollback: Fired | None = None
    alert: Fired | None = None


def judged(rules: Rules, index: int, track: Track, moment: Moment, reached: Reached) -> MetricJudgement:
    """One metric's judgement.

    Args:
        rules: the launch's rules.
        index: which metric.
        track: its evidence, open blocks included.
        moment: when.
        reached: the verdicts on it so far.
    """
    metric, scales = rules.metrics[index], rules.scales[index]
    held = log_e(track.rollback)
    needed = scales.rollback.detector.threshold if scales.rollback is not None else math.inf
    missing = _missing(scales, track)
    passed = missing == 0
    silent_ms = _silent_ms(track, moment)
    seen = _Seen(passed, missing, silent_ms, seen_sentence(rules, metric, track, held, needed))
    state, why = _state(rules, metric, track, moment, seen, reached)
    return MetricJudgement(
        metric=metric.name,
        state=state,
        passed=passed and state not in (State.STALE, State.NO_DATA),
        can_pass=scales.passing is not None,
        log_e=held,
        needed_log_e=needed,
        p_value=math.exp(-max(0.0, track.rollback.peak)) if track.rollback is not None else 1.0,
        candidate=track.candidate,
        stable=track.stable,
        estimate_ppm=_estimate_ppm(metric, track),
        silent_ms=silent_ms,
        late=track.late,
        invalid=track.invalid,
        repeated=track.repeated,
        cases_to_pass=missing,
        why=why,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    passed: bool
    missing: int | None
    silent_ms: int
    said: str


def _state(
    rules: Rules, metric: Metric, track: Track, moment: Moment, seen: _Seen, reached: Reached
) -> tuple[State, str]:
    if reached.rollback is not None:
        return State.ROLLBACK, reached.rollback.why
    age_ms = moment.now_ms - track.newest_ms
    if track.newest_ms >= 0 and moment.now_ms >= 0 and (age_ms > metric.stale_ms or age_ms < -AHEAD_MS):
        return State.STALE, stale_sentence(rules, metric, age_ms)
    if seen.silent_ms >= SILENT_MS:
        return State.NO_DATA, silence_sentence(rules, metric, seen.silent_ms)
    if reached.alert is not None:
        return State.ALERT, reached.alert.why
    said = seen.said
    if metric.needs_stable and moment.now_ms - track.stable_ms >= SILENT_MS:
        said = f"{said}; {rules.stable} has had no case lately to compare with"
    if seen.passed:
        return State.PASS, kept_sentence(rules, metric, track)
    if seen.missing and (expected := _expected(track, moment)) is not None and expected < seen.missing:
        assert moment.remaining_ms is not None
        return State.UNDERPOWERED, underpowered_sentence(said, seen.missing, expected, moment.remaining_ms)
    return State.COLLECTING, said


def _missing(scales: Scales, track: Track) -> int | None:
    if scales.passing is None or track.passing is None:
        return None
    assert isinstance(scales.passing.kernel, Linear)
    return cases_missing(scales.passing.kernel, scales.passing.detector, track.passing.logs)


def _silent_ms(track: Track, moment: Moment) -> int:
    if moment.weighted_ms is None:
        return 0
    return max(0, moment.now_ms - max(track.seen_ms, moment.weighted_ms))


def _expected(track: Track, moment: Moment) -> int | None:
    """Cases to be expected in the time left; None where nobody said how much is left, or too early."""
    if moment.remaining_ms is None or track.exposed_ms is None:
        return None
    elapsed_ms = moment.now_ms - track.exposed_ms + MILLI
    if elapsed_ms < _RATE_MS:
        return None
    return track.candidate.total * max(0, moment.remaining_ms) // elapsed_ms


def _estimate_ppm(metric: Metric, track: Track) -> int | None:
    tally = track.candidate
    if not tally.total or metric.kind is Kind.GAUGE:
        return None
    limit = metric.alert if metric.limit is None else metric.limit
    if metric.kind is Kind.P95 and limit is not None:
        return tally.bad_at(place_of(metric, limit)) * PPM // tally.total
    return tally.bad * PPM // tally.total
