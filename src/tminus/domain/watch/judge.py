"""Verdicts from counters over a window: three-valued, with the sentence that explains them."""

from collections.abc import Sequence

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.times import SECOND_MS, format_duration
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.answers import Answer
from tminus.domain.watch.counts import Counts, Sample

PPM = 1_000_000

STALE_MS = 5 * SECOND_MS
"""Counters older than this are no evidence. They are read every second; five missed reads are an outage
of the source, not a hiccup."""

FEWEST_BAD = 3
"""A limit is not called broken on fewer bad requests than this, however small the sample: one failed
request of twenty is 5 %, and also one unlucky client."""

TOTAL_FAILURE_WINDOW_MS = 2 * SECOND_MS
"""A class that answers nothing but errors is judged over this window, without waiting for the limit's."""

TOTAL_FAILURE_REQUESTS = 5
"""Fewest requests, every one of them failed, that make a total failure."""

SLOW_SHARE_PPM = 50_000
"""The 95th percentile is above a limit when more than 5 % are slower."""


def counts_in_window(
    samples: Sequence[Sample], slot: Slot, generation: int, route_class: str, window_ms: int
) -> Counts | None:
    """What was added within `window_ms` before the newest sample; None without samples.

    A generation begins at zero, so a history shorter than the window counts from its beginning.
    """
    if not samples:
        return None
    classes = None if route_class == ALL_CLASSES else frozenset({route_class})
    latest = samples[-1]
    now = latest.total(slot, generation, classes)
    start_ms = latest.at_ms - window_ms
    # The newest sample at or before the window's start bounds it; with a younger history, zero does.
    for sample in reversed(samples):
        if sample.at_ms <= start_ms:
            return now.since(sample.total(slot, generation, classes))
    return now


def judge_limit(limit: Limit, samples: Sequence[Sample], slot: Slot, generation: int, now_ms: int) -> Verdict:
    """Whether `slot` keeps `limit`, by the counters of `generation` over the limit's window."""
    counts = counts_in_window(samples, slot, generation, limit.route_class, limit.window_ms)
    if counts is None:
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{_named(limit)}: no counters were read")
    age_ms = now_ms - samples[-1].at_ms
    if age_ms > STALE_MS:
        return Verdict(
            limit.name,
            Outcome.INCONCLUSIVE,
            f"{_named(limit)}: the newest counters are {format_duration(age_ms)} old",
        )
    judged, bad = _judged_and_bad(limit, counts)
    share_limit_ppm = limit.at_most if limit.metric is Metric.ERROR_RATE else SLOW_SHARE_PPM
    why = _sentence(limit, slot, judged, bad, counts)
    if judged and bad * PPM > share_limit_ppm * judged:
        outcome = Outcome.FAIL if enough_to_fail(limit, judged, bad) else Outcome.INCONCLUSIVE
        return Verdict(limit.name, outcome, why)
    if judged < max(limit.min_requests, 1):
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{why}; too few to judge")
    return Verdict(limit.name, Outcome.PASS, why)


def judge_question(limit: Limit, answers: Sequence[Answer], now_ms: int) -> Verdict:
    """Whether the share that a question counts keeps `limit`; the newest answer decides."""
    if not answers:
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{limit.name}: the question has no answer")
    newest = answers[-1]
    age_ms = now_ms - newest.at_ms
    if age_ms > STALE_MS:
        why = f"{limit.name}: the newest answer is {format_duration(age_ms)} old"
        return Verdict(limit.name, Outcome.INCONCLUSIVE, why)
    bad, total = newest.bad, newest.total
    share = percent_of(bad * PPM // total) if total else "nothing to count"
    why = f"{limit.name}: {bad} of {total} ({share}), limit {percent_of(limit.at_most)}"
    if total and bad * PPM > limit.at_most * total:
        outcome = Outcome.FAIL if enough_to_fail(limit, total, bad) else Outcome.INCONCLUSIVE
        return Verdict(limit.name, outcome, why)
    if total < max(limit.min_requests, 1):
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{why}; too few to judge")
    return Verdict(limit.name, Outcome.PASS, why)


def judge_total_failure(
    route_class: str, samples: Sequence[Sample], slot: Slot, generation: int
) -> Verdict | None:
    """A failing verdict when every one of the last few requests of a class failed, else None."""
    counts = counts_in_window(samples, slot, generation, route_class, TOTAL_FAILURE_WINDOW_MS)
    if counts is None or counts.requests < TOTAL_FAILURE_REQUESTS or counts.failures < counts.requests:
        return None
    return Verdict(
        f"total failure of {route_class}",
        Outcome.FAIL,
        f"{route_class} on {slot.value}: all of the last {counts.requests} requests failed",
    )


def _judged_and_bad(limit: Limit, counts: Counts) -> tuple[int, int]:
    if limit.metric is Metric.ERROR_RATE:
        return counts.requests, counts.failures
    return counts.answers, counts.slower_than(limit.at_most)


def enough_to_fail(limit: Limit, judged: int, bad: int) -> bool:
    """Whether so many bad of so many cases are more than an unlucky client."""
    return bad >= FEWEST_BAD and judged >= min(limit.min_requests, FEWEST_BAD * 2)


def _named(limit: Limit) -> str:
    if limit.route_class == ALL_CLASSES or limit.route_class in limit.name:
        return limit.name
    return f"{limit.route_class} {limit.name}"


def _sentence(limit: Limit, slot: Slot, judged: int, bad: int, counts: Counts) -> str:
    window = format_duration(limit.window_ms)
    if limit.metric is Metric.ERROR_RATE:
        shown = percent_of(bad * PPM // judged) if judged else "no requests"
        return (
            f"{_named(limit)} on {slot.value}: {bad} of {judged} failed in {window} ({shown}), "
            f"limit {percent_of(limit.at_most)}"
        )
    p95_ms = counts.quantile_ms(950)
    shown = "no answers" if not judged else f"p95 {'above 5s' if p95_ms is None else f'<= {p95_ms} ms'}"
    return (
        f"{_named(limit)} on {slot.value}: {bad} of {judged} slower than {limit.at_most} ms in {window} "
        f"({shown}), limit 5 %"
    )


def percent_of(ppm: int) -> str:
    """`0.02 %` for 200 parts per million: two decimals, four below 0.01 %, no zeros at the end."""
    hundredths = (ppm + 50) // 100
    if ppm and not hundredths:
        return f"0.{ppm:04d} %"
    whole, part = divmod(hundredths, 100)
    digits = f"{part:02d}".rstrip("0")
    return f"{whole}.{digits} %" if digits else f"{whole} %"
