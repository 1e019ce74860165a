"""Minutes kept by the driver, and the anomalies that they show in the stages that ask for them."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import CANDIDATE, NOW_MS, a_plan, launch, seen
from tminus.domain.launch import alarm as al
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Stay
from tminus.domain.plan.stage import Stage
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.history import POINT_MS, Figure, Point
from tminus.engine.chronicle import Chronicle
from tminus.engine.decide.tick import decide_tick
from tminus.testing.world.scenario import Scenario
from tminus.testing.world.world import LAUNCH, World

pytestmark = pytest.mark.req("R21")

MINUTE = 60_000
STAGES = (
    Stage(60 * MINUTE, 30 * MINUTE, "team", anomalies=True),
    Stage(120 * MINUTE, 30 * MINUTE, "on-call"),
)
PLAN = a_plan(stages=STAGES, alerts=(), triggers=(), watch=Stay(120 * MINUTE, 0))


def state(minutes: int, stage: int = 0) -> LaunchState:
    begun = launch(Phase.WATCHING, plan=PLAN, cutover_ms=NOW_MS - minutes * MINUTE)
    return replace(begun, alarms=al.Alarms(stage=stage, looked_ms=NOW_MS))


def points(*requests: int) -> tuple[Point, ...]:
    return tuple(
        Point(NOW_MS - (len(requests) - 1 - n) * POINT_MS, POINT_MS, 10_000, 1, (_figure(count),))
        for n, count in enumerate(requests)
    )


def _figure(count: int) -> Figure:
    return Figure(CANDIDATE, "all", count, 0, 10)


CALM = (600,) * 10


def fired(state: LaunchState, *requests: int) -> list[al.AlertFired]:
    decided = decide_tick(state, seen(state, history=points(*requests)), ())
    return [event for event in decided.events if isinstance(event, al.AlertFired)]


def test_an_anomaly_in_the_first_stage_alerts_whoever_is_on_duty() -> None:
    [alert] = fired(state(12), *CALM, 0, 0)
    assert (alert.rule, alert.cause, alert.severity.value, alert.role) == (
        "anomaly of request rate",
        al.Cause.ANOMALY,
        "warning",
        "team",
    )


def test_an_anomaly_in_a_stage_of_limits_is_not_told() -> None:
    assert fired(state(70, stage=1), *CALM, 0, 0) == []


def test_an_anomaly_changes_nothing_of_the_launch() -> None:
    begun = state(12)
    assert decide_tick(begun, seen(begun, history=points(*CALM, 0, 0)), ()).state.phase is Phase.WATCHING


def test_an_anomaly_is_no_longer_told_when_its_stage_is_over() -> None:
    begun = state(12)
    told = decide_tick(begun, seen(begun, history=points(*CALM, 0, 0)), ()).state
    over = replace(told, cutover_ms=NOW_MS - 60 * MINUTE)
    decided = decide_tick(over, seen(over, history=points(*CALM, 0, 0)), ())
    resolved = [event.rule for event in decided.events if isinstance(event, al.AlertResolved)]
    assert resolved == ["anomaly of request rate"]


SCENARIO = Scenario(
    first_launch=False,
    error_share=0.0,
    slow_share=0.0,
    good_for_ms=0,
    boot_fails=False,
    smoke_fails=False,
    requests_per_s=100,
    drain_ms=0,
    boot_ms=300,
    faults=frozenset(),
    fault_rate=0.0,
    calm_ms=1_000,
    orders=(),
)


def sample(at_ms: int) -> Sample:
    count = (at_ms - NOW_MS + 10 * MINUTE) // 100
    counts = Counts(count, 0, count, (count,) * len(BUCKETS_MS))
    return Sample(at_ms, (ClassCounts(CANDIDATE, launch(Phase.WATCHING).generation, "other", counts),))


def test_a_minute_is_kept_once_it_has_ended_and_outlives_its_driver() -> None:
    world = World(7, SCENARIO)
    world._open()
    begun = replace(state(12), cutover_ms=NOW_MS - 12 * MINUTE)
    first_ms = (NOW_MS // MINUTE + 1) * MINUTE
    samples = [sample(first_ms - MINUTE + second * 1_000) for second in range(181)]
    chronicle = Chronicle(world.ports, LAUNCH)
    seen_at = {}
    for second in range(121):
        now_ms = first_ms + second * 1_000
        known = [each for each in samples if each.at_ms <= now_ms]
        seen_at[second] = [(p.at_ms - first_ms) // MINUTE for p in chronicle.points(begun, now_ms, known)]
    assert (seen_at[0], seen_at[59], seen_at[60], seen_at[120]) == ([0], [0], [0, 1], [0, 1, 2])
    another = Chronicle(world.ports, LAUNCH).points(begun, first_ms + 121_000, samples)
    assert [point.at_ms for point in another] == [first_ms + n * MINUTE for n in range(3)]
    assert {point.figures[1].requests for point in another} | {
        figure.requests for point in another for figure in point.figures if figure.slot is CANDIDATE
    } >= {600}
