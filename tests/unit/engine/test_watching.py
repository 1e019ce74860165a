"""The watch: the former stable slot is retired with proof, the loss is told, the launch closes."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    DONE,
    ENTERED_MS,
    INSTANCES,
    METER_RUNS,
    NEW,
    NO_ANSWER,
    NOW_MS,
    OLD,
    STABLE,
    UNMEASURED,
    a_plan,
    a_router,
    a_slot,
    commands,
    held,
    launch,
    only,
    sent,
    slots_of,
    started,
    step,
)
from tminus.domain.codec import to_json
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.judged import Judged
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading, SlotReading
from tminus.domain.launch.route import Route
from tminus.domain.plan.plan import Stay
from tminus.domain.plan.route_class import RouteClass
from tminus.domain.report.loss import LaneCount, MeterReading
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R20")

WATCHING = launch(Phase.WATCHING)
SERVING = frozenset({CANDIDATE})
DRAIN_MS = WATCHING.plan.drain_deadline_ms
DAY_MS = 86_400_000
METER = MeterReading(0, 1, LaneCount(sent=100, answered=90, failed=1, lost=2, cut=3, unfinished=4))


def seen_by_router(**changes: Any) -> Step:  # noqa: ANN401 - fields of RouterReading
    return step(WATCHING, router=a_router(WATCHING, **changes))


def test_a_retiring_slot_is_expelled_first() -> None:
    assert only(seen_by_router(in_flight={STABLE: 0})) == cmd.ExpelSlot(STABLE)


def test_a_slot_with_nothing_routed_and_nothing_in_flight_is_stopped() -> None:
    assert only(seen_by_router(admitted=SERVING)) == cmd.StopSlot(STABLE)


def test_a_slot_with_requests_in_flight_is_not_stopped() -> None:
    assert commands(seen_by_router(admitted=SERVING, in_flight={STABLE: 1})) == []


def test_what_is_in_flight_after_the_drain_deadline_is_cut() -> None:
    router = a_router(WATCHING, admitted=SERVING, in_flight={STABLE: 1})
    decided = [step(WATCHING, router=router, now_ms=ENTERED_MS + DRAIN_MS + late_ms) for late_ms in (-1, 0)]
    assert [commands(each) for each in decided] == [[], [cmd.CutSlot(STABLE)]]


def test_a_class_may_have_a_longer_drain_than_the_plan() -> None:
    plan = a_plan(route_classes=(RouteClass("export", ("/export",), drain_ms=DRAIN_MS + 1),))
    state = launch(Phase.WATCHING, plan=plan)
    router = a_router(state, admitted=SERVING, in_flight={STABLE: 1})
    decided = [step(state, router=router, now_ms=ENTERED_MS + DRAIN_MS + late_ms) for late_ms in (0, 1)]
    assert [commands(each) for each in decided] == [[], [cmd.CutSlot(STABLE)]]


@pytest.mark.parametrize(
    "changes",
    [
        {"router": NO_ANSWER},
        {"slots": NO_ANSWER},
        {"router": a_router(WATCHING, admitted=SERVING, up={CANDIDATE: 0})},
        {"slots": {**slots_of(WATCHING), CANDIDATE: a_slot(CANDIDATE, NEW, healthy=INSTANCES - 1)}},
    ],
    ids=["no router", "no runtime", "the router sees nobody up", "not all instances are healthy"],
)
def test_nothing_is_retired_while_it_is_not_seen_that_the_candidate_serves(changes: dict[str, Any]) -> None:
    assert commands(step(WATCHING, **changes)) == []


def test_a_route_that_does_not_rest_on_the_candidate_is_committed_before_anything_is_retired() -> None:
    route = Route(STABLE, CANDIDATE, 5_000, generation=5, epoch=12)
    rest = Route(CANDIDATE, generation=5, epoch=12)
    assert only(seen_by_router(admitted=SERVING, route=route)) == cmd.CommitRoute(rest)


def test_a_held_watch_retires_nothing() -> None:
    state = launch(Phase.WATCHING, hold=held())
    assert commands(step(state, router=a_router(state, admitted=SERVING))) == []


def gone(**changes: Any) -> Step:  # noqa: ANN401 - fields of LaunchState
    state = launch(Phase.WATCHING, **changes)
    return step(state, slots={**slots_of(state), STABLE: SlotReading(STABLE)})


def test_a_slot_that_was_stopped_and_is_down_has_been_retired() -> None:
    assert gone(commands={"k": sent(cmd.StopSlot(STABLE))}).events == (ev.SlotRetired(STABLE),)


def down_by_itself(**changes: Any) -> Step:  # noqa: ANN401 - fields of RouterReading
    slots = {**slots_of(WATCHING), STABLE: SlotReading(STABLE)}
    return step(WATCHING, slots=slots, router=a_router(WATCHING, **changes))


def test_a_slot_that_went_down_by_itself_is_expelled_before_it_counts_as_retired() -> None:
    decided = down_by_itself()
    assert (decided.events, only(decided)) == ((), cmd.ExpelSlot(STABLE))


def test_a_slot_that_went_down_by_itself_and_is_expelled_has_been_retired() -> None:
    assert down_by_itself(admitted=SERVING).events == (ev.SlotRetired(STABLE),)


def test_the_meter_is_stopped_once_the_slot_is_retired() -> None:
    assert only(gone(retired=True)) == cmd.StopJob("meter")


def test_the_meter_covers_the_retirement() -> None:
    assert cmd.StopJob("meter") not in commands(step(WATCHING))


def test_the_meters_figure_is_journalled() -> None:
    job = {"meter": JobReading("meter", DONE, to_json(METER))}
    state = launch(Phase.WATCHING, retired=True)
    assert ev.LossMeasured(96, 2, 1, 3, 7, None, None) in step(state, jobs=job, replayed=7).events


@pytest.mark.parametrize("result", [None, {}, [], {"total": 1}, "none"])
def test_a_figure_that_cannot_be_read_measured_nothing(result: Any) -> None:  # noqa: ANN401 - any JSON
    job = {"meter": JobReading("meter", DONE, result)}
    assert UNMEASURED in step(launch(Phase.WATCHING, retired=True), jobs=job).events


@pytest.mark.parametrize("phase", ["failed", "lost"])
def test_a_meter_that_did_not_succeed_measured_nothing(phase: str) -> None:
    job = {"meter": JobReading("meter", phase)}  # type: ignore[arg-type]  # a phase
    assert UNMEASURED in step(launch(Phase.WATCHING, retired=True), jobs=job).events


def test_without_a_meter_nothing_was_measured() -> None:
    assert UNMEASURED in step(launch(Phase.WATCHING, retired=True), jobs={}).events


def test_a_meter_that_could_not_be_read_may_still_tell() -> None:
    state = launch(Phase.WATCHING, retired=True, commands=started("meter"))
    assert step(state, jobs={}, jobs_read=False).events == ()


def test_a_running_meter_has_no_figure_yet() -> None:
    assert step(launch(Phase.WATCHING, retired=True), jobs=METER_RUNS).events == ()


def at_end(late_ms: int = 0, **changes: Any) -> Step:  # noqa: ANN401 - fields of LaunchState
    values: dict[str, Any] = {"retired": True, "loss": UNMEASURED, **changes}
    return step(launch(Phase.WATCHING, **values), now_ms=ENTERED_MS + DAY_MS + late_ms, jobs={})


@pytest.mark.req("R21")
def test_a_watch_that_is_over_closes_the_launch() -> None:
    assert at_end().events == (
        ev.PhaseEntered(Phase.CLOSED, "the watch is over"),
        ev.LaunchEnded("promoted", "2.0.0 serves from green"),
    )


def test_a_watch_lasts_its_time() -> None:
    assert at_end(-1).events == ()


def test_a_watch_does_not_end_before_the_slot_is_retired() -> None:
    assert at_end(retired=False).state.phase is Phase.WATCHING


def test_a_held_watch_does_not_end() -> None:
    assert at_end(hold=held(expires_ms=NOW_MS + 2 * DAY_MS)).events == ()


def test_a_first_launch_retires_nobody_and_closes() -> None:
    state = launch(Phase.WATCHING, first=True, loss=UNMEASURED)
    decided = step(state, now_ms=ENTERED_MS + DAY_MS, jobs={})
    assert (decided.state.phase, decided.state.outcome) == (Phase.CLOSED, "promoted")


@pytest.mark.req("R19", "R21")
@pytest.mark.parametrize(("age_ms", "taken"), [(299_999, False), (300_000, True)])
def test_a_reading_is_journalled_at_the_cadence_of_the_watch(age_ms: int, taken: bool) -> None:
    reading = ev.ReadingTaken(CANDIDATE, 10_000, 20, 2_000, 0, 5)
    state = launch(Phase.WATCHING, plan=a_plan(watch=Stay(DAY_MS, 300_000)), reading_ms=NOW_MS - age_ms)
    assert (reading in step(state, judged=Judged(reading=reading)).events) is taken


def test_a_closed_launch_does_nothing_more() -> None:
    decided = step(launch(Phase.CLOSED))
    assert (decided.events, decided.commands, decided.protect, decided.unjournalled) == ((), (), (), ())


def test_a_stable_slot_that_came_back_with_another_version_is_not_taken_for_retired() -> None:
    state = launch(Phase.WATCHING, commands={"k": sent(cmd.StopSlot(STABLE))})
    slots = {**slots_of(state), STABLE: replace(a_slot(STABLE, OLD), expected=INSTANCES)}
    assert ev.SlotRetired(STABLE) not in step(state, slots=slots).events
