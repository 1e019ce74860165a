"""What is cut when: every class has its own time, and what cannot be told apart has the longest."""

from dataclasses import replace

import pytest

from tminus.domain.launch.command import Command, CutSlot, ExpelSlot, StopSlot
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import InstanceReading, RouterReading, SlotReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan, Run, Source
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.engine.decide.launch.ending import drain_deadline_ms, overdue_classes, removal
from tminus.engine.decide.step import Observation

LIVE = RouteClass("live", ("/live",), (), Traffic.WEBSOCKET, drain_ms=10_000)
FEED = RouteClass("feed", ("/feed",), (), Traffic.STREAM, drain_ms=20_000)
PLAN = Plan("shop", "2.0.0", Source(".", "v2.0.0"), Run(("shop",)), route_classes=(LIVE, FEED))
STATE = LaunchState(
    plan=PLAN,
    plan_digest="",
    commit="",
    candidate=Slot.GREEN,
    stable=Slot.BLUE,
    stable_digest="sha256:1",
    stable_version="1.0.0",
    generation=1,
    fence_before=0,
    t0_ms=None,
    planned_ms=0,
    entered_ms=0,
    phase=Phase.WATCHING,
    promoted=True,
)
READING = RouterReading(
    Route(Slot.GREEN, generation=1), Route(Slot.GREEN, generation=1), admitted=frozenset({Slot.GREEN})
)


def commands(at_ms: int, reading: RouterReading) -> list[Command]:
    """What brings blue down `at_ms` after traffic has left it."""
    instance = InstanceReading("blue-1", "127.0.0.1:1", alive=True, healthy=True)
    slots = {slot: SlotReading(slot, "sha256:1", 1, (instance,)) for slot in Slot}
    seen = Observation(at_ms, reading, slots)
    return [entry.command for entry in removal(STATE, seen, Slot.BLUE, Slot.GREEN)]


def in_flight(total: int, **apart: int) -> RouterReading:
    return replace(READING, in_flight={Slot.BLUE: total}, apart={Slot.BLUE: apart})


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [
        (9_999, []),
        (10_000, [CutSlot(Slot.BLUE, "live")]),
        (20_000, [CutSlot(Slot.BLUE, "live"), CutSlot(Slot.BLUE, "feed")]),
        (30_000, [CutSlot(Slot.BLUE)]),
    ],
)
def test_each_class_is_cut_at_its_own_time_and_everything_at_the_last(
    at_ms: int, expected: list[Command]
) -> None:
    assert commands(at_ms, in_flight(5, live=2, feed=1)) == expected


def test_a_class_without_anything_in_flight_is_not_cut() -> None:
    assert commands(20_000, in_flight(2, live=0, feed=2)) == [CutSlot(Slot.BLUE, "feed")]


def test_what_the_router_does_not_tell_apart_has_the_longest_time() -> None:
    assert commands(29_999, in_flight(5)) == []
    assert commands(30_000, in_flight(5)) == [CutSlot(Slot.BLUE)]


def test_nothing_is_cut_while_the_slot_is_still_admitted() -> None:
    reading = replace(in_flight(5, live=5), admitted=frozenset(Slot))
    assert commands(60_000, reading) == [ExpelSlot(Slot.BLUE)]


def test_nothing_in_flight_stops_the_slot_at_once() -> None:
    assert commands(1, in_flight(0, live=0)) == [StopSlot(Slot.BLUE)]


def test_cuts_of_two_classes_are_two_commands() -> None:
    instance = InstanceReading("blue-1", "127.0.0.1:1", alive=True, healthy=True)
    slots = {slot: SlotReading(slot, "sha256:1", 1, (instance,)) for slot in Slot}
    found = removal(STATE, Observation(25_000, in_flight(2, live=1, feed=1), slots), Slot.BLUE, Slot.GREEN)
    assert [entry.key for entry in found] == ["watching:cut-slot:blue:live", "watching:cut-slot:blue:feed"]


def test_a_class_that_the_plan_does_not_know_is_nobodys() -> None:
    assert overdue_classes(PLAN, {"unknown": 3}, 60_000) == ()


def test_a_class_may_outlast_the_plans_own_deadline() -> None:
    patient = replace(PLAN, route_classes=(replace(FEED, drain_ms=90_000),))
    assert drain_deadline_ms(STATE) == 30_000
    assert drain_deadline_ms(replace(STATE, plan=patient)) == 90_000
