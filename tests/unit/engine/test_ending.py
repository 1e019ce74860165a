"""Taking a launch back: stable has everything, the candidate is drained and stopped, only then it ends."""

from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    ENTERED_MS,
    GENERATION,
    INSTANCES,
    METER_RUNS,
    NEW,
    NO_ANSWER,
    NOW_MS,
    OLD,
    STABLE,
    UNMEASURED,
    a_router,
    a_slot,
    commands,
    held,
    launch,
    only,
    order,
    phases,
    seen,
    sent,
    slots_of,
    step,
)
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import RouterReading, SlotReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.engine.decide.launch.ending import removal
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R6", "R8")

BACK = Route(STABLE, generation=GENERATION + 2, epoch=12)
STABLE_ONLY = frozenset({STABLE})
ROLLING_BACK = launch(Phase.ROLLING_BACK)
SCRUBBING = launch(Phase.SCRUBBING)
DRAIN_MS = ROLLING_BACK.plan.drain_deadline_ms


def returned(state: LaunchState = ROLLING_BACK, **changes: Any) -> RouterReading:  # noqa: ANN401 - fields of RouterReading
    """The router after traffic went back and the route was committed."""
    live = state.stable
    rest = Route(live, generation=state.generation, epoch=state.fence)
    return a_router(state, **{"route": rest, "committed": rest, **changes})


def without_candidate(state: LaunchState) -> dict[Slot, SlotReading]:
    return {**slots_of(state), CANDIDATE: SlotReading(CANDIDATE)}


# The way back


def test_traffic_moves_before_anything_else_is_done() -> None:
    decided = step(ROLLING_BACK)
    assert (decided.protect, decided.commands) == ((cmd.WriteRoute(BACK),), ())


def test_a_route_that_has_returned_is_confirmed_once() -> None:
    decided = [
        step(launch(Phase.ROLLING_BACK, confirmed=known), router=returned()) for known in (False, True)
    ]
    assert [each.events for each in decided] == [(ev.RouteConfirmed("blue 100 %"),), ()]


def test_a_route_that_has_not_returned_is_not_confirmed() -> None:
    assert step(ROLLING_BACK).events == ()


def test_a_route_that_has_returned_is_committed() -> None:
    decided = step(
        ROLLING_BACK, router=returned(committed=Route(None), admitted=STABLE_ONLY, in_flight={CANDIDATE: 1})
    )
    assert only(decided) == cmd.CommitRoute(BACK)


def test_a_stable_slot_that_is_not_admitted_is_admitted() -> None:
    decided = step(ROLLING_BACK, router=a_router(ROLLING_BACK, admitted=frozenset({CANDIDATE})))
    assert cmd.AdmitSlot(STABLE) in commands(decided)


# The way back to a slot that was retired


GONE = SlotReading(STABLE)
COLD = launch(Phase.ROLLING_BACK, retired=True, confirmed=False)
SERVING = Route(CANDIDATE, generation=GENERATION + 1, epoch=12)


def cold(stable: SlotReading, state: LaunchState = COLD, **changes: Any) -> Step:  # noqa: ANN401 - fields of RouterReading
    """A rollback in the watch: the candidate serves alone, and stable stands so."""
    alone = {"route": SERVING, "committed": SERVING, "admitted": frozenset({CANDIDATE})}
    up = {STABLE: 0, CANDIDATE: INSTANCES}
    router = a_router(state, **{**alone, "up": up, **changes})
    return step(state, router=router, slots={**slots_of(state), STABLE: stable})


def test_an_order_to_go_back_to_a_retired_slot_starts_it_while_the_candidate_serves() -> None:
    state = launch(Phase.WATCHING, retired=True)
    decided = step(state, orders=(order("rollback"),))
    assert phases(decided) == [Phase.ROLLING_BACK]
    assert (decided.protect, commands(decided)) == ((), [cmd.StartSlot(STABLE, OLD)])


def test_a_retired_slot_is_started_again() -> None:
    decided = cold(GONE)
    assert (decided.protect, commands(decided)) == ((), [cmd.StartSlot(STABLE, OLD)])


def test_a_start_of_the_retired_slot_that_a_killed_driver_left_half_way_is_made_again() -> None:
    decided = cold(SlotReading(STABLE, OLD, INSTANCES))
    assert (decided.protect, commands(decided)) == ((), [cmd.StartSlot(STABLE, OLD)])


