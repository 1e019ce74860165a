"""The terms of a trial: from a plan and a baseline to metrics, fixed in the journal, and back to rules.

Must not weigh anything. Triggers on the same subject become one metric: the one that rolls back gives its
limit, the one that alerts its alert limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tminus.domain.codec import from_json, to_json
from tminus.domain.launch.evidence import BaselineTaken, Counted, Subject, TermsFixed
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.judging import Judging, Mode
from tminus.domain.plan.limit import ALL_CLASSES, Against, Consequence, Limit, Side, Trigger
from tminus.domain.plan.limit import Metric as Measure
from tminus.domain.plan.metric import MetricDefinition, MetricKind
from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.watch.baseline import Baseline
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.domain.watch.evidence.metric import Group, Kind, Metric, cuts_of
from tminus.domain.watch.evidence.rules import Rules

PAYMENT = "payment"
"""Classes whose name begins so draw on the part of the error budget that is kept for payments."""

_MILLI = 1000
_PPM = 1_000_000
_MICRO_PER_MILLI = 1_000
_GUESSED_MILLI = Baseline().dispersion_milli
_MOST_PPM = 500_000  # half of all requests: beyond it nothing is left that a formula could look for
_SHARE_MILLI = 1_250  # the router draws each request; a quarter more or less is no chance
_FLOOR_OF_RATE = (1, 2)  # of the limit, as the handbook's alert at 0.5 % is of its limit of 1 %
_FLOOR_OF_TIME = (3, 5)  # as 300 ms are of 500 ms
_ANY_CUTS_MS = (50, 100, 200, 500, 1_000)  # where stable was not seen before, and its percentiles are unknown
_FEWEST_READINGS = 2  # of a metric of the plan: one may be a slip of its source
_MISSES = 2  # so many looks in a row may fail before a metric is stale


@dataclass(frozen=True, slots=True)
class Terms:
    """What a candidate is judged by.

    Attributes:
        rules: the metrics and their budgets.
        subjects: where each metric's cases come from, in the same order.
    """

    rules: Rules
    subjects: tuple[Subject, ...]

    @property
    def can_pass(self) -> bool:
        """Whether some metric has a limit of its own to keep; comparisons alone prove nothing good."""
        return any(scales.passing is not None for scales in self.rules.scales)

    def subject(self, metric: str) -> Subject:
        """Where a metric's cases come from.

        Raises:
            KeyError: there is none of that name.
        """
        return self.subjects[self.rules.index(metric)]


def can_be_weighed(limit: Limit, metric: MetricDefinition | None = None, *, beside: bool = False) -> bool:
    """Whether there is a formula for a limit; without one it is judged over its window.

    Args:
        limit: of a trigger.
        metric: the plan's metric that it names, if it does.
        beside: stable has a share of the traffic in some step, so that the two can be compared.
    """
    if limit.metric is Measure.MEASURED:
        counts = metric is not None and metric.counted is MetricKind.RATIO and metric.cumulative
        return counts and limit.is_absolute and 0 < _allowed_ppm(limit) < _MOST_PPM
    if limit.against is Against.STABLE:
        return beside and limit.is_routed
    if not limit.is_absolute:
        return False
    if limit.metric is Measure.ERROR_RATE:
        return 0 < limit.at_most < _MOST_PPM
    return limit.metric is Measure.LATENCY_P95 and limit.at_most <= BUCKETS_MS[-1]


@dataclass(frozen=True, slots=True)
class Arms:
    """The slots of a trial; `stable` is None on a first launch."""

    candidate: Slot
    stable: Slot | None


def is_shared(plan: Plan) -> bool:
    """Whether both slots have traffic at the same time in some step."""
    return plan.shift.steps_bp[0] < FULL_BP


def baseline_classes(plan: Plan) -> tuple[str, ...]:
    """Classes whose baseline the terms need, each once."""
    named = (trigger.limit.route_class for trigger in plan.triggers if trigger.weighed)
    return tuple(dict.fromkeys((ALL_CLASSES, *named)))


def fix_terms(plan: Plan, arms: Arms, baselines: Mapping[str, Baseline]) -> TermsFixed:
    """The event that fixes the terms of a trial. Pure: the same plan and baselines give the same digest.

    Args:
        plan: of the launch; it must weigh something, and `can_be_weighed` hold for what it weighs.
        arms: the slots.
        baselines: stable's, per class; those that lack count as unseen.
    """
    judging = plan.judging
    made = list(_absolute(plan, baselines))
    if arms.stable is not None and is_shared(plan):
        made += [*_beside(plan, arms, made, baselines), *_against(plan, baselines)]
    made = _told_apart(made)
    metrics = tuple(metric for metric, _ in made)
    event = TermsFixed(
        digest="",
        metrics=to_json(metrics),
        subjects=tuple(subject for _, subject in made),
        alpha_ppm=judging.error_budget_ppm,
        alert_ppm=judging.alert_budget_ppm,
        pass_ppm=judging.pass_ppm,
        blocks=judging.bad_seconds,
        horizon_ms=_horizon_ms(plan),
        baseline=tuple(
            BaselineTaken(name, it.seconds, it.counts.requests, it.counts.failures, it.dispersion_milli)
            for name, it in baselines.items()
            if it.seconds
        ),
    )
    return replace(event, digest=_rules(event, arms).digest())


def terms_of(event: TermsFixed, arms: Arms) -> Terms:
    """The terms that an event fixed.

    Raises:
        DecodeError: the event was written by something else.
    """
    return Terms(_rules(event, arms), event.subjects)


def after_promotion(terms: Terms, watch_ms: int) -> Terms:
    """The same limits for the watch, with an error budget of its own; nothing is compared any more."""
    kept = [
        (metric, subject)
        for metric, subject in zip(terms.rules.metrics, terms.subjects, strict=True)
        if not metric.compares and metric.kind is not Kind.SHARE
    ]
    rules = replace(terms.rules, metrics=tuple(metric for metric, _ in kept), horizon_ms=watch_ms)
    return Terms(rules, tuple(subject for _, subject in kept))


def _rules(event: TermsFixed, arms: Arms) -> Rules:
    return Rules(
        metrics=from_json(tuple[Metric, ...], event.metrics),
        alpha_ppm=event.alpha_ppm,
        alert_ppm=event.alert_ppm,
        pass_ppm=event.pass_ppm,
        horizon_ms=event.horizon_ms,
        blocks=event.blocks,
        candidate=arms.candidate.value,
        stable="nobody" if arms.stable is None else arms.stable.value,
    )


def _horizon_ms(plan: Plan) -> int:
    steps_ms = len(plan.shift.steps_bp) * plan.shift.step_min_ms
    return steps_ms + plan.verify.for_ms + plan.bake.for_ms


_Made = tuple[Metric, Subject]


def _absolute(plan: Plan, baselines: Mapping[str, Baseline]) -> Iterator[_Made]:
    """A metric for each thing that triggers limit, and one more where a broken limit holds the launch."""
    weighed = [trigger for trigger in plan.triggers if trigger.weighed and trigger.limit.is_absolute]
    for thing in dict.fromkeys(_thing(each.limit) for each in weighed):
        mine = [each for each in weighed if _thing(each.limit) == thing]
        rollback = _strictest(mine, Consequence.ROLLBACK)
        alert = _strictest(mine, Consequence.ALERT) or _told(plan, thing, rollback)
        about = _About(plan, mine[0].limit, baselines)
        if rollback is not None or alert is not None:
            yield _metric(about, rollback, alert, Consequence.ALERT)
        hold = _strictest(mine, Consequence.HOLD)
        if hold is not None:
            yield _metric(about, None, hold, Consequence.HOLD)


_Thing = tuple[Measure, str, str, Side]


def _thing(limit: Limit) -> _Thing:
    """What a limit is about: limits on the same thing are one metric."""
    return limit.metric, limit.route_class, limit.measured, limit.side


@dataclass(frozen=True, slots=True)
class _About:
    """What a metric is made from: the plan, one of its limits, and stable's baselines."""

    plan: Plan
    limit: Limit
    baselines: Mapping[str, Baseline]

    @property
    def judging(self) -> Judging:
        return self.plan.judging

    @property
    def baseline(self) -> Baseline:
        """Of the class; nothing is known of how a metric of the plan was before."""
        none = Baseline()
        return none if self.limit.measured else self.baselines.get(self.limit.route_class, none)

    @property
    def measured(self) -> MetricDefinition | None:
        return self.plan.metric(self.limit.measured) if self.limit.measured else None

    @property
    def counted(self) -> Counted:
        if self.limit.metric is Measure.MEASURED:
            return Counted.SUCCESSES if self.limit.side is Side.BELOW else Counted.CASES
        return Counted.TIMES if self.limit.metric is Measure.LATENCY_P95 else Counted.ERRORS


