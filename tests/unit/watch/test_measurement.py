"""What is made of the numbers that a source tells."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tminus.domain.plan.metric import MetricDefinition, MetricKind, PersonSource
from tminus.domain.watch.measurement import (
    Arm,
    MeasuredState,
    Measurement,
    Missed,
    Taken,
    is_repeated,
    measurement_of,
    micro_of,
    read_measurements,
    to_row,
)

pytestmark = pytest.mark.req("R22")

NOW_MS = 1_700_000_000_000
GAUGE = MetricDefinition("queue", PersonSource("jobs"), MetricKind.GAUGE, oldest_ms=60_000)
SHARE = MetricDefinition("memory", PersonSource("memory"), MetricKind.GAUGE, "%")
RATIO = MetricDefinition("declined", PersonSource("declined"), MetricKind.RATIO, dedupe="payment id")


def test_a_value_is_kept_in_millionths_of_its_unit() -> None:
    found = measurement_of(GAUGE, Taken(("82.5",), NOW_MS - 100), NOW_MS, Arm.CANDIDATE)
    assert found == Measurement(
        NOW_MS, Arm.CANDIDATE, MeasuredState.OK, value_micro=82_500_000, sampled_ms=NOW_MS - 100
    )


def test_cases_are_whole_numbers_and_say_that_each_was_counted_once() -> None:
    found = measurement_of(RATIO, Taken(("2.98", "401.2")), NOW_MS)
    assert (found.bad, found.total, found.deduplicated) == (3, 401, True)


@pytest.mark.parametrize(
    ("metric", "numbers", "why"),
    [
        (GAUGE, ("NaN",), "it answered NaN, which is no finite number"),
        (GAUGE, ("+Inf",), "it answered +Inf, which is no finite number"),
        (GAUGE, ("1e400",), "it answered a number of more than 15 digits"),
        (GAUGE, ("9" * 70,), f"it answered {'9' * 64}…, which is no finite number"),
        (GAUGE, ("a lot",), "it answered something that is no number"),
        (GAUGE, ("1", "2"), "it answered 2 numbers instead of one value"),
        (RATIO, ("1",), "it answered 1 numbers instead of bad and all cases"),
        (RATIO, ("5", "4"), "it answered 5 bad of 4 cases, which cannot be"),
        (RATIO, ("-1", "4"), "it answered -1, and nothing is counted below zero"),
        (SHARE, ("-3",), "it answered -3, and nothing is counted below zero"),
    ],
)
def test_numbers_that_cannot_be_are_invalid_and_said(
    metric: MetricDefinition, numbers: tuple[str, ...], why: str
) -> None:
    found = measurement_of(metric, Taken(numbers), NOW_MS)
    assert (found.state, found.why) == (MeasuredState.INVALID, why)
    assert (found.value_micro, found.bad, found.total) == (None, None, None)


def test_a_level_may_be_below_zero() -> None:
    assert measurement_of(GAUGE, Taken(("-3",)), NOW_MS).value_micro == -3_000_000


@pytest.mark.parametrize(
    ("sampled_ms", "state", "why"),
    [
        (NOW_MS - 60_000, MeasuredState.OK, ""),
        (NOW_MS - 60_001, MeasuredState.STALE, "its numbers are 1m1ms old"),
        (NOW_MS + 30_000, MeasuredState.OK, ""),
        (NOW_MS + 90_000, MeasuredState.INVALID, "its clock is 1m30s ahead of this machine's"),
    ],
)
def test_a_source_is_believed_by_its_own_clock(sampled_ms: int, state: MeasuredState, why: str) -> None:
    found = measurement_of(GAUGE, Taken(("1",), sampled_ms), NOW_MS)
    assert (found.state, found.why) == (state, why)


def test_numbers_that_come_late_are_no_evidence() -> None:
    before = measurement_of(GAUGE, Taken(("1",), NOW_MS - 1_000), NOW_MS)
    late = measurement_of(GAUGE, Taken(("1",), NOW_MS - 4_000), NOW_MS + 1_000, before=before)
    assert (late.state, late.why) == (
        MeasuredState.STALE,
        "its numbers are 3s older than those it gave before",
    )


def test_what_is_only_said_again_is_known_by_its_time() -> None:
    first, again = (measurement_of(GAUGE, Taken(("1",), NOW_MS), NOW_MS + at) for at in (0, 1_000))
    untimed = measurement_of(GAUGE, Taken(("1",)), NOW_MS)
    assert is_repeated(again, first)
    assert not is_repeated(untimed, untimed)
    assert not is_repeated(first, None)


def test_what_was_missed_keeps_its_reason() -> None:
    found = measurement_of(GAUGE, Missed(MeasuredState.SLOW, "it did not end"), NOW_MS, Arm.STABLE)
    assert found == Measurement(NOW_MS, Arm.STABLE, MeasuredState.SLOW, why="it did not end")


@given(st.text(max_size=80))
def test_no_text_makes_the_reading_of_numbers_fail_otherwise_than_told(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(micro_of(text), int)


def test_measurements_travel_through_a_jobs_progress() -> None:
    found = [
        measurement_of(RATIO, Taken(("1", "9"), NOW_MS), NOW_MS, Arm.STABLE),
        measurement_of(RATIO, Missed(MeasuredState.EMPTY, "no series"), NOW_MS + 1),
    ]
    progress = json.loads(json.dumps({"metrics": {"declined": [to_row(each) for each in found]}}))
    assert read_measurements(progress) == {"declined": tuple(found)}


@pytest.mark.parametrize(
    "progress",
    [
        None,
        [],
        {"metrics": []},
        {"metrics": {"a": 1}},
        {"metrics": {"a": [[1, "", "ok"], "row", [1, "", "fine", 1, None, None, None, False, ""]]}},
        {"metrics": {"a": [[1.5, "", "ok", 1, None, None, None, False, ""]]}},
    ],
)
def test_what_does_not_fit_is_left_out(progress: object) -> None:
    assert not any(read_measurements(progress).values())
