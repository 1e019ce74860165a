"""A judge beside the counts that it was given: from samples of the router to evidence, each exactly once.

A value. What it holds can be dumped and loaded, so that a later driver goes on where an earlier one was
killed: it gives the samples that came after the dump, and none twice.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace

from tminus.domain.canonical import digest_of_bytes
from tminus.domain.launch.evidence import Counted, EvidenceWeighed, Subject, Weighed
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.watch.cases import Cases, since
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.evidence.dumped import DumpError
from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.judgement import Judgement, MetricJudgement, State
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import place_of, target_of
from tminus.domain.watch.evidence.tally import Arm, Reading, Tally
from tminus.domain.watch.fed import Added, Fed, add
from tminus.domain.watch.measurement import Measurements
from tminus.domain.watch.terms import Arms, Terms

VERSION = 2
PPM_PER_BP = 100

RETICK_MS = 1_000
"""Without a new sample the judge looks again so often: what is missing must be noticed too."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How the router divides requests, as far as a judge needs to know.

    Attributes:
        generation: under which the router counts.
        share_bp: the candidate's share; 0 while it has none.
        since_ms: since when, milliseconds since the epoch.
        remaining_ms: time left for a pass; None where nothing waits for one.
    """

    generation: int
    share_bp: int
    since_ms: int
    remaining_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Weighing:
    """Evidence about one candidate.

    Attributes:
        terms: what it is judged by.
        arms: the slots.
        judge: the evidence.
        fed: what was given so far, by slot and class.
        cases: the same of the plan's metrics, by name.
        sampled_ms: time of the newest sample that was given; -1 before the first.
        ticked_ms: when the judge last looked; -1 before.
        promoted: the candidate is stable now, and the terms are those of the watch.
        judgement: what held at the last look; None before it.
        sealed: the evidence as it was last put aside; None before.
    """

    terms: Terms
    arms: Arms
    judge: Judge
    fed: Mapping[str, Fed] = field(default_factory=dict)
    cases: Mapping[str, Cases] = field(default_factory=dict)
    sampled_ms: int = -1
    ticked_ms: int = -1
    promoted: bool = False
    judgement: Judgement | None = None
    sealed: EvidenceWeighed | None = None

    @classmethod
    def begin(cls, terms: Terms, arms: Arms) -> "Weighing":
        """Of a candidate that has had no traffic."""
        return cls(terms, arms, Judge.start(terms.rules))

    def promote(self, terms: Terms) -> "Weighing":
        """The evidence of the watch: begun anew, by its own terms, with nothing counted twice."""
        return replace(self, terms=terms, judge=Judge.start(terms.rules), promoted=True, judgement=None)

    def give(self, sample: Sample, traffic: Traffic) -> "Weighing":
        """With one more sample, all metrics from the same instant; one given before changes nothing."""
        if sample.at_ms <= self.sampled_ms:
            return self
        fed: dict[str, Fed] = dict(self.fed)
        added: dict[tuple[Arm, str], Added] = {}
        for arm, slot in self._slots:
            for route_class in dict.fromkeys(each.route_class for each in self.terms.subjects):
                key = f"{arm.value}|{route_class}"
                counts = sample.class_total(slot, traffic.generation, route_class)
                fed[key], added[arm, route_class] = add(fed.get(key, Fed()), counts)
        known = 0 <= traffic.since_ms <= self.sampled_ms
        weight_ppm = traffic.share_bp * PPM_PER_BP if known else None
        readings = [
            reading
            for metric, subject in zip(self.terms.rules.metrics, self.terms.subjects, strict=True)
            if not subject.measured
            for reading in _readings(metric, subject, sample.at_ms, added, weight_ppm)
        ]
        judge = self.judge.feed(*readings)
        given = replace(self, judge=judge, fed=fed, sampled_ms=sample.at_ms)
        return given.look(sample.at_ms, traffic)

    def measure(self, found: Measurements, began_ms: int) -> "Weighing":
        """With what the plan's metrics have counted since; a measurement that was given changes nothing.

        Args:
            found: measurements by the metric's name, oldest first.
            began_ms: when traffic began to move.
        """
        cases: dict[str, Cases] = dict(self.cases)
        readings = []
        for name in dict.fromkeys(each.measured for each in self.terms.subjects if each.measured):
            after, added = since(cases.get(name), found.get(name, ()), began_ms)
            if after is not None:
                cases[name] = after
            readings += [
                Reading(subject.metric, Arm.CANDIDATE, at_ms, _bad_of(subject, tally), tally.total)
                for subject in self.terms.subjects
                if subject.measured == name
                for at_ms, tally in added
            ]
        return replace(self, judge=self.judge.feed(*readings), cases=cases) if readings else self._at(cases)

    def look(self, now_ms: int, traffic: Traffic) -> "Weighing":
        """With what holds at `now_ms`, also where nothing new was given."""
        weight_ppm = traffic.share_bp * PPM_PER_BP
        judge = self.judge.tick(now_ms, weight_ppm, traffic.remaining_ms)
        return replace(self, judge=judge, ticked_ms=now_ms, judgement=judge.judgement())

    def dump(self) -> str:
        """All of it as text: JSON whose only numbers are whole."""
        fed = {key: list(astuple(each)) for key, each in self.fed.items()}
        cases = {name: list(astuple(each)) for name, each in self.cases.items()}
        body = [VERSION, self.promoted, self.sampled_ms, self.ticked_ms, fed, cases, self.judge.dump()]
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def load(cls, terms: Terms, watch_terms: Terms, arms: Arms, text: str) -> "Weighing":
        """What `dump` wrote, under the terms of the trial and of the watch.

        Raises:
            DumpError: the text is no dump, or one made under other terms.
        """
        try:
            version, *parts = json.loads(text)
            if version != VERSION:
                raise DumpError(f"the dump has version {version}, and this program reads {VERSION}")
            promoted, sampled_ms, ticked_ms, fed, cases, judge = parts
            kept = {str(key): _read_fed(*row) for key, row in fed.items()}
            counted = {str(name): Cases(*row) for name, row in cases.items()}
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise error if isinstance(error, DumpError) else DumpError("the dump is damaged") from error
        held = watch_terms if promoted else terms
        loaded = cls(
            terms=held,
            arms=arms,
            judge=Judge.load(held.rules, judge),
            fed=kept,
            cases=counted,
            sampled_ms=sampled_ms,
            ticked_ms=ticked_ms,
            promoted=bool(promoted),
        )
        return replace(loaded, judgement=loaded.judge.judgement())

    def seal(self, text: str) -> "Weighing":
        """With the dump `text` of it put aside."""
        digest = digest_of_bytes(text.encode())
        return replace(self, sealed=EvidenceWeighed(digest, self.sampled_ms, self.figures))

    @property
    def figures(self) -> tuple[Weighed, ...]:
        """What each metric weighs now, for the journal."""
        if self.judgement is None:
            return ()
        return tuple(map(_figures, self.terms.rules.metrics, self.judgement.metrics))

    @property
    def awaited(self) -> tuple[MetricJudgement, ...]:
        """The metrics that a step waits for: those whose broken limit rolls back or holds."""
        if self.judgement is None:
            return ()
        return tuple(
            metric
            for metric, subject in zip(self.judgement.metrics, self.terms.subjects, strict=True)
            if subject.rollback or subject.on_alert is Consequence.HOLD
        )

    @property
    def underpowered(self) -> bool:
        """Whether the traffic is too little for a pass, and nothing else stands against one."""
        judgement = self.judgement
        if judgement is None or judgement.rollback is not None:
            return False
        if any(metric.state in (State.STALE, State.NO_DATA) for metric in self.awaited):
            return False
        short = [metric for metric in self.awaited if metric.state is State.UNDERPOWERED]
        return bool(short) and all(metric.candidate.bad == 0 for metric in short)

    def _at(self, cases: Mapping[str, Cases]) -> "Weighing":
        return self if cases == self.cases else replace(self, cases=cases)

    @property
    def _slots(self) -> Iterator[tuple[Arm, Slot]]:
        yield Arm.CANDIDATE, self.arms.candidate
        if self.arms.stable is not None and not self.promoted:
            yield Arm.STABLE, self.arms.stable


def is_fine(metric: MetricJudgement) -> bool:
    """Whether a metric stands in the way of nothing: proven, or a comparison that finds nothing."""
    if metric.state in (State.STALE, State.NO_DATA, State.ROLLBACK):
        return False
    return metric.passed or not metric.can_pass


def _bad_of(subject: Subject, tally: Tally) -> int:
    return tally.total - tally.bad if subject.counted is Counted.SUCCESSES else tally.bad


def _read_fed(requests: int, good: int, bad: int, answers: int, within: list[int]) -> Fed:
    return Fed(requests, good, bad, answers, tuple(within))


def _readings(
    metric: Metric,
    subject: Subject,
    at_ms: int,
    added: Mapping[tuple[Arm, str], Added],
    weight_ppm: int | None,
) -> Iterator[Reading]:
    if subject.counted is Counted.SHARES:
        mine = added[Arm.CANDIDATE, subject.route_class].requests.total
        other = added.get((Arm.STABLE, subject.route_class))
        total = mine + (0 if other is None else other.requests.total)
        halved = weight_ppm is not None and 0 < weight_ppm < FULL_BP * PPM_PER_BP
        weight = weight_ppm if halved else None
        yield Reading(metric.name, Arm.CANDIDATE, at_ms, bad=mine, total=total, weight_ppm=weight)
        return
    for arm in Arm:
        found = added.get((arm, subject.route_class))
        if found is None or (arm is Arm.STABLE and not metric.needs_stable):
            continue
        tally = found.answers if subject.counted is Counted.TIMES else found.requests
        yield Reading(metric.name, arm, at_ms, tally.bad, tally.total, tally.within)


def _figures(metric: Metric, judged: MetricJudgement) -> Weighed:
    return Weighed(
        metric=judged.metric,
        state=judged.state.value,
        log_e_milli=_milli(judged.log_e),
        needed_milli=_milli(judged.needed_log_e),
        p=f"{judged.p_value:.2g}",
        bad=_bad(metric, judged.candidate),
        total=judged.candidate.total,
        stable_bad=_bad(metric, judged.stable),
        stable_total=judged.stable.total,
        cases_to_pass=judged.cases_to_pass,
    )


def _bad(metric: Metric, tally: Tally) -> int:
    limit = target_of(metric)
    if metric.kind is Kind.P95 and limit is not None:
        return tally.bad_at(place_of(metric, limit))
    if metric.kind is Kind.LATENCY_AGAINST_STABLE and metric.floor is not None:
        return tally.bad_at(place_of(metric, metric.floor))
    return tally.bad


def _milli(log: float) -> int | None:
    return round(1000 * log) if math.isfinite(log) else None
