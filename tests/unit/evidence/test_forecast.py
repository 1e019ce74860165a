"""What is said before a step begins, and how a baseline's clusters are estimated."""

import pytest

from tests.unit.evidence.series import errors, rules_of
from tminus.domain.watch.evidence.dispersion import dispersion_milli
from tminus.domain.watch.evidence.forecast import forecast
from tminus.domain.watch.evidence.metric import Group, Kind, Metric

AGAINST = Metric("against", Kind.AGAINST_STABLE, 1_500, group=Group.RELATIVE, deduplicated=True)


def test_a_forecast_says_what_a_step_proves_and_finds() -> None:
    found = forecast(rules_of(errors()), "errors", 100_000, 60_000)
    assert found.why == (
        "errors: at 100 per second, a pass takes 553 clean cases (6s), 7s for a healthy candidate; "
        "finds 2 % in 37s, 5 % in 11s, 100 % in 8s; a step of 1m finds 1.7 % or more"
    )
    assert not found.underpowered


def test_a_step_with_too_little_traffic_is_underpowered() -> None:
    found = forecast(rules_of(errors()), "errors", 5_000, 60_000)
    assert found.clean_cases == 553
    assert found.clean_ms == 110_600
    assert found.underpowered


def test_more_traffic_finds_smaller_regressions_sooner() -> None:
    slow, fast = (forecast(rules_of(errors()), "errors", rate, 60_000) for rate in (10_000, 1_000_000))
    assert slow.smallest_ppm is not None
    assert fast.smallest_ppm is not None
    assert fast.smallest_ppm < slow.smallest_ppm
    for less, more in zip(fast.delays, slow.delays, strict=True):
        assert less.after_ms is not None
        assert more.after_ms is not None
        assert less.after_ms <= more.after_ms


def test_without_traffic_nothing_is_found() -> None:
    found = forecast(rules_of(errors()), "errors", 0, 60_000)
    assert found.smallest_ppm is None
    assert [delay.after_ms for delay in found.delays] == [None, None, None]
    assert found.clean_ms is None


def test_a_comparison_needs_both_arms() -> None:
    with_both = forecast(rules_of(AGAINST), "against", 50_000, 60_000, 1000, 50_000)
    alone = forecast(rules_of(AGAINST), "against", 50_000, 60_000, 1000, 0)
    assert with_both.smallest_ppm is not None
    assert alone.smallest_ppm is None


def test_a_floor_hides_what_lies_below_it() -> None:
    guarded = Metric("against", Kind.AGAINST_STABLE, 1_500, group=Group.RELATIVE, floor=5_000)
    found = forecast(rules_of(guarded), "against", 100_000, 600_000, 500, 100_000)
    assert found.delays[0].share_ppm < 5_000
    assert found.delays[0].after_ms is None
    assert found.delays[-1].after_ms is not None


def test_a_kind_that_cannot_be_foreseen_is_refused() -> None:
    with pytest.raises(ValueError, match="events: a metric of kind count cannot be foreseen"):
        forecast(rules_of(Metric("events", Kind.COUNT, 1_000)), "events", 1_000, 60_000)


@pytest.mark.parametrize(
    ("bad", "milli"),
    [
        ([], 2000),
        ([0] * 180, 2000),
        ([3] * 180, 1000),  # steadier than chance: kept at chance
        ([2, 4, 3, 1, 5, 3] * 30, 1000),
        ([30, 0, 0, 0, 0, 0] * 30, 19_355),
        ([3000] + [0] * 179, 30_000),
    ],
)
def test_clusters_show_in_how_much_counts_vary(bad: list[int], milli: int) -> None:
    assert dispersion_milli(bad) == milli
