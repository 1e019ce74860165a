"""What is usual, what is not, and the minutes that both are told from."""

from collections.abc import Sequence

import pytest

from tminus.domain.launch.slot import Slot
from tminus.domain.watch.alerting import Sight
from tminus.domain.watch.anomaly import IN_A_ROW, LEARNT_POINTS, STALE_POINTS, unusual
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.history import EDGE_SLACK_MS, POINT_MS, Figure, Gauge, Point, gauges_in, point_of
from tminus.domain.watch.measurement import Arm, MeasuredState, Measurement

pytestmark = pytest.mark.req("R10", "R21")

GREEN, BLUE = Slot.GREEN, Slot.BLUE
BREATH = (600, 580, 620, 610, 590, 605, 595, 615, 585, 600)
"""Requests a minute of a calm service."""


def minute(number: int, requests: int = 600, failures: int = 0, p95_ms: int | None = 50) -> Point:
    figure = Figure(GREEN, "all", requests, failures, p95_ms)
    return Point(number * POINT_MS, POINT_MS, 10_000, 1, (figure,))


CALM = [minute(number, requests) for number, requests in enumerate(BREATH)]


def looked_at(*odd: Point, learnt: Sequence[Point] = CALM, late_ms: int = 0) -> dict[str, Sight]:
    points = [*learnt, *odd]
    now_ms = points[-1].at_ms + late_ms
    return {found.name: found.sight for found in unusual(points, GREEN, now_ms)}


def pair(**changes: int | None) -> tuple[Point, Point]:
    first, second = (minute(LEARNT_POINTS + n, **changes) for n in range(IN_A_ROW))  # type: ignore[arg-type]  # fields of a minute
    return first, second


USUAL = {"request rate": Sight.KEPT, "error rate": Sight.KEPT, "response time p95": Sight.KEPT}


def test_more_of_the_same_is_usual() -> None:
    assert looked_at(*pair(requests=625, failures=1)) == USUAL


@pytest.mark.parametrize("requests", [0, 300, 900, 6_000])
def test_traffic_that_falls_or_rises_far_is_unusual(requests: int) -> None:
    assert looked_at(*pair(requests=requests))["request rate"] is Sight.BROKEN


@pytest.mark.parametrize(("failures", "sight"), [(2, Sight.KEPT), (60, Sight.BROKEN)])
def test_errors_far_above_the_usual_are_unusual_below_every_limit_too(failures: int, sight: Sight) -> None:
    assert looked_at(*pair(failures=failures))["error rate"] is sight


@pytest.mark.parametrize(
    ("p95_ms", "sight"),
    [(20, Sight.KEPT), (100, Sight.KEPT), (200, Sight.BROKEN), (None, Sight.BROKEN), (1, Sight.KEPT)],
)
def test_slow_answers_are_unusual_from_two_buckets_on(p95_ms: int | None, sight: Sight) -> None:
    assert looked_at(*pair(p95_ms=p95_ms))["response time p95"] is sight


def test_one_odd_minute_is_not_told() -> None:
    odd, calm = minute(10, requests=100), minute(11)
    assert looked_at(odd, calm) == USUAL
    assert looked_at(minute(10), minute(11, requests=100))["request rate"] is Sight.QUIET


def test_nothing_is_unusual_before_the_usual_is_learnt() -> None:
    assert looked_at(minute(9, requests=0), learnt=CALM[:-1]) == {}
    assert looked_at(minute(10, requests=0)) == {}


def test_minutes_before_all_traffic_was_there_teach_nothing() -> None:
    early = [Point(-n * POINT_MS, POINT_MS, 1_000, 1, (Figure(GREEN, "all", 5, 0, 1),)) for n in (3, 2, 1)]
    assert looked_at(*pair(), learnt=[*early, *CALM]) == USUAL


def test_outliers_among_what_was_learnt_do_not_move_it() -> None:
    learnt = [minute(0, requests=9_000), minute(1, requests=0), *CALM[2:]]
    assert looked_at(*pair(requests=300), learnt=learnt)["request rate"] is Sight.BROKEN


