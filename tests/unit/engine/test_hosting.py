"""What the router's own breaker is told: an outage is its own to see, everything less is the judge's."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import a_plan
from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.engine.hosting import hosting_for

ERRORS = Limit("errors", Metric.ERROR_RATE, 20_000)
SLOW = Limit("slow", Metric.LATENCY_P95, 300)


@pytest.mark.parametrize(
    ("triggers", "error_ppm", "slow_ms"),
    [
        ((), 50_000, 500),
        ((Trigger(ERRORS), Trigger(SLOW)), 100_000, 300),
        ((Trigger(ERRORS, weighed=True), Trigger(SLOW)), 500_000, 300),
        ((Trigger(ERRORS), Trigger(SLOW, weighed=True)), 100_000, 1_200),
        ((Trigger(ERRORS, weighed=True), Trigger(replace(ERRORS, name="too"))), 100_000, 500),
    ],
    ids=["none", "windows", "errors weighed", "times weighed", "both kinds"],
)
def test_the_breaker_leaves_to_the_judge_what_is_weighed(
    triggers: tuple[Trigger, ...], error_ppm: int, slow_ms: int
) -> None:
    hosting = hosting_for(a_plan(triggers=triggers), {})
    assert (hosting.error_limit_ppm, hosting.slow_limit_ms) == (error_ppm, slow_ms)