def test_a_retired_slot_that_still_stops_is_not_started_yet() -> None:
    stopping = SlotReading(STABLE, instances=a_slot(STABLE, OLD).instances)
    assert commands(cold(stopping)) == []


def test_a_retired_slot_that_comes_up_is_waited_for() -> None:
    decided = cold(a_slot(STABLE, OLD, healthy=INSTANCES - 1))
    assert (decided.protect, commands(decided)) == ((), [])


def test_a_retired_slot_that_is_up_again_is_admitted_before_traffic_moves() -> None:
    decided = cold(a_slot(STABLE, OLD))
    assert (decided.protect, commands(decided)) == ((), [cmd.AdmitSlot(STABLE)])


@pytest.mark.parametrize(("up", "moves"), [(INSTANCES - 1, False), (INSTANCES, True)])
def test_traffic_moves_to_a_retired_slot_when_the_router_sees_all_of_it_up(up: int, moves: bool) -> None:
    both = frozenset({STABLE, CANDIDATE})
    decided = cold(a_slot(STABLE, OLD), admitted=both, up={STABLE: up, CANDIDATE: INSTANCES})
    assert decided.protect == ((cmd.WriteRoute(BACK),) if moves else ())


def test_a_slot_that_nobody_knows_how_to_start_is_not_started() -> None:
    assert commands(cold(GONE, launch(Phase.ROLLING_BACK, retired=True, stable_run=None))) == []


def test_the_candidate_stays_until_the_retired_slot_serves() -> None:
    for stable in (GONE, a_slot(STABLE, OLD)):
        assert not {cmd.ExpelSlot(CANDIDATE), cmd.StopSlot(CANDIDATE)} & set(commands(cold(stable)))


# Removal, with proof


def test_a_candidate_is_expelled_first() -> None:
    assert only(step(ROLLING_BACK, router=returned())) == cmd.ExpelSlot(CANDIDATE)


def test_a_candidate_with_nothing_in_flight_is_stopped() -> None:
    assert only(step(ROLLING_BACK, router=returned(admitted=STABLE_ONLY))) == cmd.StopSlot(CANDIDATE)


def test_a_candidate_with_requests_in_flight_is_not_stopped() -> None:
    router = returned(admitted=STABLE_ONLY, in_flight={CANDIDATE: 1})
    assert commands(step(ROLLING_BACK, router=router)) == []


def test_what_is_in_flight_after_the_drain_deadline_is_cut() -> None:
    router = returned(admitted=STABLE_ONLY, in_flight={CANDIDATE: 1})
    decided = [step(ROLLING_BACK, router=router, now_ms=ENTERED_MS + DRAIN_MS + late) for late in (-1, 0)]
    assert [commands(each) for each in decided] == [[], [cmd.CutSlot(CANDIDATE)]]


def test_a_candidate_that_still_has_traffic_is_neither_expelled_nor_stopped() -> None:
    assert commands(step(ROLLING_BACK, now_ms=ENTERED_MS + DRAIN_MS * 100)) == []


def test_a_candidate_that_was_admitted_is_not_stopped_while_the_router_is_silent() -> None:
    state = launch(Phase.ROLLING_BACK, commands={"k": sent(cmd.AdmitSlot(CANDIDATE))})
    assert commands(step(state, router=NO_ANSWER)) == []


def test_a_candidate_that_was_never_admitted_needs_no_router_to_be_stopped() -> None:
    begun = {"staging:start-slot:green": sent(cmd.StartSlot(CANDIDATE, NEW))}
    assert only(step(launch(Phase.SCRUBBING, commands=begun), router=NO_ANSWER)) == cmd.StopSlot(CANDIDATE)


def test_without_a_reading_of_the_slots_nothing_is_stopped() -> None:
    assert commands(step(ROLLING_BACK, router=returned(admitted=STABLE_ONLY), slots=NO_ANSWER)) == []


def test_a_candidate_that_is_down_but_still_admitted_is_expelled() -> None:
    decided = step(ROLLING_BACK, router=returned(), slots=without_candidate(ROLLING_BACK), jobs={})
    assert only(decided) == cmd.ExpelSlot(CANDIDATE)


def test_jobs_are_stopped_once_the_candidate_is_gone() -> None:
    decided = [
        step(ROLLING_BACK, router=returned(admitted=STABLE_ONLY), slots=slots)
        for slots in (slots_of(ROLLING_BACK), without_candidate(ROLLING_BACK))
    ]
    assert [cmd.StopJob("meter") in commands(each) for each in decided] == [False, True]