def test_a_restless_service_is_given_its_range() -> None:
    learnt = [
        minute(n, requests)
        for n, requests in enumerate((200, 900, 400, 1_200, 300, 800, 500, 1_000, 250, 700))
    ]
    assert looked_at(*pair(requests=1_500), learnt=learnt)["request rate"] is Sight.KEPT


@pytest.mark.parametrize(("late", "known"), [(STALE_POINTS, True), (STALE_POINTS + 1, False)])
def test_old_minutes_say_nothing_of_the_present(late: int, known: bool) -> None:
    sight = looked_at(*pair(requests=0), late_ms=late * POINT_MS)["request rate"]
    assert sight is (Sight.BROKEN if known else Sight.QUIET)


def test_what_is_told_says_what_is_usual() -> None:
    found = unusual([*CALM, *pair(requests=90, failures=9, p95_ms=500)], GREEN, 11 * POINT_MS)
    assert [each.why for each in found] == [
        "request rate 90 a minute in the last minute, usually 600 a minute",
        "error rate 10 % in the last minute, usually 0 %",
        "response time p95 <= 500 ms in the last minute, usually <= 50 ms",
    ]


def sample(at_ms: int, requests: int, *, failures: int = 0, generation: int = 1, name: str = "pay") -> Sample:
    within = tuple(requests if edge_ms >= 50 else 0 for edge_ms in BUCKETS_MS)
    counts = Counts(requests, failures, requests, within)
    return Sample(at_ms, (ClassCounts(GREEN, generation, name, counts),))


END_MS = 10 * POINT_MS


def test_a_minute_is_what_was_added_in_it() -> None:
    samples = [sample(END_MS - POINT_MS - 500, 100, failures=1), sample(END_MS - 500, 400, failures=3)]
    point = point_of([*samples, sample(END_MS + 500, 900)], END_MS, 1, 5_000)
    assert point is not None
    assert (point.at_ms, point.span_ms, point.share_bp) == (END_MS, POINT_MS, 5_000)
    assert point.figure(GREEN) == Figure(GREEN, "all", 300, 2, 50)
    assert point.figure(GREEN, "pay") == Figure(GREEN, "pay", 300, 2, 50)
    assert point.figure(BLUE) == Figure(BLUE, "all", 0, 0, None)


def test_the_loss_meters_requests_are_no_users() -> None:
    samples = [sample(END_MS - POINT_MS, 100, name="meter"), sample(END_MS, 400, name="meter")]
    point = point_of(samples, END_MS, 1, 10_000)
    assert point is not None
    assert point.figure(GREEN) == Figure(GREEN, "all", 0, 0, None)


def test_a_minute_holds_the_last_value_of_each_metric_in_it() -> None:
    late, early = END_MS - 1_000, END_MS - POINT_MS
    found = gauges_in(
        {
            "cpu": [Measurement(late - 1_000, value_micro=1), Measurement(late, value_micro=2)],
            "old": [Measurement(early, value_micro=3)],
            "gone": [Measurement(late, state=MeasuredState.UNREACHABLE)],
            "stable": [Measurement(late, Arm.STABLE, value_micro=4)],
            "paid": [Measurement(late, bad=1, total=2)],
        },
        END_MS,
    )
    assert found == (Gauge("cpu", 2),)


@pytest.mark.parametrize("missing", ["start", "end", "both"])
def test_a_minute_without_samples_at_its_ends_is_left_out(missing: str) -> None:
    samples = {
        "start": sample(END_MS - POINT_MS - EDGE_SLACK_MS, 100),
        "end": sample(END_MS - EDGE_SLACK_MS, 400),
    }
    late = [
        sample(each.at_ms - 1, 1) if missing in (name, "both") else each for name, each in samples.items()
    ]
    assert point_of(late, END_MS, 1, 0) is None
    assert point_of(list(samples.values()), END_MS, 1, 0) is not None
    assert point_of([], END_MS, 1, 0) is None
