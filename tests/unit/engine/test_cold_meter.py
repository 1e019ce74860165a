"""The loss meter of a rollback out of the watch: it runs while stable comes back."""

from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    DONE,
    LOST,
    METER_RUNS,
    RUNNING,
    a_plan,
    a_router,
    jobs_started,
    launch,
    slots_of,
    step,
)
from tminus.domain.codec import to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading, SlotReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.report.loss import LaneCount, MeterReading
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R6", "R8")

FIRST = to_json(MeterReading(0, 1, LaneCount(sent=100, answered=100)))
SECOND = to_json(MeterReading(2, 3, LaneCount(sent=50, answered=47, lost=2, unfinished=1)))
ENDED = {"meter": ev.JobEnded("meter", DONE, FIRST, "", "")}
COLD_RUNS = {"meter-cold": JobReading("meter-cold", RUNNING)}
COLD_ENDED = {"meter-cold": JobReading("meter-cold", DONE, SECOND)}
SUM = ev.LossMeasured(149, 2, 0, 0, 0, None, None)


def cold(**changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A rollback out of the watch, after stable was retired and the meter has ended."""
    values: dict[str, Any] = {"retired": True, "promoted": True, "confirmed": False, "jobs": ENDED}
    return launch(Phase.ROLLING_BACK, **{**values, **changes})


def decided(state: LaunchState, jobs: dict[str, JobReading], *, candidate_down: bool = False) -> Step:
    slots = slots_of(state)
    if candidate_down:
        slots[CANDIDATE] = SlotReading(CANDIDATE)
    alone = Route(CANDIDATE, generation=state.generation - 1, epoch=state.fence)
    router = a_router(state, route=alone, committed=alone, admitted=frozenset({CANDIDATE}))
    return step(state, router=router, slots=slots, jobs=jobs)


def losses(step: Step) -> list[ev.Event]:
    return [event for event in step.events if isinstance(event, ev.LossMeasured)]


def test_a_cold_rollback_starts_a_meter_of_its_own() -> None:
    assert jobs_started(decided(cold(), {})) == ["meter-cold"]


def test_the_meter_that_still_runs_goes_on_through_the_rollback() -> None:
    assert jobs_started(decided(cold(jobs={}), METER_RUNS)) == []


def test_a_rollback_out_of_the_trial_starts_no_second_meter() -> None:
    state = launch(Phase.ROLLING_BACK, jobs=ENDED)
    assert jobs_started(step(state, jobs={})) == []


@pytest.mark.parametrize("known", [COLD_RUNS, COLD_ENDED])
def test_the_meter_of_the_rollback_is_started_once(known: dict[str, JobReading]) -> None:
    assert jobs_started(decided(cold(), known)) == []


def test_no_meter_is_started_once_the_candidate_is_gone() -> None:
    assert jobs_started(decided(cold(), {}, candidate_down=True)) == []


def test_without_a_meter_in_the_launch_there_is_none_in_its_rollback() -> None:
    assert jobs_started(decided(cold(jobs={}, plan=a_plan()), {})) == []


def test_the_figure_waits_until_the_candidate_is_gone() -> None:
    assert losses(decided(cold(), COLD_ENDED)) == []


def test_the_figure_waits_for_the_meter_of_the_rollback() -> None:
    assert losses(decided(cold(), COLD_RUNS, candidate_down=True)) == []


def test_the_figure_covers_both_meters() -> None:
    assert losses(decided(cold(), COLD_ENDED, candidate_down=True)) == [SUM]


def test_a_meter_that_was_lost_leaves_the_figure_of_the_other() -> None:
    gone = {"meter-cold": JobReading("meter-cold", LOST)}
    assert losses(decided(cold(), gone, candidate_down=True)) == [
        ev.LossMeasured(100, 0, 0, 0, 0, None, None)
    ]


def test_a_rollback_out_of_the_watch_forgets_the_figure_that_was_measured_before() -> None:
    before = launch(Phase.WATCHING, retired=True, loss=SUM)
    assert evolve(before, ev.PhaseEntered(Phase.ROLLING_BACK, "ordered"), 1).loss is None
