import pytest

from tests.unit.engine.launches import NOW_MS, STABLE
from tminus.domain.watch.baseline import BASELINE_MS, Baseline, baseline_of
from tminus.domain.watch.counts import ClassCounts, Counts, Sample

pytestmark = pytest.mark.req("R9")


def samples(failures: list[int], generation: int = 3) -> list[Sample]:
    """Stable's running totals, a second apart, at 50 requests a second."""
    found, failed = [], 0
    for number, more in enumerate([0, *failures]):
        failed += more
        counts = Counts(requests=50 * number, failures=failed, answers=50 * number)
        found.append(Sample(NOW_MS + 1_000 * number, (ClassCounts(STABLE, generation, "other", counts),)))
    return found


def test_it_counts_what_was_added_between_the_first_and_the_last_sample() -> None:
    found = baseline_of(samples([0, 1, 0, 2]), STABLE, "all")
    assert (found.seconds, found.counts.requests, found.counts.failures) == (4, 200, 3)
    assert found.per_s_milli == 50_000


def test_failures_in_clusters_vary_more_than_by_chance() -> None:
    alone = baseline_of(samples([1 if second % 10 == 0 else 0 for second in range(600)]), STABLE, "all")
    clustered = baseline_of(
        samples([30 if second % 100 == 0 else 0 for second in range(1_500)]), STABLE, "all"
    )
    assert alone.dispersion_milli < 2_000 < clustered.dispersion_milli


def test_it_reaches_half_an_hour_back() -> None:
    found = baseline_of(samples([1] * 3_000), STABLE, "all")
    assert found.seconds == BASELINE_MS // 1_000


def test_a_router_that_was_restarted_counts_from_zero() -> None:
    before, after = samples([0, 0]), samples([1, 0])
    moved = [Sample(sample.at_ms + 10_000, sample.classes) for sample in after]
    found = baseline_of([*before, *moved], STABLE, "all")
    assert (found.counts.requests, found.counts.failures) == (200, 1)


@pytest.mark.parametrize("seen", [[], samples([])])
def test_without_requests_there_is_none(seen: list[Sample]) -> None:
    assert baseline_of(seen, STABLE, "all") == Baseline()
    assert baseline_of(samples([0, 0]), STABLE.other, "all") == Baseline()
    assert baseline_of(samples([0, 0]), STABLE, "payment") == Baseline()
