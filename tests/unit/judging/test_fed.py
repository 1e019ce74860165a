from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tminus.domain.watch.counts import BUCKETS_MS, Counts
from tminus.domain.watch.fed import Fed, add


def counts(requests: int, failures: int = 0, answers: int = 0, fast: int = 0) -> Counts:
    within = tuple(fast if edge_ms < 500 else answers for edge_ms in BUCKETS_MS)
    return Counts(requests, failures, answers, within)


def fed(*samples: Counts) -> tuple[int, int]:
    """Bad and all cases that these samples added up to."""
    state, bad, total = Fed(), 0, 0
    for sample in samples:
        state, added = add(state, sample)
        assert 0 <= added.requests.bad <= added.requests.total
        bad, total = bad + added.requests.bad, total + added.requests.total
    return bad, total


def test_what_was_added_counts_once() -> None:
    assert fed(counts(10, 1), counts(10, 1), counts(30, 4)) == (4, 30)


def test_a_request_that_fails_after_it_was_counted_as_good_counts_as_bad_and_never_as_two() -> None:
    assert fed(counts(10), counts(10, 10), counts(20, 10)) == (10, 20)


def test_a_count_that_is_too_high_for_a_moment_is_not_counted_again() -> None:
    assert fed(counts(100, 3), counts(100, 2), counts(200, 3), counts(300, 4)) == (4, 300)


def test_a_router_that_was_restarted_counts_from_zero() -> None:
    assert fed(counts(100, 5), counts(7, 1), counts(9, 1)) == (6, 109)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_what_is_added_is_always_possible(steps: list[tuple[int, int]]) -> None:
    state, requests, failures = Fed(), 0, 0
    for more, failed in steps:
        requests, failures = requests + more, min(requests + more, failures + failed)
        state, added = add(state, counts(requests, failures))
        assert 0 <= added.requests.bad <= added.requests.total
    assert state.bad == failures
    assert state.good + state.bad >= requests


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=len(BUCKETS_MS), max_size=len(BUCKETS_MS)), max_size=10)
)
def test_times_that_are_added_form_a_histogram(rows: list[list[int]]) -> None:
    state, answers = Fed(), 0
    for row in rows:
        answers += max(row)
        state, added = add(state, Counts(answers, 0, answers, tuple(row)))
        edges = (0, *added.answers.within, added.answers.total)
        assert all(low <= high for low, high in pairwise(edges))
