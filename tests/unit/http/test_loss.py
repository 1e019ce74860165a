"""The line that a launch log ends with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tminus.domain.codec import DecodeError, to_json
from tminus.domain.report.loss import (
    LaneCount,
    MeterCell,
    MeterFailure,
    MeterReading,
    latency_key,
    loss_of,
    merge_cells,
    percentile_tenths,
    read_meter,
)


def cell(at_s: int, *latencies: tuple[int, int], length_s: int = 1) -> MeterCell:
    return MeterCell(at_s * 1000, length_s * 1000, sum(count for _, count in latencies), 0, latencies)


def reading(count: LaneCount, *cells: MeterCell) -> MeterReading:
    return MeterReading(0, 10_000, count, cells=cells)


def test_nothing_lost_is_said_with_how_much_was_measured() -> None:
    calm = reading(LaneCount(1234, 1234), cell(1, (41, 10)), cell(2, (41, 10)), cell(3, (52, 10)))
    assert loss_of([calm], 2_500, 3).text() == "0 of 1234 lost, 3 replayed, p99 4.1 → 5.2 ms"


def test_what_was_lost_is_told_by_kind_and_all_kinds_count() -> None:
    assert (
        loss_of([reading(LaneCount(20, 12, 5, 2, 1))], 0).text()
        == "8 of 20 lost (2 no answer, 1 cut off, 5 answered 5xx)"
    )


@pytest.mark.parametrize("readings", [[], [reading(LaneCount())], [reading(LaneCount(3, unfinished=3))]])
def test_nothing_measured_is_not_nothing_lost(readings: list[MeterReading]) -> None:
    assert loss_of(readings, 0, 0).text() == "loss unknown: no request was measured"


def test_requests_under_way_at_the_end_are_neither_lost_nor_counted() -> None:
    assert loss_of([reading(LaneCount(10, 9, unfinished=1))], None).text() == "0 of 9 lost"


def test_several_runs_of_the_meter_are_one_figure() -> None:
    runs = [reading(LaneCount(10, 10), cell(1, (10, 10))), reading(LaneCount(5, 4, 0, 1), cell(2, (90, 4)))]
    loss = loss_of(runs, 2_000)
    assert loss.text() == "1 of 15 lost (1 no answer), p99 1.0 → 9.0 ms"


def test_the_cell_of_the_cutover_counts_as_after_it() -> None:
    cells = [cell(1, (10, 5)), cell(2, (900, 5)), cell(3, (20, 5))]
    loss = loss_of([reading(LaneCount(15, 15), *cells)], 2_999)
    assert (loss.p99_before_tenths, loss.p99_after_tenths) == (10, 900)


def test_a_side_without_data_is_unknown() -> None:
    assert (
        loss_of([reading(LaneCount(5, 5), cell(1, (10, 5)))], 9_000).text()
        == "0 of 5 lost, p99 1.0 → unknown ms"
    )


@pytest.mark.parametrize(
    ("tenths", "key"),
    [(0, 0), (7, 7), (999, 999), (1000, 1000), (1004, 1000), (12_345, 12_300), (987_654, 987_000)],
)
def test_latencies_are_exact_below_a_tenth_of_a_second(tenths: int, key: int) -> None:
    assert latency_key(tenths) == key


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_the_nearest_rank(values: list[int], percent: int) -> None:
    cells = [cell(at, (value, 1)) for at, value in enumerate(values)]
    expected = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert percentile_tenths(cells, percent) == expected


@given(st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=5), max_size=9))
def test_merging_cells_forgets_nothing(latencies: list[list[tuple[int, int]]]) -> None:
    cells = [cell(at, *sorted(dict(each).items())) for at, each in enumerate(latencies)]
    merged = merge_cells(cells)
    assert len(merged) == -(-len(cells) // 2)
    assert sum(each.sent for each in merged) == sum(each.sent for each in cells)
    assert sum(each.length_ms for each in merged) == sum(each.length_ms for each in cells)
    for percent in (50, 99):
        assert percentile_tenths(merged, percent) == percentile_tenths(cells, percent)


def test_a_reading_survives_being_stored() -> None:
    whole = MeterReading(
        1,
        2,
        LaneCount(2, 1, 0, 1),
        {"kept": LaneCount(2, 1, 0, 1)},
        3,
        (cell(1, (10, 1)),),
        (MeterFailure(2, "kept", 1_500, "lost", 0, "the connection was refused"),),
    )
    assert read_meter(to_json(whole)) == whole


def test_something_else_is_no_reading() -> None:
    with pytest.raises(DecodeError):
        read_meter({"passed": True})
