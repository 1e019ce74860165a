"""Turns the plan's limits and the router's counters into what the launch acts upon."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.evidence import Weighed
from tminus.domain.launch.figures import ClassFigures, DatabaseFigures
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import ALL_CLASSES, Consequence, Limit, Metric, Trigger
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.readiness.verdict import Outcome, Verdict, all_of
from tminus.domain.watch.answers import Answer, Health
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.judge import (
    PPM,
    STALE_MS,
    counts_in_window,
    judge_limit,
    judge_question,
    judge_total_failure,
)
from tminus.domain.watch.measured import Watched, judge_measured
from tminus.domain.watch.measurement import Measurements
from tminus.domain.watch.relative import judge_routed
from tminus.domain.watch.weighing import Weighing
from tminus.engine.decide.evidence import evidence_verdict, fired_by_evidence

Answers = Mapping[str, Sequence[Answer]]
"""Answers to the plan's questions, oldest first, by the question's name."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What limits are judged by in one tick.

    The router's counters, oldest first, answers, measurements, and what each metric's evidence weighs.
    """

    samples: Sequence[Sample]
    answers: Answers
    measurements: Measurements = field(default_factory=dict)
    weighed: Sequence[Weighed] = ()


def judge(
    state: LaunchState,
    samples: Sequence[Sample],
    now_ms: int,
    answers: Answers | None = None,
    health: Health | None = None,
    measurements: Measurements | None = None,
    weighing: Weighing | None = None,
) -> Judged:
    """Judges the candidate by the router's `samples` (oldest first), by answers, metrics and evidence.

    The database's own `health` is read with the candidate's figures, and judged by nothing here.

    Outside a trial and the watch there is no traffic on the candidate and nothing is judged.
    """
    if state.phase not in TRIAL and state.phase is not Phase.WATCHING:
        return Judged()
    plan = state.plan
    evidence = Evidence(samples, answers or {}, measurements or {})
    weighed = evidence_verdict(plan, weighing)
    fired, limits = list(fired_by_evidence(weighing)), [] if weighed is None else [weighed]
    for trigger in plan.triggers:
        if trigger.weighed:
            continue
        verdict = verdict_on(state, trigger.limit, state.candidate, now_ms, evidence)
        if _is_waited_for(state, trigger, evidence):
            limits.append(verdict)
        if verdict.outcome is Outcome.FAIL:
            fired.append(Fired(trigger.limit.name, trigger.consequence, verdict.why))
    targets = [verdict_on(state, limit, state.candidate, now_ms, evidence) for limit in plan.targets]
    proof = [] if weighed is None else [weighed]
    return Judged(
        fired=(*_total_failures(state, samples, now_ms), *fired),
        safe=all_of("limits", limits),
        on_target=all_of("targets", [*targets, *proof] if targets else []),
        reading=_reading(state, samples, _fresh(health, now_ms)),
        weighed=() if weighing is None else weighing.figures,
        sealed=None if weighing is None else weighing.sealed,
        underpowered=weighing is not None and weighing.underpowered,
    )


def verdict_on(state: LaunchState, limit: Limit, slot: Slot, now_ms: int, evidence: Evidence) -> Verdict:
    """Whether `slot` keeps a limit; one that the router does not count is about the candidate, or both."""
    if limit.metric is Metric.QUESTION:
        return judge_question(limit, evidence.answers.get(limit.question, ()), now_ms)
    if limit.metric is Metric.MEASURED:
        return _measured(state, limit, now_ms, evidence)
    if not limit.is_absolute:
        return judge_routed(limit, evidence.samples, slot, state.stable, state.generation, now_ms)
    return judge_limit(limit, evidence.samples, slot, state.generation, now_ms)


def _measured(state: LaunchState, limit: Limit, now_ms: int, evidence: Evidence) -> Verdict:
    metric = state.plan.metric(limit.measured)
    if metric is None:
        why = f"{limit.name}: the plan has no metric {limit.measured!r}"
        return Verdict(limit.name, Outcome.INCONCLUSIVE, why)
    found = evidence.measurements.get(metric.name, ())
    return judge_measured(limit, Watched(metric, found, now_ms, state.cutover_ms))


def _is_waited_for(state: LaunchState, trigger: Trigger, evidence: Evidence) -> bool:
    """Whether a step needs this trigger's verdict to pass.

    An alert on a metric changes nothing, and what people enter is entered when there is something to say.
    """
    limit = trigger.limit
    if limit.metric is not Metric.MEASURED:
        return True
    metric = state.plan.metric(limit.measured)
    unsaid = metric is not None and metric.by_person and not evidence.measurements.get(limit.measured)
    return trigger.consequence is not Consequence.ALERT and not unsaid


def _total_failures(state: LaunchState, samples: Sequence[Sample], now_ms: int) -> tuple[Fired, ...]:
    if not samples or now_ms - samples[-1].at_ms > STALE_MS:
        return ()
    names = (ALL_CLASSES, *(route_class.name for route_class in state.plan.route_classes))
    verdicts = (judge_total_failure(name, samples, state.candidate, state.generation) for name in names)
    return tuple(Fired(v.subject, Consequence.ROLLBACK, v.why) for v in verdicts if v is not None)


def _fresh(health: Health | None, now_ms: int) -> DatabaseFigures | None:
    """What the database says now; what it said a while ago is no reading."""
    if health is None or now_ms - health.at_ms > STALE_MS:
        return None
    return DatabaseFigures(health.connections_ppm, health.latency_us, health.replica_lag_ms, health.waiting)


def _classes(state: LaunchState, samples: Sequence[Sample]) -> Iterator[ClassFigures]:
    window_ms = state.plan.longest_window_ms
    for name in (route_class.name for route_class in state.plan.route_classes):
        counts = counts_in_window(samples, state.candidate, state.generation, name, window_ms)
        if counts is not None and counts.requests:
            yield ClassFigures(name, counts.requests, counts.failures * PPM // counts.requests)


def _reading(
    state: LaunchState, samples: Sequence[Sample], database: DatabaseFigures | None
) -> ReadingTaken | None:
    window_ms = state.plan.longest_window_ms
    counts = counts_in_window(samples, state.candidate, state.generation, ALL_CLASSES, window_ms)
    if counts is None:
        return None
    began_ms = samples[0].at_ms if state.cutover_ms is None else state.cutover_ms
    span_ms = max(SECOND_MS, min(window_ms, samples[-1].at_ms - began_ms))
    return ReadingTaken(
        slot=state.candidate,
        share_bp=FULL_BP if state.promoted else state.share_bp,
        requests=counts.requests,
        per_s_milli=counts.requests * 1_000_000 // span_ms,
        error_ppm=counts.failures * PPM // counts.requests if counts.requests else None,
        p95_ms=counts.quantile_ms(950),
        classes=tuple(_classes(state, samples)),
        database=database,
    )
