"""The entry points: feed readings, tick, read the judgement.

    rules = Rules(
        metrics=(
            Metric("errors", Kind.RATE, limit=10_000, alert=5_000),
            Metric("payments", Kind.RATE, limit=5_000, group=Group.PAYMENT, deduplicated=True),
            Metric("errors against blue", Kind.AGAINST_STABLE, limit=1_500, alert=1_000, floor=5_000,
                   group=Group.RELATIVE),
            Metric("latency", Kind.P95, limit=500, alert=300, group=Group.LATENCY),
        ),
        candidate="green",
        stable="blue",
    )
    judge = Judge.start(rules)
    # Four times a second, with what was added since the reading before:
    judge = judge.feed(
        Reading("errors", Arm.CANDIDATE, now_ms, bad=1, total=52),
        Reading("errors against blue", Arm.CANDIDATE, now_ms, bad=1, total=52),
        Reading("errors against blue", Arm.STABLE, now_ms, bad=0, total=49),
        Reading("latency", Arm.CANDIDATE, now_ms, total=52, within=(0, 0, 4, 30, 44, 50, 52, ...)),
    )
    judge = judge.tick(now_ms, weight_ppm=500_000, remaining_ms=60_000)
    judgement = judge.judgement()
    if judgement.rollback is not None:
        ...  # judgement.rollback.why explains it
    # Every ten seconds, and again after a restart:
    text = judge.dump()
    judge = Judge.load(rules, text)

Readings are differences, never running totals, and never of windows that overlap. They may be fed again: what
a judge or its dump has seen is ignored. Everything here is a value; nothing reads a clock.
"""

import math
from dataclasses import dataclass, replace

from tminus.domain.watch.evidence.detector import log_sum
from tminus.domain.watch.evidence.dumped import DumpError, dumped, loaded
from tminus.domain.watch.evidence.judgement import Fired, Judgement, MetricJudgement, State
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import Rules, Scale, Scales
from tminus.domain.watch.evidence.said import Verdict, fired_sentence
from tminus.domain.watch.evidence.standing import BEFORE, Moment, Reached, judged
from tminus.domain.watch.evidence.tally import Reading
from tminus.domain.watch.evidence.track import (
    Mass,
    Track,
    ahead,
    begin,
    close,
    counts_above_floor,
    fits,
    persists,
    read,
)

_UNKNOWN = (State.STALE, State.NO_DATA)


@dataclass(frozen=True, slots=True)
class Judge:
    """Evidence about one launch, weighed as it comes.

    Attributes:
        rules: what was fixed before.
        tracks: the evidence per metric, in the order of the rules.
        ticked: the same as they were at the last tick.
        seen: those with the open blocks added.
        moment: the last tick.
        rollback: the verdict to roll back, once reached.
        alerts: alerts so far, one per metric.
    """

    rules: Rules
    tracks: tuple[Track, ...]
    ticked: tuple[Track, ...]
    seen: tuple[Track, ...]
    moment: Moment = BEFORE
    rollback: Fired | None = None
    alerts: tuple[Fired, ...] = ()

    @classmethod
    def start(cls, rules: Rules) -> "Judge":
        """A judge who has seen nothing."""
        tracks = tuple(map(begin, rules.scales))
        return cls(rules, tracks, tracks, tracks)

    def feed(self, *readings: Reading) -> "Judge":
        """The judge after these readings; a metric's may be out of order by up to two seconds.

        Readings that are late, repeated or impossible change nothing and are counted.

        Raises:
            KeyError: a reading names a metric that the rules do not have.
        """
        tracks = list(self.tracks)
        for reading in readings:
            index = self.rules.index(reading.metric)
            tracks[index] = read(self.rules.metrics[index], self.rules.scales[index], tracks[index], reading)
        return replace(self, tracks=tuple(tracks))

    def tick(self, now_ms: int, weight_ppm: int, remaining_ms: int | None = None) -> "Judge":
        """The judge at `now_ms`, with the verdicts that were reached by then.

        Args:
            now_ms: milliseconds since the epoch.
            weight_ppm: share of the traffic that the candidate is given now.
            remaining_ms: time left until the step needs its pass.
        """
        weighted_ms = None
        if weight_ppm > 0:
            weighted_ms = now_ms if self.moment.weighted_ms is None else self.moment.weighted_ms
        tracks = tuple(close(*part, now_ms) for part in zip(*self._parts, self.tracks, strict=True))
        # Most ticks bring nothing new to most metrics.
        seen = tuple(
            known if track is before else ahead(metric, scales, track)
            for metric, scales, track, before, known in zip(
                *self._parts, tracks, self.ticked, self.seen, strict=True
            )
        )
        moment = Moment(now_ms, weighted_ms, remaining_ms)
        return _fired(replace(self, tracks=tracks, ticked=tracks, seen=seen, moment=moment))

    def judgement(self) -> Judgement:
        """What held at the last tick."""
        metrics = tuple(map(self._metric, range(len(self.seen))))
        passing = [metric.passed for metric in metrics if metric.can_pass]
        known = not any(
            rule.gates and metric.state in _UNKNOWN
            for rule, metric in zip(self.rules.metrics, metrics, strict=True)
        )
        passed = self.rollback is None and known and bool(passing) and all(passing)
        state, why = self._worst(metrics)
        return Judgement(
            state=state,
            passed=passed,
            log_e=_total(self.rules, self.seen),
            needed_log_e=self.rules.threshold,
            rollback=self.rollback,
            alerts=self.alerts,
            metrics=metrics,
            why=why,
        )

    def dump(self) -> str:
        """The judge as text: JSON whose only numbers are whole."""
        return dumped(self.rules.digest(), (self.tracks, self.moment, self.rollback, self.alerts))

    @classmethod
    def load(cls, rules: Rules, text: str) -> "Judge":
        """The judge that `dump` wrote, exactly.

        Raises:
            DumpError: the text is no dump, or one of other rules.
        """
        tracks, moment, rollback, alerts = loaded(rules.digest(), text)
        if len(tracks) != len(rules.metrics) or not all(map(fits, rules.scales, tracks)):
            raise DumpError("the dump of a judge is damaged")
        seen = tuple(ahead(*part) for part in zip(rules.metrics, rules.scales, tracks, strict=True))
        return cls(rules, tracks, tracks, seen, moment, rollback, alerts)

    @property
    def _parts(self) -> tuple[tuple[Metric, ...], tuple[Scales, ...]]:
        return self.rules.metrics, self.rules.scales

    def _metric(self, index: int) -> MetricJudgement:
        name = self.rules.metrics[index].name
        rollback = self.rollback if self.rollback is not None and self.rollback.metric == name else None
        alert = next((alert for alert in self.alerts if alert.metric == name), None)
        return judged(self.rules, index, self.seen[index], self.moment, Reached(rollback, alert))

    def _worst(self, metrics: tuple[MetricJudgement, ...]) -> tuple[State, str]:
        if self.rollback is not None:
            return State.ROLLBACK, self.rollback.why
        # A metric that cannot pass, such as a comparison, does not keep the others from it.
        counted = [
            metric
            for rule, metric in zip(self.rules.metrics, metrics, strict=True)
            if metric.can_pass or metric.state is State.ALERT or (rule.gates and metric.state in _UNKNOWN)
        ]
        order = [state for state in State if state is not State.PASS] + [State.PASS]
        if not counted:
            return State.COLLECTING, "nothing has been judged that can pass"
        worst = min(counted, key=lambda metric: order.index(metric.state))
        return worst.state, worst.why


