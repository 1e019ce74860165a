"""What is to be expected of a launch, phase by phase."""

import pytest

from tests.unit.engine.launches import ENTERED_MS, NOW_MS, a_plan, launch
from tminus.domain.launch.phase import Phase
from tminus.domain.plan.plan import Shift, Stay, Window
from tminus.domain.plan.timeline import forecast_end_ms, safe_abort_ms
from tminus.domain.report.forecast import Forecast, forecast, forecast_text

pytestmark = pytest.mark.req("R2", "R19")

PLAN = a_plan(
    shift=Shift((1_000, 5_000, 10_000), 10_000, 60_000),
    verify=Stay(60_000, 60_000),
    bake=Stay(600_000, 60_000),
)


@pytest.mark.parametrize("phase", [Phase.COUNTDOWN, Phase.STAGING])
def test_before_traffic_moves_everything_is_counted_from_t0(phase: Phase) -> None:
    t0_ms = NOW_MS + 1_000
    found = forecast(launch(phase, plan=PLAN), NOW_MS, t0_ms)
    assert found == Forecast(t0_ms + forecast_end_ms(PLAN), t0_ms + safe_abort_ms(PLAN), None)


def test_without_a_t0_nothing_is_to_be_said() -> None:
    assert forecast(launch(Phase.COUNTDOWN, plan=PLAN), NOW_MS, None) is None


def test_a_countdown_that_is_late_begins_now_at_the_earliest() -> None:
    found = forecast(launch(Phase.COUNTDOWN, plan=PLAN), NOW_MS, NOW_MS - 5_000)
    assert found is not None
    assert found.verified_ms == NOW_MS + forecast_end_ms(PLAN)


def test_in_the_cutover_the_steps_that_are_left_count() -> None:
    found = forecast(launch(Phase.CUTOVER, plan=PLAN), NOW_MS, None)
    verified_ms = ENTERED_MS + 3 * 10_000 + 60_000
    assert found == Forecast(verified_ms, verified_ms + 600_000, None)


@pytest.mark.parametrize("late_ms", [0, 70_000])
def test_what_lasts_longer_than_planned_ends_now_at_the_earliest(late_ms: int) -> None:
    now_ms = NOW_MS + late_ms
    found = forecast(launch(Phase.VERIFYING, plan=PLAN), now_ms, None)
    verified_ms = max(now_ms, ENTERED_MS + 60_000)
    assert found == Forecast(verified_ms, verified_ms + 600_000, None)


def test_once_verified_only_the_abort_is_left() -> None:
    assert forecast(launch(Phase.BAKING, plan=PLAN), NOW_MS, None) == Forecast(
        None, ENTERED_MS + 600_000, None
    )


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.WATCHING, Phase.ROLLING_BACK, Phase.SCRUBBED])
def test_when_stable_is_not_warm_any_more_nothing_is_to_be_said(phase: Phase) -> None:
    assert forecast(launch(phase, plan=PLAN), NOW_MS, NOW_MS) is None


@pytest.mark.parametrize(
    ("closes_ms", "said"),
    [
        (NOW_MS + 120_000, "verified by 22:14:49, 31s before the window closes"),
        (NOW_MS + 60_000, "verified by 22:14:49, 29s after the window closes"),
    ],
)
def test_it_is_said_beside_the_end_of_the_window(closes_ms: int, said: str) -> None:
    plan = a_plan(shift=PLAN.shift, verify=PLAN.verify, bake=PLAN.bake, window=Window(0, closes_ms))
    found = forecast(launch(Phase.CUTOVER, plan=plan), NOW_MS, None)
    assert found is not None
    assert forecast_text(found) == f"{said}; abort is warm until 22:24:49 at least"
