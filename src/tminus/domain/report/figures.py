"""What figures mean beside the plan's limits, and how they are said. Must not judge a launch."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from tminus.domain.launch.event import LossMeasured, ReadingTaken
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.loss import LaneCount, Loss
from tminus.domain.watch.counts import BUCKETS_MS, Sample
from tminus.domain.watch.judge import PPM, counts_in_window, percent_of

_P95 = 950  # per mille


def judge_reading(reading: ReadingTaken, limits: Iterable[Limit]) -> Outcome:
    """Whether a reading keeps the limits that hold for all classes together.

    For display only: decisions are drawn from the counters over each limit's own window. Too few
    requests are inconclusive, and so is a reading that no limit speaks about.
    """
    spoken = [each for each in limits if each.is_routed and each.is_absolute]
    outcomes = [_kept(reading, limit) for limit in spoken if limit.route_class == ALL_CLASSES]
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        if outcome in outcomes:
            return outcome
    return Outcome.PASS if outcomes else Outcome.INCONCLUSIVE


def reading_text(reading: ReadingTaken, before: ReadingTaken | None = None) -> str:
    """`Error rate: 0.02 % ↑, p95 <= 20 ms, 300 req/s`, the arrow against `before`."""
    if reading.error_ppm is None:
        return "Error rate: no requests"
    parts = [f"Error rate: {percent_of(reading.error_ppm)}{_trend(reading, before)}"]
    parts.append(p95_text(reading.p95_ms))
    parts.append(rate_text(reading.per_s_milli))
    return ", ".join(parts)


def aside_texts(reading: ReadingTaken) -> Iterator[str]:
    """What was read beside the figures of all requests: classes of requests, and the database."""
    if reading.classes:
        parts = (
            f"{each.name} {percent_of(PPM - each.error_ppm)} of {each.requests}" for each in reading.classes
        )
        yield f"Success: {', '.join(parts)}"
    found = reading.database
    if found is not None:
        lag = "" if found.replica_lag_ms is None else f", replica {found.replica_lag_ms} ms behind"
        yield (
            f"Database: {percent_of(found.connections_ppm)} of connections, "
            f"{found.latency_us / 1000:.1f} ms{lag}, {found.waiting} waiting for locks"
        )


def slot_reading(
    samples: Sequence[Sample], slot: Slot, generation: int, share_bp: int, window_ms: int
) -> ReadingTaken | None:
    """A slot's figures over the last `window_ms` of `samples` (oldest first).

    None with fewer than two samples: one says how much was counted, and not in what time.
    """
    counts = counts_in_window(samples, slot, generation, ALL_CLASSES, window_ms)
    if counts is None or samples[0].at_ms == samples[-1].at_ms:
        return None
    span_ms = max(1, min(window_ms, samples[-1].at_ms - samples[0].at_ms))
    return ReadingTaken(
        slot=slot,
        share_bp=share_bp,
        requests=counts.requests,
        per_s_milli=counts.requests * 1_000_000 // span_ms,
        error_ppm=counts.failures * PPM // counts.requests if counts.requests else None,
        p95_ms=counts.quantile_ms(_P95),
    )


def p95_text(p95_ms: int | None) -> str:
    """The upper edge of the histogram's bucket; None is beyond the last."""
    return f"p95 > {BUCKETS_MS[-1]} ms" if p95_ms is None else f"p95 <= {p95_ms} ms"


def rate_text(per_s_milli: int) -> str:
    """`300 req/s`; one decimal where there is little traffic."""
    few = 10_000
    return f"{per_s_milli / 1000:.1f} req/s" if per_s_milli < few else f"{round(per_s_milli / 1000)} req/s"


def loss_of_event(event: LossMeasured) -> Loss:
    """The figure as the loss meter's own chapter says it."""
    served = event.sent - event.failed - event.lost - event.cut
    count = LaneCount(event.sent, served, event.failed, event.lost, event.cut)
    return Loss(count, event.replayed, event.p99_before_tenths, event.p99_after_tenths)


def _kept(reading: ReadingTaken, limit: Limit) -> Outcome:
    if reading.error_ppm is None or reading.requests < max(limit.min_requests, 1):
        return Outcome.INCONCLUSIVE
    if limit.metric is Metric.ERROR_RATE:
        return Outcome.PASS if reading.error_ppm <= limit.at_most else Outcome.FAIL
    # Between two edges the next higher one decides, as it does for verdicts.
    index = bisect_left(BUCKETS_MS, limit.at_most)
    if index == len(BUCKETS_MS):
        return Outcome.PASS
    return (
        Outcome.PASS if reading.p95_ms is not None and reading.p95_ms <= BUCKETS_MS[index] else Outcome.FAIL
    )


def _trend(reading: ReadingTaken, before: ReadingTaken | None) -> str:
    if before is None or before.error_ppm is None or reading.error_ppm is None:
        return ""
    if reading.error_ppm == before.error_ppm:
        return ""
    return " ↑" if reading.error_ppm > before.error_ppm else " ↓"