def _fired(judge: Judge) -> Judge:
    """With the verdicts that the evidence reaches at this tick; those reached before stay."""
    if judge.rollback is not None:
        return judge
    rules, alerts = judge.rules, judge.alerts
    known = {alert.metric for alert in alerts}
    for metric, scales, track in zip(rules.metrics, rules.scales, judge.seen, strict=True):
        if metric.name not in known and _alerts(metric, scales, track):
            alerts = (*alerts, _alert(judge, metric, track))
    found = _rolls_back(rules, judge.seen)
    if found is None:
        return replace(judge, alerts=alerts)
    metric = rules.metrics[found]
    verdict = _rollback(judge, found)
    if metric.name not in {alert.metric for alert in alerts}:
        alerts = (*alerts, verdict)
    return replace(judge, rollback=verdict, alerts=alerts)


def _rollback(judge: Judge, index: int) -> Fired:
    metric, track = judge.rules.metrics[index], judge.seen[index]
    assert metric.limit is not None
    verdict = Verdict(metric.limit, judge.rules.alpha_ppm, judge.moment.now_ms)
    together = None
    if not _is_over(judge.rules.scales[index].rollback, track.rollback) and metric.kind is not Kind.GAUGE:
        together = _total(judge.rules, judge.seen)
    why = fired_sentence(judge.rules, metric, track, track.rollback, verdict, together)
    return Fired(metric.name, judge.moment.now_ms, why)


def _alert(judge: Judge, metric: Metric, track: Track) -> Fired:
    assert metric.alert is not None
    verdict = Verdict(metric.alert, judge.rules.alert_ppm, judge.moment.now_ms)
    why = fired_sentence(judge.rules, metric, track, track.alert, verdict)
    return Fired(metric.name, judge.moment.now_ms, why)


def _alerts(metric: Metric, scales: Scales, track: Track) -> bool:
    if metric.kind is Kind.GAUGE:
        over = sum(entry.over_alert for entry in track.bins)
        return metric.alert is not None and persists(track.bins, over)
    return _is_over(scales.alert, track.alert)


def _is_over(scale: Scale | None, mass: Mass | None) -> bool:
    """Whether the evidence was enough at some time."""
    return scale is not None and mass is not None and mass.peak >= scale.detector.threshold


def _weighed(metric: Metric, scales: Scales, track: Track) -> float:
    """Logarithm of a metric's weighted evidence; minus infinity where it may not roll back now.

    Evidence that was enough for itself between two ticks stays enough.
    """
    if scales.rollback is None or track.rollback is None:
        return -math.inf
    weight = math.log(scales.weight)
    if _is_over(scales.rollback, track.rollback):
        return weight + track.rollback.peak
    if not counts_above_floor(metric, scales.rollback, track.rollback.episode):
        return -math.inf
    return weight + track.rollback.log_e


def _total(rules: Rules, tracks: tuple[Track, ...]) -> float:
    return log_sum(map(_weighed, rules.metrics, rules.scales, tracks))


def _rolls_back(rules: Rules, tracks: tuple[Track, ...]) -> int | None:
    """Which metric weighs most, where the evidence of all of them is enough; None where it is not.

    The weighted mean of e-values is an e-value, so all metrics share one budget and add up. Gauges are apart.
    """
    for index, (metric, track) in enumerate(zip(rules.metrics, tracks, strict=True)):
        over = sum(entry.over_limit for entry in track.bins)
        if metric.kind is Kind.GAUGE and metric.limit is not None and persists(track.bins, over):
            return index
    weighed = tuple(map(_weighed, rules.metrics, rules.scales, tracks))
    return weighed.index(max(weighed)) if log_sum(weighed) >= rules.threshold else None
