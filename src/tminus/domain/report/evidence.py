"""Each metric that a launch is judged by, with its evidence, as people want to see it. Must not judge it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tminus.domain.launch.event import Event, TriggerFired, VerdictReached
from tminus.domain.launch.evidence import Counted, EvidenceWeighed, Subject, Weighed
from tminus.domain.plan.limit import ALL_CLASSES, Consequence
from tminus.domain.watch.evidence.interval import percentile_interval_ms, share_interval_ppm
from tminus.domain.watch.evidence.judgement import MetricJudgement
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.judge import percent_of
from tminus.domain.watch.weighing import Weighing

_PPM = 1_000_000
_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric now.

    Attributes:
        weighed: its evidence in whole numbers.
        judged_by: what is counted, and against what.
        rolls_back: beyond what it rolls back; empty where it does not.
        alerts: beyond what it alerts; empty where it does not.
        on_alert: what an alert leads to.
        can_pass: whether steps wait for its proof.
        filled_milli: how far the evidence is on its way to what rolls back, in thousandths.
        interval: where the figure lies, but for a chance of 5 % over the whole launch; empty without cases.
        why: one sentence with the figures.
    """

    weighed: Weighed
    judged_by: str
    rolls_back: str
    alerts: str
    on_alert: Consequence
    can_pass: bool
    filled_milli: int
    interval: str
    why: str


def metric_rows(weighing: Weighing | None) -> tuple[MetricRow, ...]:
    """A row for each metric, in the order of the terms; none where nothing is weighed."""
    if weighing is None or weighing.judgement is None:
        return ()
    terms = weighing.terms
    parts = zip(
        terms.rules.metrics, terms.subjects, weighing.judgement.metrics, weighing.figures, strict=True
    )
    return tuple(_row(weighing, *part) for part in parts)


def history_of(events: Iterable[tuple[Event, int]], metric: str) -> Iterator[tuple[int, Weighed]]:
    """What was journalled of a metric's evidence, oldest first: each minute, and with verdicts."""
    for event, at_ms in events:
        if isinstance(event, EvidenceWeighed | VerdictReached | TriggerFired):
            yield from ((at_ms, each) for each in event.weighed if each.metric == metric)


def limit_words(metric: Metric, limit: int | None) -> str:
    """`1 %`, `500 ms` or `1.5 times stable's`; empty without a limit."""
    if limit is None:
        return ""
    if metric.kind is Kind.P95:
        return f"{limit} ms"
    if metric.kind is Kind.RATE:
        return percent_of(limit)
    times = f"{limit / _MILLI:g} times"
    if metric.kind is Kind.SHARE:
        return f"{times} the router's share, either way"
    return f"{times} stable's odds"


def _row(
    weighing: Weighing, metric: Metric, subject: Subject, judged: MetricJudgement, weighed: Weighed
) -> MetricRow:
    floor = ""
    if metric.floor is not None:
        unit = (
            f"{metric.floor} ms" if metric.kind is Kind.LATENCY_AGAINST_STABLE else percent_of(metric.floor)
        )
        floor = f", and above {unit} itself"
    rolls_back = limit_words(metric, metric.limit)
    return MetricRow(
        weighed=weighed,
        judged_by=_judged_by(metric, subject, weighing.terms.rules.stable),
        rolls_back=f"{rolls_back}{floor}" if rolls_back else "",
        alerts=limit_words(metric, metric.alert),
        on_alert=subject.on_alert,
        can_pass=judged.can_pass,
        filled_milli=_filled(weighed),
        interval=_interval(metric, judged, weighed),
        why=judged.why,
    )


def _judged_by(metric: Metric, subject: Subject, stable: str) -> str:
    of = "" if subject.route_class == ALL_CLASSES else f" of {subject.route_class}"
    once = ", each case once" if metric.deduplicated else ""
    what = {
        Counted.ERRORS: f"share of requests{of} that fail",
        Counted.TIMES: f"answer times of requests{of}",
        Counted.SHARES: f"share of requests{of} that reach the candidate",
        Counted.CASES: f"bad cases of {subject.measured}{once}",
        Counted.SUCCESSES: f"cases of {subject.measured} without success{once}",
    }[subject.counted]
    against = f", against {stable} in the same moments" if metric.needs_stable else ""
    strict = ", in blocks of 5 s" if metric.strict else ""
    return f"{what}{against}{strict}"


def _filled(weighed: Weighed) -> int:
    if not weighed.needed_milli or weighed.log_e_milli is None:
        return 0
    return max(0, min(_MILLI, weighed.log_e_milli * _MILLI // weighed.needed_milli))


def _interval(metric: Metric, judged: MetricJudgement, weighed: Weighed) -> str:
    tally = judged.candidate
    if not weighed.total:
        return ""
    if metric.kind is Kind.P95:
        low_ms, high_ms = percentile_interval_ms(tally.within, tally.total, metric.edges_ms)
        low = "0" if low_ms is None else str(low_ms)
        return f"p95 above {low} ms" if high_ms is None else f"p95 from {low} to {high_ms} ms"
    if metric.kind is Kind.LATENCY_AGAINST_STABLE:
        return ""
    low_ppm, high_ppm = share_interval_ppm(weighed.bad, weighed.total)
    share = percent_of(weighed.bad * _PPM // weighed.total)
    return f"{share} ({percent_of(low_ppm)} to {percent_of(high_ppm)})"
