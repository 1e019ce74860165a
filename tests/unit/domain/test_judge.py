from dataclasses import replace

import pytest

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Limit, Metric
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.answers import Answer
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.judge import (
    FEWEST_BAD,
    STALE_MS,
    TOTAL_FAILURE_REQUESTS,
    counts_in_window,
    judge_limit,
    judge_question,
    judge_total_failure,
    percent_of,
)

GREEN, GENERATION, NOW_MS, WINDOW_MS = Slot.GREEN, 3, 1_000_000, 10_000
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE

ERRORS = Limit("error rate", Metric.ERROR_RATE, 10_000, window_ms=WINDOW_MS, min_requests=20)
SLOW = Limit("p95", Metric.LATENCY_P95, 500, window_ms=WINDOW_MS, min_requests=20)

pytestmark = pytest.mark.req("R7", "R9")


def sample(
    age_ms: int,
    requests: int,
    failures: int = 0,
    slow: int = 0,
    *,
    route_class: str = "other",
    generation: int = GENERATION,
    slot: Slot = GREEN,
) -> Sample:
    within = tuple(requests if edge_ms >= 1_000 else requests - slow for edge_ms in BUCKETS_MS)
    counts = Counts(requests, failures, requests, within)
    return Sample(NOW_MS - age_ms, (ClassCounts(slot, generation, route_class, counts),))


def judged(limit: Limit, *samples: Sample) -> Verdict:
    return judge_limit(limit, samples, GREEN, GENERATION, NOW_MS)


def test_without_samples_nothing_is_known() -> None:
    assert judged(ERRORS) == Verdict("error rate", INCONCLUSIVE, "error rate: no counters were read")


def test_stale_counters_are_no_evidence_however_bad() -> None:
    verdict = judged(ERRORS, sample(STALE_MS + 1, 1_000, 1_000))
    assert verdict == Verdict("error rate", INCONCLUSIVE, "error rate: the newest counters are 5s1ms old")


def test_counters_are_evidence_until_they_are_stale() -> None:
    assert judged(ERRORS, sample(STALE_MS, 1_000)).outcome is PASS


def test_too_few_requests_are_inconclusive() -> None:
    verdict = judged(ERRORS, sample(0, 19))
    why = "error rate on green: 0 of 19 failed in 10s (0 %), limit 1 %; too few to judge"
    assert verdict == Verdict("error rate", INCONCLUSIVE, why)


def test_no_request_at_all_is_inconclusive_even_where_none_is_asked_for() -> None:
    verdict = judged(replace(ERRORS, min_requests=0), sample(0, 0))
    why = "error rate on green: 0 of 0 failed in 10s (no requests), limit 1 %; too few to judge"
    assert verdict == Verdict("error rate", INCONCLUSIVE, why)


def test_enough_good_requests_pass() -> None:
    why = "error rate on green: 0 of 20 failed in 10s (0 %), limit 1 %"
    assert judged(ERRORS, sample(0, 20)) == Verdict("error rate", PASS, why)


@pytest.mark.parametrize(("failures", "outcome"), [(9, PASS), (10, PASS), (11, FAIL)])
def test_a_rate_may_reach_its_limit_and_not_exceed_it(failures: int, outcome: Outcome) -> None:
    assert judged(ERRORS, sample(0, 1_000, failures)).outcome is outcome


@pytest.mark.parametrize(("slow", "outcome"), [(5, PASS), (6, FAIL)])
def test_five_of_a_hundred_may_be_slower_than_a_p95(slow: int, outcome: Outcome) -> None:
    assert judged(SLOW, sample(0, 100, slow=slow)).outcome is outcome


def test_a_broken_limit_says_its_numbers() -> None:
    why = "error rate on green: 50 of 1000 failed in 10s (5 %), limit 1 %"
    assert judged(ERRORS, sample(0, 1_000, 50)) == Verdict("error rate", FAIL, why)


def test_a_broken_time_says_its_numbers() -> None:
    why = "p95 on green: 10 of 100 slower than 500 ms in 10s (p95 <= 1000 ms), limit 5 %"
    assert judged(SLOW, sample(0, 100, slow=10)) == Verdict("p95", FAIL, why)


@pytest.mark.parametrize(("failures", "outcome"), [(FEWEST_BAD - 1, INCONCLUSIVE), (FEWEST_BAD, FAIL)])
def test_a_limit_is_not_broken_by_fewer_bad_requests_than_three(failures: int, outcome: Outcome) -> None:
    assert judged(ERRORS, sample(0, 100, failures)).outcome is outcome


def test_a_few_bad_requests_break_a_limit_before_there_are_enough_to_pass() -> None:
    assert judged(ERRORS, sample(0, FEWEST_BAD * 2, FEWEST_BAD)).outcome is FAIL


def test_bad_requests_among_fewer_than_six_are_inconclusive() -> None:
    assert judged(ERRORS, sample(0, FEWEST_BAD * 2 - 1, FEWEST_BAD)).outcome is INCONCLUSIVE


def test_what_failed_before_the_window_is_forgiven() -> None:
    assert judged(ERRORS, sample(WINDOW_MS, 100, 100), sample(0, 200, 100)).outcome is PASS


def test_what_failed_within_the_window_counts() -> None:
    assert judged(ERRORS, sample(WINDOW_MS, 100), sample(0, 200, 100)).outcome is FAIL


def test_the_newest_sample_before_the_window_bounds_it() -> None:
    samples = [sample(WINDOW_MS * 2, 0), sample(WINDOW_MS + 1, 100), sample(1, 150)]
    counts = counts_in_window(samples, GREEN, GENERATION, "all", WINDOW_MS)
    assert counts is not None
    assert counts.requests == 50