def _told_apart(made: Sequence[_Made]) -> list[_Made]:
    """The same with a number behind a name that was given before: one metric, one name."""
    found: dict[str, _Made] = {}
    for metric, subject in made:
        name, number = metric.name, 2
        while name in found:
            name, number = f"{metric.name} ({number})", number + 1
        found[name] = replace(metric, name=name), replace(subject, metric=name)
    return list(found.values())


def _allowed_ppm(limit: Limit) -> int:
    """Share of bad cases that a limit on a rate allows; of one on good cases, the share of the others."""
    return _PPM - limit.at_most if limit.side is Side.BELOW else limit.at_most


def _bound(limit: Limit) -> int:
    return limit.at_most if limit.metric is Measure.LATENCY_P95 else _allowed_ppm(limit)


def _strictest(triggers: Sequence[Trigger], consequence: Consequence) -> Limit | None:
    limits = [each.limit for each in triggers if each.consequence is consequence]
    return min(limits, key=_bound, default=None)


def _told(plan: Plan, thing: _Thing, rollback: Limit | None) -> Limit | None:
    """What the plan's alert rules say of the same thing, below the limit that rolls back."""
    limits = [
        rule.limit
        for rule in plan.alerts
        if _thing(rule.limit) == thing
        and rule.limit.is_absolute
        and 0 < _bound(rule.limit) < (_bound(rollback) if rollback is not None else BUCKETS_MS[-1] * _PPM)
    ]
    return min(limits, key=_bound, default=None)


