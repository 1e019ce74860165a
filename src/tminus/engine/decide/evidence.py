"""What the launch makes of a judgement by evidence: verdicts, fired triggers, and the terms of a trial."""

from collections.abc import Iterator, Sequence

from tminus.domain.launch.evidence import TermsFixed, Weighed
from tminus.domain.launch.judged import Fired
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.times import MINUTE_MS
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.baseline import baseline_of
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.foreseen import with_forecast
from tminus.domain.watch.terms import Arms, baseline_classes, fix_terms
from tminus.domain.watch.weighing import Weighing, is_fine
from tminus.engine.decide.launch.staging import staging_need
from tminus.engine.decide.step import Observation

EVIDENCE = "evidence"

SILENT_ALERT_MS = 2 * MINUTE_MS
"""A candidate that is given traffic and has had no case for so long is an alert; a pass it never is."""


def evidence_verdict(plan: Plan, weighing: Weighing | None) -> Verdict | None:
    """The judgement as a verdict: passes only where every limit is proven to be kept.

    None where no step waits for evidence: what only alerts keeps nothing from passing.
    """
    if not any(each.weighed and each.consequence is not Consequence.ALERT for each in plan.triggers):
        return None
    judgement = None if weighing is None else weighing.judgement
    if weighing is None or judgement is None:
        return Verdict(EVIDENCE, Outcome.INCONCLUSIVE, "nothing has been weighed yet")
    if judgement.rollback is not None:
        return Verdict(EVIDENCE, Outcome.FAIL, judgement.rollback.why)
    proven = [metric for metric in weighing.awaited if metric.can_pass]
    if not proven:
        return None  # comparisons prove nothing good, and stand in the way of nothing
    lacking = [metric for metric in weighing.awaited if not is_fine(metric)]
    if lacking:
        return Verdict(EVIDENCE, Outcome.INCONCLUSIVE, "; ".join(metric.why for metric in lacking))
    return Verdict(EVIDENCE, Outcome.PASS, "; ".join(metric.why for metric in proven))


def fired_by_evidence(weighing: Weighing | None) -> Iterator[Fired]:
    """Triggers whose limit the evidence has found broken, those that roll back first."""
    judgement = None if weighing is None else weighing.judgement
    if weighing is None or judgement is None:
        return
    subjects = {subject.metric: subject for subject in weighing.terms.subjects}
    figures = {weighed.metric: weighed for weighed in weighing.figures}
    if judgement.rollback is not None:
        found = judgement.rollback
        name = subjects[found.metric].rollback or found.metric
        yield Fired(name, Consequence.ROLLBACK, found.why, _only(figures[found.metric]))
    for alert in judgement.alerts:
        subject = subjects[alert.metric]
        # A rollback implies its alert; a metric without an alert limit has none of its own.
        if subject.alert:
            yield Fired(subject.alert, subject.on_alert, alert.why, _only(figures[alert.metric]))
    for metric in judgement.metrics:
        if metric.silent_ms >= SILENT_ALERT_MS:
            name = f"no cases of {metric.metric}"
            yield Fired(name, Consequence.ALERT, metric.why, _only(figures[metric.metric]))


def terms_now(state: LaunchState, observation: Observation, samples: Sequence[Sample]) -> TermsFixed | None:
    """The terms of the trial that is about to begin; None before, and where nothing is weighed.

    Made once, from all samples of stable: whoever asks each tick would do it four times a second.
    """
    if state.phase is not Phase.STAGING or state.terms is not None or not state.plan.weighs:
        return None
    if staging_need(state, observation) is not None:
        return None
    baselines = {}
    if state.stable is not None:
        for route_class in baseline_classes(state.plan):
            baselines[route_class] = baseline_of(samples, state.stable, route_class)
    arms = arms_of(state)
    return with_forecast(fix_terms(state.plan, arms, baselines), state.plan, arms, baselines)


def arms_of(state: LaunchState) -> Arms:
    """The slots of a launch."""
    return Arms(state.candidate, state.stable)


def _only(weighed: Weighed) -> tuple[Weighed, ...]:
    return (weighed,)