def test_a_history_shorter_than_the_window_counts_from_its_beginning() -> None:
    assert counts_in_window([sample(1, 30), sample(0, 40)], GREEN, GENERATION, "all", WINDOW_MS) == (
        counts_in_window([sample(0, 40)], GREEN, GENERATION, "all", WINDOW_MS)
    )


def test_a_router_that_restarted_within_the_window_counts_anew() -> None:
    assert judged(ERRORS, sample(WINDOW_MS, 10_000), sample(0, 20, 20)).outcome is FAIL


def test_an_earlier_generation_says_nothing_about_this_one() -> None:
    assert judged(ERRORS, sample(0, 1_000, 1_000, generation=GENERATION - 1)).outcome is INCONCLUSIVE


def test_the_other_slot_says_nothing_about_this_one() -> None:
    assert judged(ERRORS, sample(0, 1_000, 1_000, slot=GREEN.other)).outcome is INCONCLUSIVE


def both(one: Sample, other: Sample) -> Sample:
    return Sample(one.at_ms, (*one.classes, *other.classes))


def test_a_limit_of_a_class_judges_that_class_alone() -> None:
    limit = replace(ERRORS, route_class="payment")
    seen = both(sample(0, 100, 100), sample(0, 100, route_class="payment"))
    assert judged(limit, seen).outcome is PASS


def test_a_limit_of_a_class_names_it() -> None:
    limit = replace(ERRORS, route_class="payment")
    assert judged(limit, sample(0, 100, 50, route_class="payment")).why.startswith(
        "payment error rate on green:"
    )


def test_the_meters_own_requests_are_not_judged() -> None:
    seen = both(sample(0, 100), sample(0, 1_000, 1_000, route_class="meter"))
    assert judged(ERRORS, seen).outcome is PASS


def test_a_class_that_only_fails_is_a_total_failure_without_waiting_for_a_window() -> None:
    verdict = judge_total_failure("payment", [sample(0, 5, 5, route_class="payment")], GREEN, GENERATION)
    why = "payment on green: all of the last 5 requests failed"
    assert verdict == Verdict("total failure of payment", FAIL, why)


@pytest.mark.parametrize(
    "seen",
    [
        sample(0, TOTAL_FAILURE_REQUESTS - 1, TOTAL_FAILURE_REQUESTS - 1),
        sample(0, 100, 99),
        sample(0, 100, 100, route_class="meter"),
        sample(0, 100, 100, generation=GENERATION - 1),
    ],
    ids=["too few", "one good answer", "only the meter", "an earlier generation"],
)
def test_it_is_no_total_failure(seen: Sample) -> None:
    assert judge_total_failure("all", [seen], GREEN, GENERATION) is None


DECLINED = Limit("declined", Metric.QUESTION, 100_000, min_requests=20, question="declined")


def asked(*answers: Answer) -> Verdict:
    return judge_question(DECLINED, answers, NOW_MS)


@pytest.mark.parametrize(
    ("bad", "total", "outcome", "why"),
    [
        (0, 0, INCONCLUSIVE, "declined: 0 of 0 (nothing to count), limit 10 %; too few to judge"),
        (0, 19, INCONCLUSIVE, "declined: 0 of 19 (0 %), limit 10 %; too few to judge"),
        (2, 2, INCONCLUSIVE, "declined: 2 of 2 (100 %), limit 10 %"),
        (3, 5, INCONCLUSIVE, "declined: 3 of 5 (60 %), limit 10 %"),
        (3, 6, FAIL, "declined: 3 of 6 (50 %), limit 10 %"),
        (11, 100, FAIL, "declined: 11 of 100 (11 %), limit 10 %"),
        (10, 100, PASS, "declined: 10 of 100 (10 %), limit 10 %"),
        (0, 20, PASS, "declined: 0 of 20 (0 %), limit 10 %"),
    ],
)
def test_a_question_is_judged_by_the_share_it_counts(
    bad: int, total: int, outcome: Outcome, why: str
) -> None:
    assert asked(Answer(NOW_MS, bad, total)) == Verdict("declined", outcome, why)


def test_a_question_without_an_answer_is_inconclusive() -> None:
    assert asked() == Verdict("declined", INCONCLUSIVE, "declined: the question has no answer")


@pytest.mark.parametrize(("age_ms", "outcome"), [(STALE_MS, PASS), (STALE_MS + 1, INCONCLUSIVE)])
def test_an_answer_that_is_stale_is_no_evidence(age_ms: int, outcome: Outcome) -> None:
    assert asked(Answer(NOW_MS - age_ms, 0, 100)).outcome is outcome


def test_the_newest_answer_decides() -> None:
    bad, good = Answer(NOW_MS - 1_000, 100, 100), Answer(NOW_MS, 0, 100)
    assert [asked(bad, good).outcome, asked(good, replace(bad, at_ms=NOW_MS)).outcome] == [PASS, FAIL]


def test_without_samples_nothing_has_failed_totally() -> None:
    assert judge_total_failure("all", [], GREEN, GENERATION) is None


def test_a_total_failure_that_is_over_is_none() -> None:
    samples = [sample(2_000, 100, 100), sample(0, 110, 100)]
    assert judge_total_failure("all", samples, GREEN, GENERATION) is None


@pytest.mark.parametrize(
    ("ppm", "text"),
    [
        (0, "0 %"),
        (200, "0.02 %"),
        (1, "0.0001 %"),
        (49, "0.0049 %"),
        (125, "0.01 %"),
        (12_345, "1.23 %"),
        (10_000, "1 %"),
        (1_000, "0.1 %"),
        (1_000_000, "100 %"),
    ],
)
def test_a_share_is_shown_with_two_decimals_and_small_ones_with_four(ppm: int, text: str) -> None:
    assert percent_of(ppm) == text
