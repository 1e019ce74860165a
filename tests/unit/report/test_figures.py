"""Figures beside limits."""

import pytest

from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Limit, Metric
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.figures import judge_reading, rate_text, slot_reading
from tminus.domain.report.log import seconds
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample


def reading(error_ppm: int | None = 0, p95_ms: int | None = 20, requests: int = 1_000) -> ReadingTaken:
    return ReadingTaken(Slot.GREEN, 1_000, requests, 100_000, error_ppm, p95_ms)


def sample(at_ms: int, requests: int, failures: int = 0) -> Sample:
    within = tuple(requests if edge >= 20 else 0 for edge in BUCKETS_MS)
    counts = Counts(requests, failures, requests, within)
    return Sample(at_ms, (ClassCounts(Slot.GREEN, 1, "other", counts),))


def test_a_reading_that_no_limit_speaks_about_is_inconclusive() -> None:
    assert judge_reading(reading(), ()) is Outcome.INCONCLUSIVE
    login = Limit("login errors", Metric.ERROR_RATE, 10_000, route_class="login")
    assert judge_reading(reading(), (login,)) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("at_most", "outcome"), [(150, Outcome.PASS), (200, Outcome.PASS), (100, Outcome.FAIL)]
)
def test_a_limit_between_two_edges_is_judged_by_the_next_higher_one(at_most: int, outcome: Outcome) -> None:
    assert judge_reading(reading(p95_ms=200), (Limit("p95", Metric.LATENCY_P95, at_most),)) is outcome


def test_one_broken_limit_is_enough() -> None:
    limits = (Limit("p95", Metric.LATENCY_P95, 500), Limit("errors", Metric.ERROR_RATE, 1_000))
    assert judge_reading(reading(error_ppm=1_001), limits) is Outcome.FAIL


def test_figures_are_those_of_the_window() -> None:
    samples = [sample(1_000, 100), sample(2_000, 200), sample(3_000, 400, 2)]
    assert slot_reading(samples, Slot.GREEN, 1, 5_000, 1_000) == ReadingTaken(
        Slot.GREEN, 5_000, 200, 200_000, 10_000, 20
    )


def test_one_sample_gives_no_rate() -> None:
    assert slot_reading([sample(1_000, 100)], Slot.GREEN, 1, 5_000, 1_000) is None
    assert slot_reading([], Slot.GREEN, 1, 5_000, 1_000) is None


def test_little_traffic_has_a_decimal() -> None:
    assert rate_text(2_340) == "2.3 req/s"
    assert rate_text(300_400) == "300 req/s"


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0ms"),
        (41, "41ms"),
        (120, "0.12s"),
        (2_149, "2.1s"),
        (42_900, "42s"),
        (94_000, "1m34s"),
        (3_840_500, "1h4m"),
    ],
)
def test_durations_are_as_exact_as_it_is_worth_reading(duration_ms: int, text: str) -> None:
    assert seconds(duration_ms) == text
