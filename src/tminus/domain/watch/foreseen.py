"""What each step of a launch can prove and find at the traffic that stable had. Must not see a candidate."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tminus.domain.launch.evidence import Counted, Subject, TermsFixed
from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.times import format_duration
from tminus.domain.watch.baseline import Baseline
from tminus.domain.watch.evidence.clean_run import cases_missing
from tminus.domain.watch.evidence.forecast import Forecast, forecast
from tminus.domain.watch.evidence.kernel import Linear
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.terms import Arms, Terms, terms_of
from tminus.domain.watch.weighing import Weighing

_PPM = 1_000_000
_AHEAD_MS = 600_000  # what is found within ten minutes is worth knowing; later is too late


def with_forecast(event: TermsFixed, plan: Plan, arms: Arms, baselines: Mapping[str, Baseline]) -> TermsFixed:
    """The terms with a sentence on each step, about the metric that takes longest to pass."""
    terms = terms_of(event, arms)
    steps_bp = plan.shift.steps_bp if arms.stable is not None else (FULL_BP,)
    said = tuple(_on_step(terms, plan, share_bp, baselines) for share_bp in steps_bp)
    return replace(event, forecast=said)


def foreseen_now(weighing: Weighing, name: str, now_ms: int) -> str:
    """What a metric can find at the traffic that the candidate has had, in a sentence; empty without any."""
    rules = weighing.terms.rules
    index = rules.index(name)
    metric, track = rules.metrics[index], weighing.judge.seen[index]
    if metric.kind not in (Kind.RATE, Kind.P95) or metric.strict or track.exposed_ms is None:
        return ""
    span_ms = max(1_000, now_ms - track.exposed_ms)
    per_s_milli = track.candidate.total * _PPM // span_ms
    return forecast(rules, name, per_s_milli, _AHEAD_MS).why if per_s_milli else ""


def _on_step(terms: Terms, plan: Plan, share_bp: int, baselines: Mapping[str, Baseline]) -> str:
    found = list(_foreseen(terms, plan, share_bp, baselines))
    step = f"{share_bp // 100} %"
    if not found:
        cases = max(_clean_cases(terms), default=0)
        return f"{step}: nothing is known of the traffic; a pass takes {cases} clean cases at least"
    slowest = max(found, key=lambda each: each.clean_ms or 0)
    lacks = ""
    if slowest.underpowered:
        left = format_duration(plan.shift.step_deadline_ms)
        lacks = f"; that is longer than the step's deadline of {left}"
    return f"{step}: {slowest.why}{lacks}"


def _foreseen(
    terms: Terms, plan: Plan, share_bp: int, baselines: Mapping[str, Baseline]
) -> Iterator[Forecast]:
    for metric, subject in zip(terms.rules.metrics, terms.subjects, strict=True):
        baseline = baselines.get(subject.route_class, Baseline())
        per_s_milli = baseline.per_s_milli * share_bp // FULL_BP
        unforeseen = metric.kind not in (Kind.RATE, Kind.P95) or metric.strict or subject.measured
        if unforeseen or not per_s_milli:
            continue
        healthy_ppm = _healthy_ppm(metric, subject, baseline)
        yield forecast(terms.rules, metric.name, per_s_milli, plan.shift.step_deadline_ms, healthy_ppm)


def _healthy_ppm(metric: Metric, subject: Subject, baseline: Baseline) -> int:
    """Stable's own share of bad cases."""
    counts = baseline.counts
    if subject.counted is Counted.ERRORS:
        return counts.failures * _PPM // counts.requests if counts.requests else 0
    limit_ms = metric.limit or metric.alert or 0
    return counts.slower_than(limit_ms) * _PPM // counts.answers if counts.answers else 0


def _clean_cases(terms: Terms) -> Iterator[int]:
    for scales in terms.rules.scales:
        passing = scales.passing
        if passing is not None and isinstance(passing.kernel, Linear):
            yield cases_missing(passing.kernel, passing.detector, passing.detector.begin()) or 0