@pytest.mark.parametrize(
    "route",
    [
        Route(CANDIDATE, generation=GENERATION + 2),
        Route(STABLE, CANDIDATE, 1_000, generation=GENERATION + 2),
        Route(None, generation=GENERATION + 2),
    ],
    ids=["all of it", "some of it", "nobody serves instead"],
)
def test_whoever_asks_a_slot_with_traffic_is_not_removed(route: Route) -> None:
    observation = seen(ROLLING_BACK, router=returned(route=route, admitted=STABLE_ONLY))
    assert removal(ROLLING_BACK, observation, CANDIDATE, STABLE) == []


# The end


def ended(state: LaunchState, **changes: Any) -> Step:  # noqa: ANN401 - fields of Observation
    values: dict[str, Any] = {
        "router": returned(state, admitted=frozenset({state.stable} - {None})),
        "slots": without_candidate(state),
        "jobs": {},
        **changes,
    }
    return step(state, **values)


def test_a_rollback_ends_when_nothing_is_left_of_the_candidate() -> None:
    state = launch(Phase.ROLLING_BACK, confirmed=True, phase_why="5 of 10 failed", loss=UNMEASURED)
    assert ended(state).events == (
        ev.PhaseEntered(Phase.ROLLED_BACK, "5 of 10 failed"),
        ev.LaunchEnded("rolled-back", "5 of 10 failed"),
    )


def test_a_scrub_ends_when_nothing_is_left_of_the_candidate() -> None:
    state = launch(Phase.SCRUBBING, phase_why="the build failed", loss=UNMEASURED)
    assert ended(state).events == (
        ev.PhaseEntered(Phase.SCRUBBED, "the build failed"),
        ev.LaunchEnded("scrubbed", "the build failed"),
    )


def test_a_first_launch_that_is_taken_back_was_withdrawn() -> None:
    state = launch(Phase.ROLLING_BACK, first=True, confirmed=True, phase_why="why", loss=UNMEASURED)
    assert ended(state).events[-1] == ev.LaunchEnded("withdrawn", "why")


def test_a_scrub_before_there_was_a_router_needs_none_to_end() -> None:
    assert phases(ended(launch(Phase.SCRUBBING, loss=UNMEASURED), router=NO_ANSWER)) == [Phase.SCRUBBED]


def test_a_launch_ends_with_its_loss() -> None:
    assert [event.kind for event in ended(launch(Phase.SCRUBBING)).events] == [
        "loss-measured",
        "phase-entered",
        "launch-ended",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": NO_ANSWER},
        {"slots": slots_of(ROLLING_BACK)},
        {"jobs": METER_RUNS},
        {"jobs_read": False},
        {"router": NO_ANSWER},
        {"router": returned()},
        {"router": returned(admitted=STABLE_ONLY, committed=Route(None))},
        {"router": returned(admitted=STABLE_ONLY, route=Route(STABLE, generation=GENERATION))},
        {"router": returned(admitted=STABLE_ONLY, route=Route(None, generation=GENERATION + 2))},
    ],
    ids=[
        "slots not read",
        "candidate up",
        "a job runs",
        "jobs not read",
        "router silent",
        "candidate admitted",
        "route not committed",
        "the rest before the trial",
        "route goes nowhere",
    ],
)
def test_a_rollback_does_not_end_while_something_is_left_or_unknown(changes: dict[str, Any]) -> None:
    state = launch(Phase.ROLLING_BACK, commands={"k": sent(cmd.AdmitSlot(CANDIDATE))})
    assert ended(state, **changes).state.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("phase", [Phase.ROLLING_BACK, Phase.SCRUBBING])
def test_a_hold_cannot_stop_an_ending(phase: Phase) -> None:
    assert ended(launch(phase, confirmed=True, hold=held())).state.outcome != ""


def test_what_has_ended_does_nothing_more() -> None:
    for phase in (Phase.ROLLED_BACK, Phase.SCRUBBED):
        decided = step(launch(phase), now_ms=NOW_MS + 10**9)
        assert (decided.events, decided.commands, decided.protect, decided.unjournalled) == ((), (), (), ())


def test_a_launch_that_started_nothing_ends_whatever_the_router_serves() -> None:
    strange = Route(CANDIDATE, generation=9)
    router = a_router(SCRUBBING, route=strange, committed=strange)
    ended = step(SCRUBBING, router=router, jobs={})
    assert (ended.commands, ended.state.phase) == ((), Phase.SCRUBBED)
