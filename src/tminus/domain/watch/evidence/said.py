"""Sentences that explain a judgement, with its numbers. Must not decide anything."""

import math
from dataclasses import dataclass

from tminus.domain.plan.times import format_duration
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import MILLI, PPM, Rules, place_of
from tminus.domain.watch.evidence.tally import Tally
from tminus.domain.watch.evidence.track import Episode, Mass, Track
from tminus.domain.watch.judge import percent_of

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LN_10 = math.log(10)
_PLAIN = 1000  # evidence below it is written out


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: on which limit, with which bound on luck (parts per million), and when."""

    limit: int
    alpha_ppm: int
    at_ms: int


def evidence_of(log_e: float) -> str:
    """`2·10⁷ : 1` for a natural logarithm; `none` where nothing speaks against the limit."""
    if log_e <= 0:
        return "none"
    if log_e < math.log(_PLAIN):
        number = math.exp(log_e)
        return f"{number:.1f} : 1" if number < 10 else f"{number:.0f} : 1"  # noqa: PLR2004 - one digit
    exponent = math.floor(log_e / _LN_10)
    digit = math.floor(math.exp(log_e - exponent * _LN_10) + 1e-6)
    if digit == 10:  # noqa: PLR2004 - a power of ten that rounding put just below itself
        digit, exponent = 1, exponent + 1
    return f"{digit}·10{str(exponent).translate(_SUPERSCRIPT)} : 1"


def fired_sentence(
    rules: Rules,
    metric: Metric,
    track: Track,
    mass: Mass | None,
    of: Verdict,
    together: float | None = None,
) -> str:
    """Why a limit counts as broken, with what happened since the evidence began to grow.

    Args:
        rules: the launch's rules.
        metric: the metric whose evidence weighs most.
        track: its state.
        mass: its evidence; None for a gauge.
        of: what was decided.
        together: natural logarithm of the weighted evidence of all metrics, where one alone is not enough.
    """
    if metric.kind is Kind.GAUGE or mass is None:
        return f"{_gauge(metric, track, of.limit)}; for good, not for a moment"
    episode = mass.episode
    span = format_duration(_whole_s(max(MILLI, of.at_ms - episode.since_ms)))
    held = f"evidence {evidence_of(max(mass.log_e, mass.peak))}"
    if together is not None:
        held = f"{held}, all metrics together {evidence_of(together)}"
    return (
        f"{_cases(rules, metric, episode, of.limit, f' in {span}')}, {_limit(metric, of.limit)}; "
        f"{held}; by luck less than once in {PPM // of.alpha_ppm} launches"
    )


def seen_sentence(rules: Rules, metric: Metric, track: Track, log_e: float, needed_log_e: float) -> str:
    """What was seen of a metric so far, and what the evidence against its limit is."""
    limit = next((x for x in (metric.limit, metric.alert, metric.target) if x is not None), 0)
    if metric.kind is Kind.GAUGE:
        return _gauge(metric, track, limit)
    whole = Episode(0, track.candidate, track.stable)
    said = f"{_cases(rules, metric, whole, limit)}, {_limit(metric, limit)}"
    if math.isinf(needed_log_e):
        return said
    return f"{said}; evidence {evidence_of(log_e)}, rolls back at {evidence_of(needed_log_e)}"


def kept_sentence(rules: Rules, metric: Metric, track: Track) -> str:
    """That a metric keeps its target, and how likely that is an error."""
    target = next((x for x in (metric.target, metric.limit, metric.alert) if x is not None), 0)
    if metric.kind is Kind.GAUGE:
        return _gauge(metric, track, target)
    whole = Episode(0, track.candidate, track.stable)
    said = f"{_cases(rules, metric, whole, target)}, {_limit(metric, target)}"
    return f"{said}, kept but for a chance of 1 in {PPM // rules.pass_ppm}"


def silence_sentence(rules: Rules, metric: Metric, silent_ms: int) -> str:
    """That a candidate with traffic has no cases."""
    return (
        f"{metric.name} on {rules.candidate}: no case for {format_duration(_whole_s(silent_ms))}, "
        "though it is given traffic"
    )


def stale_sentence(rules: Rules, metric: Metric, age_ms: int) -> str:
    """That readings stopped, or come from another time."""
    if age_ms < 0:
        return f"{metric.name} on {rules.candidate}: the newest reading is {-age_ms} ms ahead of the clock"
    return (
        f"{metric.name} on {rules.candidate}: the newest reading is {format_duration(_whole_s(age_ms))} old"
    )


def underpowered_sentence(said: str, missing: int, expected: int, remaining_ms: int) -> str:
    """That the time left is too short for a pass."""
    return (
        f"{said}; a pass takes {missing} more without a bad one, and {expected} are expected in the "
        f"{format_duration(_whole_s(remaining_ms))} that are left"
    )


def _whole_s(ms: int) -> int:
    return ms // MILLI * MILLI


def _cases(rules: Rules, metric: Metric, episode: Episode, limit: int, span: str = "") -> str:
    mine, others = episode.candidate, episode.stable
    on = f"{metric.name} on {rules.candidate}"
    if metric.kind is Kind.P95:
        bad = mine.bad_at(place_of(metric, limit))
        return f"{on}: {bad} of {mine.total} slower than {limit} ms{span} ({_share(bad, mine.total)})"
    if metric.kind is Kind.COUNT:
        return f"{on}: {mine.bad} events in {mine.total} units of exposure{span}"
    if metric.kind is Kind.SHARE:
        return f"{on}: {mine.bad} of {mine.total} requests{span} ({_share(mine.bad, mine.total)})"
    if metric.kind is Kind.LATENCY_AGAINST_STABLE:
        return f"{on}: {_slow(metric, mine)}, on {rules.stable} {_slow(metric, others)}{span}"
    said = f"{on}: {mine.bad} of {mine.total} failed{span} ({_share(mine.bad, mine.total)})"
    if metric.kind is Kind.AGAINST_STABLE:
        return (
            f"{said}, on {rules.stable} {others.bad} of {others.total} ({_share(others.bad, others.total)})"
        )
    if metric.kind is Kind.AGAINST_BASELINE:
        share = _share(metric.baseline_bad, metric.baseline_total)
        return f"{said}, before the launch {metric.baseline_bad} of {metric.baseline_total} ({share})"
    return said


def _slow(metric: Metric, tally: Tally) -> str:
    cuts = [f"{tally.bad_at(place_of(metric, cut_ms))} above {cut_ms} ms" for cut_ms in metric.cuts_ms]
    return f"{', '.join(cuts)} of {tally.total}"


def _limit(metric: Metric, limit: int) -> str:
    if metric.kind is Kind.RATE:
        return f"limit {percent_of(limit)}"
    if metric.kind is Kind.P95:
        return "limit 5 %"
    if metric.kind is Kind.COUNT:
        return f"limit {limit / PPM:g} per unit"
    if metric.kind is Kind.SHARE:
        return f"the router's weight times {limit / MILLI:g} either way allowed"
    if limit == MILLI:
        return "no more allowed"
    return f"{limit / MILLI:g} times the odds allowed"


def _share(bad: int, total: int) -> str:
    return percent_of(bad * PPM // total) if total else "no cases"


def _gauge(metric: Metric, track: Track, limit: int) -> str:
    samples = sum(entry.samples for entry in track.bins)
    over = sum(entry.over_limit if limit == metric.limit else entry.over_alert for entry in track.bins)
    return f"{metric.name}: {over} of {samples} samples in 2m above {limit}"
