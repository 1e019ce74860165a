"""When the steps of a plan fall."""

import pytest

from tests.unit.plan.plans import plan_with
from tminus.domain.plan.timeline import compile_timeline, forecast_end_ms
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, format_relative


def lines(more: str) -> list[tuple[str, str, str]]:
    entries = compile_timeline(plan_with(more))
    return [
        (format_relative(each.offset_ms), each.phase, format_relative(each.latest_ms)) for each in entries
    ]


@pytest.mark.req("R2", "R4", "R20", "R21")
def test_the_handbook_s_launch_falls_where_the_handbook_says() -> None:
    assert lines("t0: 2025-12-20T14:00Z\n") == [
        ("T-1d", "countdown", "T-1d"),
        ("T-0", "staging", "T-0"),
        ("T+1m", "cutover", "T+1m"),
        ("T+1m10s", "cutover", "T+11m"),
        ("T+1m20s", "cutover", "T+21m"),
        ("T+1m30s", "verifying", "T+31m"),
        ("T+11m30s", "baking", "T+51m"),
        ("T+1h11m30s", "watching", "T+2h1m"),
        ("T+1d", "closed", "T+1d"),
    ]


def test_a_launch_that_starts_now_builds_at_t_0() -> None:
    assert lines("shift: at-once\n")[:3] == [
        ("T-0", "countdown", "T-0"),
        ("T-0", "staging", "T-0"),
        ("T+1m", "cutover", "T+1m"),
    ]


def test_the_watch_ends_no_earlier_than_the_bake() -> None:
    entries = compile_timeline(
        plan_with("watch: {for: 10m}\nbake: {for: 2h}\nverify: {for: 9m}\nshift: at-once\n")
    )
    assert entries[-1].offset_ms == entries[-2].offset_ms == 2 * HOUR_MS + 10 * MINUTE_MS + 10_000


def test_entries_are_in_order_and_never_later_than_their_latest() -> None:
    entries = compile_timeline(plan_with("shift: {steps: [1, 2, 5, 10, 100], each: 1m, deadline: 1h}\n"))
    assert [each.offset_ms for each in entries] == sorted(each.offset_ms for each in entries)
    assert all(each.offset_ms <= each.latest_ms for each in entries)


def test_the_forecast_ends_with_verification() -> None:
    assert forecast_end_ms(plan_with()) == 11 * MINUTE_MS + 30_000
    assert forecast_end_ms(plan_with("verify: {for: 1d}\nshift: at-once\n")) == DAY_MS + MINUTE_MS + 10_000
