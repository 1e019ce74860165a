import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.plan.times import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    format_duration,
    format_relative,
    format_utc,
    format_utc_clock,
    parse_duration_ms,
    parse_relative_ms,
    parse_utc_ms,
)

LONG_MS = 1_000 * DAY_MS
YEAR_9999_MS = 253_402_300_799_000


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(min_value=0, max_value=LONG_MS))
def test_a_written_duration_is_read_back_exactly(duration_ms: int) -> None:
    assert parse_duration_ms(format_duration(duration_ms)) == duration_ms


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(min_value=-LONG_MS, max_value=LONG_MS).filter(bool))
def test_a_written_offset_is_read_back_exactly(offset_ms: int) -> None:
    assert parse_relative_ms(format_relative(offset_ms)) == offset_ms


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(min_value=0, max_value=YEAR_9999_MS // SECOND_MS))
def test_a_written_instant_is_read_back_exactly(at_s: int) -> None:
    assert parse_utc_ms(format_utc(at_s * SECOND_MS)) == at_s * SECOND_MS


@pytest.mark.req("R2")
@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("250ms", 250),
        ("90s", 90 * SECOND_MS),
        ("1.5s", 1_500),
        ("1h30m", HOUR_MS + 30 * MINUTE_MS),
        ("7d", 7 * DAY_MS),
        ("0s", 0),
        ("1m1m", 2 * MINUTE_MS),
    ],
)
def test_a_duration_is_a_number_with_a_unit_or_several(text: str, expected_ms: int) -> None:
    assert parse_duration_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["", "10", "s", "-5s", "5 s", "5S", "1h30", ".5s", "1,5s", "5s\n"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 30s, 10m, 1h30m or 7d"):
        parse_duration_ms(text)


@pytest.mark.req("R2")
@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [("T", 0), ("T-24h", -DAY_MS), ("T-30m", -30 * MINUTE_MS), ("T+10m", 10 * MINUTE_MS)],
)
def test_an_offset_is_before_or_after_t0(text: str, expected_ms: int) -> None:
    assert parse_relative_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["", "t-5m", "T5m", "T-", "T+", "-5m", "T--5m"])
def test_anything_else_is_no_offset(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_relative_ms(text)


def test_t0_itself_is_written_with_its_zero() -> None:
    assert format_relative(0) == "T-0"


def test_a_negative_duration_keeps_its_sign() -> None:
    assert format_duration(-90 * SECOND_MS) == "-1m30s"


@pytest.mark.req("R2")
@pytest.mark.parametrize(
    "text",
    [
        "2025-12-20T14:00Z",
        "2025-12-20 14:00:00 UTC",
        "2025-12-20T15:00+01:00",
        "  2025-12-20T14:00:00+00:00 ",
    ],
)
def test_an_instant_may_name_its_zone_in_several_ways(text: str) -> None:
    assert format_utc(parse_utc_ms(text)) == "2025-12-20 14:00:00 UTC"


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="names no time zone; write 2025-12-20T14:00Z"):
        parse_utc_ms("2025-12-20T14:00")


@pytest.mark.parametrize("text", ["", "tomorrow", "2025-13-01T00:00Z", "14:00Z"])
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="is not an instant such as 2025-12-20T14:00Z"):
        parse_utc_ms(text)


def test_the_clock_shows_utc_to_the_second() -> None:
    assert format_utc_clock(parse_utc_ms("2025-12-20T15:00:05.999+01:00")) == "14:00:05"
