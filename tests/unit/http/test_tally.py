"""The meter's count while it runs."""

from hypothesis import given
from hypothesis import strategies as st

from tminus.adapters.http.connection import Exchange, Fate
from tminus.adapters.http.tally import CELLS_LIMIT, FAILURES_LIMIT, Tally
from tminus.adapters.http.wire import AnswerParser
from tminus.domain.report.loss import LaneCount, percentile_tenths


def exchange(fate: Fate, duration_us: int = 1_000) -> Exchange:
    return Exchange(fate, duration_us, AnswerParser(), "" if fate in (Fate.ANSWERED, Fate.FAILED) else "why")


def test_numbers_rise_over_all_lanes() -> None:
    tally = Tally(("kept", "new"), 0)
    assert [tally.begin("kept"), tally.begin("new"), tally.begin("kept")] == [1, 2, 3]


@given(st.lists(st.sampled_from([*Fate, None]), max_size=50))
def test_every_number_has_exactly_one_fate(fates: list[Fate | None]) -> None:
    tally = Tally(("kept", "new"), 0)
    for at, fate in enumerate(fates):
        lane = ("kept", "new")[at % 2]
        number = tally.begin(lane)
        if fate is not None:
            tally.end(lane, number, at, exchange(fate))
    reading = tally.reading(100)
    expected = LaneCount(
        len(fates),
        fates.count(Fate.ANSWERED),
        fates.count(Fate.FAILED),
        fates.count(Fate.LOST),
        fates.count(Fate.CUT),
        fates.count(None),
    )
    assert reading.total == expected
    for count in (reading.total, *reading.lanes.values()):
        assert count.sent == count.answered + count.not_served + count.unfinished
    assert sum(cell.not_served for cell in reading.cells) == reading.total.not_served


def test_four_hours_stay_within_their_bound_and_forget_no_request() -> None:
    tally = Tally(("kept",), 0)
    for second in range(4 * 3600):
        tally.end("kept", tally.begin("kept"), second * 1000, exchange(Fate.ANSWERED, 1_000 + second))
    reading = tally.reading(4 * 3_600_000)
    assert CELLS_LIMIT / 2 <= len(reading.cells) <= CELLS_LIMIT
    assert sum(cell.sent for cell in reading.cells) == 4 * 3600
    assert percentile_tenths(reading.cells, 100) == (1_000 + 4 * 3600 - 1) // 100
    starts = [cell.at_ms for cell in reading.cells]
    assert starts == sorted(set(starts))


def test_failures_are_kept_up_to_a_bound_and_counted_beyond_it() -> None:
    tally = Tally(("kept",), 0)
    for at in range(FAILURES_LIMIT + 50):
        tally.end("kept", tally.begin("kept"), at, exchange(Fate.LOST))
    reading = tally.reading(1)
    assert (len(reading.failures), reading.total.lost) == (FAILURES_LIMIT, FAILURES_LIMIT + 50)
    assert reading.failures[0].number == 1
