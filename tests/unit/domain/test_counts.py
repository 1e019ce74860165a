import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample

BLUE, GREEN = Slot.BLUE, Slot.GREEN


def answers(*durations_ms: int, failures: int = 0) -> Counts:
    within = tuple(sum(each <= edge for each in durations_ms) for edge in BUCKETS_MS)
    return Counts(len(durations_ms), failures, len(durations_ms), within)


DURATIONS = st.lists(st.integers(0, 6_000), max_size=30)


@settings(deadline=None)  # a busy machine is no failure
@given(DURATIONS, DURATIONS)
def test_what_was_added_since_is_what_was_added(before: list[int], after: list[int]) -> None:
    earlier = answers(*before)
    assert (earlier + answers(*after)).since(earlier) == answers(*after)


@pytest.mark.req("R10")
@pytest.mark.parametrize("then", [Counts(101, 0, 0), Counts(0, 0, 101)])
def test_a_counter_that_fell_was_reset_and_counts_from_zero(then: Counts) -> None:
    now = Counts(100, 5, 100)
    assert now.since(then) is now


def test_a_failure_that_was_uncounted_is_never_negative() -> None:
    assert Counts(10, 1, 10).since(Counts(9, 2, 9)).failures == 0


@settings(deadline=None)  # a busy machine is no failure
@given(DURATIONS, st.sampled_from(BUCKETS_MS))
def test_a_limit_on_an_edge_is_exact(durations_ms: list[int], limit_ms: int) -> None:
    assert answers(*durations_ms).slower_than(limit_ms) == sum(each > limit_ms for each in durations_ms)


@settings(deadline=None)  # a busy machine is no failure
@given(DURATIONS, st.integers(1, 6_000))
def test_between_edges_nothing_is_called_slow_that_was_not(durations_ms: list[int], limit_ms: int) -> None:
    assert answers(*durations_ms).slower_than(limit_ms) <= sum(each > limit_ms for each in durations_ms)


def test_between_edges_the_next_higher_edge_decides() -> None:
    counts = answers(450, 501)
    assert (counts.slower_than(400), counts.slower_than(200)) == (1, 2)


def test_beyond_the_last_edge_nothing_is_called_slow() -> None:
    assert answers(60_000).slower_than(BUCKETS_MS[-1] + 1) == 0


@pytest.mark.req("R7")
@pytest.mark.parametrize(
    ("durations_ms", "p95_ms"),
    [
        ((), None),
        ((7,), 10),
        ((1,) * 19 + (400,), 1),
        ((1,) * 18 + (400,) * 2, 500),
        ((6_000,) * 20, None),
        ((10,) * 20, 10),
        ((11,) * 20, 20),
    ],
)
def test_a_quantile_is_the_edge_of_the_bucket_that_holds_it(
    durations_ms: tuple[int, ...], p95_ms: int | None
) -> None:
    assert answers(*durations_ms).quantile_ms(950) == p95_ms


SAMPLE = Sample(
    1,
    (
        ClassCounts(GREEN, 2, "login", Counts(1)),
        ClassCounts(GREEN, 2, "payment", Counts(10)),
        ClassCounts(GREEN, 2, "other", Counts(100)),
        ClassCounts(GREEN, 2, "meter", Counts(1_000)),
        ClassCounts(GREEN, 1, "login", Counts(10_000)),
        ClassCounts(BLUE, 2, "login", Counts(100_000)),
    ),
)


@pytest.mark.req("R10")
@pytest.mark.parametrize(
    ("classes", "requests"),
    [
        (None, 111),
        (frozenset({"payment"}), 10),
        (frozenset({"login", "payment"}), 11),
        (frozenset({"meter"}), 1_000),
        (frozenset({"absent"}), 0),
        (frozenset[str](), 0),
    ],
)
def test_the_named_classes_are_summed_or_all_but_the_meters(
    classes: frozenset[str] | None, requests: int
) -> None:
    assert SAMPLE.total(GREEN, 2, classes).requests == requests


def test_another_slot_is_counted_apart() -> None:
    assert SAMPLE.total(BLUE, 2, None).requests == 100_000


def test_another_generation_is_counted_apart() -> None:
    assert SAMPLE.total(GREEN, 1, None).requests == 10_000
