"""Samples of a trial, a second apart, and the terms that a plan gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.unit.engine.launches import CANDIDATE, NOW_MS, STABLE, a_plan
from tminus.domain.launch.evidence import TermsFixed
from tminus.domain.plan.judging import Judging
from tminus.domain.plan.limit import ALL_CLASSES, Consequence, Limit, Metric, Trigger
from tminus.domain.plan.plan import Plan
from tminus.domain.watch.baseline import Baseline
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.terms import Arms, Terms, fix_terms, terms_of

ARMS = Arms(CANDIDATE, STABLE)
GENERATION = 5
ERRORS = Limit("error rate", Metric.ERROR_RATE, 10_000)
SLOW = Limit("p95", Metric.LATENCY_P95, 500)


def weighed(limit: Limit, consequence: Consequence = Consequence.ROLLBACK) -> Trigger:
    return Trigger(limit, consequence, weighed=True)


def plan_of(*triggers: Trigger, judging: Judging | None = None, **changes: object) -> Plan:
    judging = judging or Judging(relative_milli=None)
    return a_plan(triggers=triggers, judging=judging, alerts=(), sticky_cookie="s", **changes)


def terms(plan: Plan, arms: Arms = ARMS, baseline: Baseline | None = None) -> Terms:
    return terms_of(fixed(plan, arms, baseline), arms)


def fixed(plan: Plan, arms: Arms = ARMS, baseline: Baseline | None = None) -> TermsFixed:
    return fix_terms(plan, arms, {} if baseline is None else {ALL_CLASSES: baseline})


@dataclass(frozen=True, slots=True)
class Second:
    """What each slot did in one second: requests, failures, and answers slower than 500 ms."""

    mine: tuple[int, int, int] = (0, 0, 0)
    others: tuple[int, int, int] = (0, 0, 0)


def trial(seconds: Sequence[Second], route_class: str = "other") -> list[Sample]:
    """Running totals after each second of a trial that begins at NOW_MS."""
    totals = [Counts(), Counts()]
    samples = []
    for number, second in enumerate(seconds, start=1):
        for index, (requests, failures, slow) in enumerate((second.mine, second.others)):
            within = tuple(
                requests if edge_ms >= 1_000 else requests - slow if edge_ms >= 20 else 0
                for edge_ms in BUCKETS_MS
            )
            totals[index] += Counts(requests, failures, requests, within)
        classes = tuple(
            ClassCounts(slot, GENERATION, route_class, counts)
            for slot, counts in zip((CANDIDATE, STABLE), totals, strict=True)
        )
        samples.append(Sample(NOW_MS + number * 1_000, classes))
    return samples


HEALTHY = Second((100, 0, 0), (100, 0, 0))
