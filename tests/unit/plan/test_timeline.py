"""When the steps of a plan fall."""

import pytest

from tests.unit.plan.plans import plan_with
from tminus.domain.plan.timeline import (
    compile_timeline,
    forecast_close_ms,
    forecast_end_ms,
    forecast_promotion_ms,
    latest_start_ms,
    safe_abort_ms,
)
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
        ("T-1d", "countdown", "T-1d"),
        ("T-1h", "countdown", "T-1h"),
        ("T-30m", "countdown", "T-30m"),
        ("T-0", "staging", "T-0"),
        ("T+1m", "cutover", "T+1m"),
        ("T+1m10s", "cutover", "T+11m"),
        ("T+1m20s", "cutover", "T+21m"),
        ("T+1m30s", "verifying", "T+31m"),
        ("T+11m30s", "baking", "T+51m"),
        ("T+1h11m30s", "watching", "T+2h1m"),
        ("T+1d", "closed", "T+1d"),
    ]


def test_a_launch_that_starts_now_has_its_countdown_at_t_0() -> None:
    assert lines("shift: at-once\n")[:6] == [
        ("T-0", "countdown", "T-0"),
        ("T-0", "countdown", "T-0"),
        ("T-0", "countdown", "T-0"),
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


STEPS = """\
  before: [{name: the index, command: ./index, deadline: 2m}]
  workers: {settle: {command: ./worker, instances: 2}}
t0: 2025-12-20T14:00Z
shift: at-once
database:
  url: env:A
  migrations: {expand: ./expand, contract: ./contract, deadline: 4m}
  backups: {deadline: 40m}
  integrity: [{name: sums, sql: select 0, expect: 0}, {name: more, sql: select 0, expect: 0}]
warm: {paths: [/], deadline: 30s}
"""


def test_steps_fall_where_the_launch_takes_them_and_count_with_their_deadlines() -> None:
    entries = compile_timeline(plan_with(STEPS))
    assert [
        (format_relative(each.offset_ms), each.phase, each.what, format_relative(each.latest_ms))
        for each in entries[2:]
    ] == [
        ("T-30m", "countdown", "check that 10 % of the disk and 15 % of the memory are free", "T-30m"),
        ("T-30m", "countdown", "back the database up, restore the backup and compare", "T-30m"),
        ("T-0", "staging", "run the expand migration, and send stable the smoke requests again", "T+10m"),
        ("T+4m", "staging", "run once: the index", "T+14m"),
        ("T+6m", "staging", "start 3 instances and 2 workers of 1.1.0", "T+16m"),
        (
            "T+7m",
            "staging",
            "fetch 1 path from each instance to warm caches, and send 1 smoke request",
            "T+17m",
        ),
        ("T+7m30s", "cutover", "move all traffic", "T+17m30s"),
        ("T+7m40s", "verifying", "check the targets, the critical paths and 2 integrity queries", "T+27m30s"),
        ("T+17m40s", "baking", "verified; stable stays warm for rollback", "T+47m30s"),
        ("T+1h17m40s", "watching", "retire stable; rollback is cold from here on", "T+1h57m30s"),
        (
            "T+1d",
            "watching",
            "the contract migration, if ordered: no return after it; else the next launch runs it first",
            "T+1d",
        ),
        ("T+1d", "closed", "the watch ends, the launch closes", "T+1d"),
    ]


def test_a_backup_delays_a_launch_only_by_what_exceeds_its_lead() -> None:
    assert latest_start_ms(plan_with(STEPS)) == 10 * MINUTE_MS
    assert latest_start_ms(plan_with("t0: 2025-12-20T14:00Z\ndatabase: {url: env:A}\n")) == 0
    assert latest_start_ms(plan_with("database: {url: env:A, backups: {deadline: 2h}}\n")) == 0


def test_an_abort_is_called_warm_only_until_the_earliest_promotion() -> None:
    plan = plan_with(STEPS)
    assert safe_abort_ms(plan) == HOUR_MS + 10 * MINUTE_MS + 10_000
    assert forecast_promotion_ms(plan) == safe_abort_ms(plan) + 7 * MINUTE_MS + 30_000
    assert forecast_close_ms(plan) == DAY_MS