def _metric(about: _About, rollback: Limit | None, alert: Limit | None, on_alert: Consequence) -> _Made:
    limit = rollback or alert
    assert limit is not None
    judging, baseline, measured = about.judging, about.baseline, about.measured
    holds = " (hold)" if on_alert is Consequence.HOLD else ""
    name = f"{limit.name}{holds}"
    strict = judging.mode is Mode.STRICT and measured is None
    metric = Metric(
        name=name,
        kind=Kind.P95 if limit.metric is Measure.LATENCY_P95 else Kind.RATE,
        limit=None if rollback is None else _bound(rollback),
        alert=None if alert is None else _bound(alert),
        group=_group(limit),
        dispersion_milli=baseline.dispersion_milli,
        # Where failures are known to come in clusters, a pass must outlast the time between two of them.
        tempers_pass=judging.mode is Mode.STRICT or baseline.dispersion_milli > _GUESSED_MILLI,
        strict=strict,
        burn_in_ms=judging.burn_in_ms,
    )
    if measured is not None:
        metric = replace(
            metric,
            deduplicated=bool(measured.dedupe),
            blocks=max(_FEWEST_READINGS, -(-judging.bad_seconds * SECOND_MS // measured.every_ms)),
            stale_ms=max(metric.stale_ms, _MISSES * measured.every_ms + measured.limit_ms),
        )
    return metric, _subject(about, name, rollback, alert, on_alert)


def _subject(
    about: _About, name: str, rollback: Limit | None, alert: Limit | None, on_alert: Consequence
) -> Subject:
    return Subject(
        metric=name,
        counted=about.counted,
        route_class=about.limit.route_class,
        rollback="" if rollback is None else rollback.name,
        alert="" if alert is None else _alert_name(rollback, alert),
        on_alert=on_alert,
        measured=about.limit.measured,
    )


def _alert_name(rollback: Limit | None, alert: Limit) -> str:
    return f"{alert.name} (alert)" if rollback is not None and rollback.name == alert.name else alert.name


def _group(limit: Limit) -> Group:
    if limit.metric is Measure.LATENCY_P95:
        return Group.LATENCY
    paid = limit.route_class.startswith(PAYMENT) or limit.measured.startswith(PAYMENT)
    return Group.PAYMENT if paid else Group.AVAILABILITY


def _beside(
    plan: Plan, arms: Arms, made: Sequence[_Made], baselines: Mapping[str, Baseline]
) -> Iterator[_Made]:
    """What is compared while both slots have traffic: with stable, and with the router's own share."""
    baseline = baselines.get(ALL_CLASSES, Baseline())
    if plan.judging.relative_milli is not None:
        for metric, subject in made:
            counts = subject.route_class == ALL_CLASSES and not subject.measured
            if counts and metric.limit is not None:
                compared = _compared(plan.judging, metric, arms, baseline)
                if compared is not None:
                    yield compared
    if not plan.sticky_cookie:
        name = f"share of {arms.candidate.value}"
        share = Metric(name, Kind.SHARE, alert=_SHARE_MILLI, dispersion_milli=baseline.dispersion_milli)
        yield share, Subject(name, Counted.SHARES, alert=name)


def _compared(judging: Judging, metric: Metric, arms: Arms, baseline: Baseline) -> _Made | None:
    assert metric.limit is not None
    assert arms.stable is not None
    times = metric.kind is Kind.P95
    cuts = cuts_of(baseline.counts.within, baseline.counts.answers) if times else ()
    if times and not cuts:
        return None
    part, whole = _FLOOR_OF_TIME if times else _FLOOR_OF_RATE
    name = f"{metric.name} against {arms.stable.value}"
    compared = Metric(
        name=name,
        kind=Kind.LATENCY_AGAINST_STABLE if times else Kind.AGAINST_STABLE,
        limit=judging.relative_milli,
        alert=_MILLI,
        group=Group.LATENCY if times else Group.RELATIVE,
        floor=metric.alert if metric.alert is not None else metric.limit * part // whole,
        dispersion_milli=baseline.dispersion_milli,
        strict=metric.strict,
        burn_in_ms=metric.burn_in_ms,
        cuts_ms=cuts,
    )
    counted = Counted.TIMES if times else Counted.ERRORS
    return compared, Subject(name, counted, rollback=name, alert=f"{name} (alert)")


def _against(plan: Plan, baselines: Mapping[str, Baseline]) -> Iterator[_Made]:
    """A metric for each trigger that compares with stable."""
    for trigger in plan.triggers:
        limit = trigger.limit
        if not trigger.weighed or limit.is_absolute:
            continue
        about = _About(plan, limit, baselines)
        counts = about.baseline.counts
        times = limit.metric is Measure.LATENCY_P95
        rolls_back = trigger.consequence is Consequence.ROLLBACK
        factor = limit.at_most // _MICRO_PER_MILLI
        metric = Metric(
            name=limit.name,
            kind=Kind.LATENCY_AGAINST_STABLE if times else Kind.AGAINST_STABLE,
            limit=factor if rolls_back else None,
            alert=None if rolls_back else factor,
            group=Group.LATENCY if times else Group.RELATIVE,
            dispersion_milli=about.baseline.dispersion_milli,
            strict=plan.judging.mode is Mode.STRICT,
            burn_in_ms=plan.judging.burn_in_ms,
            cuts_ms=(cuts_of(counts.within, counts.answers) or _ANY_CUTS_MS) if times else (),
        )
        rollback, alert = (limit, None) if rolls_back else (None, limit)
        on_alert = Consequence.ALERT if rolls_back else trigger.consequence
        yield metric, _subject(about, limit.name, rollback, alert, on_alert)
