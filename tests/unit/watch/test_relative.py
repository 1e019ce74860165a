"""Limits of the router's counters against stable, or against what stable did before."""

from dataclasses import replace

import pytest

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Against, Limit, Metric
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.relative import factor_text, judge_routed

pytestmark = pytest.mark.req("R9")

NOW_MS = 1_700_000_000_000
GENERATION = 5
ERRORS = Limit("errors", Metric.ERROR_RATE, 1_500_000, against=Against.STABLE)
SLOW = Limit("p95", Metric.LATENCY_P95, 1_500_000, against=Against.STABLE)
EARLIER = replace(ERRORS, against=Against.BASELINE)


def counts(
    slot: Slot, requests: int, failures: int = 0, ms: int = 10, generation: int = GENERATION
) -> ClassCounts:
    within = tuple(requests if edge_ms >= ms else 0 for edge_ms in BUCKETS_MS)
    return ClassCounts(slot, generation, "other", Counts(requests, failures, requests, within))


def judged(limit: Limit, *found: ClassCounts, age_ms: int = 0, stable: Slot | None = Slot.BLUE) -> Verdict:
    samples = [Sample(NOW_MS - age_ms, found)] if found else []
    return judge_routed(limit, samples, Slot.GREEN, stable, GENERATION, NOW_MS)


def test_a_candidate_that_fails_more_than_stable_by_the_factor_breaks_the_limit() -> None:
    found = judged(ERRORS, counts(Slot.BLUE, 1_000, 10), counts(Slot.GREEN, 1_000, 30))
    assert (found.outcome, found.why) == (
        Outcome.FAIL,
        "errors: 30 of 1000 (3 %) against 10 of 1000 (1 %) of stable, limit 1.5x",
    )


def test_an_incident_of_both_is_no_reason_to_go_back() -> None:
    found = judged(ERRORS, counts(Slot.BLUE, 1_000, 200), counts(Slot.GREEN, 1_000, 210))
    assert found.outcome is Outcome.PASS


def test_what_stable_did_before_is_under_earlier_generations() -> None:
    before = counts(Slot.BLUE, 9_000, 9, generation=3)
    now = counts(Slot.BLUE, 1_000, 500), counts(Slot.GREEN, 1_000, 20)
    assert judged(EARLIER, before, *now).outcome is Outcome.FAIL
    assert judged(EARLIER, *now).outcome is Outcome.INCONCLUSIVE


def test_slower_answers_are_told_by_the_limits_own_edge() -> None:
    blue = counts(Slot.BLUE, 500, ms=20)
    assert judged(SLOW, blue, counts(Slot.GREEN, 500, ms=100)).outcome is Outcome.FAIL
    assert judged(SLOW, blue, counts(Slot.GREEN, 500, ms=20)).outcome is Outcome.PASS


@pytest.mark.parametrize("limit", [ERRORS, SLOW])
def test_without_enough_of_both_nothing_is_judged(limit: Limit) -> None:
    few = counts(Slot.BLUE, 5), counts(Slot.GREEN, 900, 90, ms=900)
    assert judged(limit, *few).outcome is Outcome.INCONCLUSIVE
    assert judged(limit).outcome is Outcome.INCONCLUSIVE
    assert judged(limit, *few, age_ms=60_000).outcome is Outcome.INCONCLUSIVE


def test_a_first_launch_has_nothing_to_compare_with() -> None:
    found = judged(ERRORS, counts(Slot.GREEN, 900, 90), stable=None)
    assert found == Verdict(
        "errors", Outcome.INCONCLUSIVE, "errors: a first launch has no stable version to compare with"
    )


@pytest.mark.parametrize(("micro", "text"), [(1_500_000, "1.5x"), (2_000_000, "2x"), (1_050_000, "1.05x")])
def test_a_factor_is_said_as_it_is_written(micro: int, text: str) -> None:
    assert factor_text(micro) == text
