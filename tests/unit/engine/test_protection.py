"""What takes a candidate's traffic away without asking anybody."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    GENERATION,
    INSTANCES,
    NEW,
    NO_ANSWER,
    NOW_MS,
    STABLE,
    a_router,
    a_slot,
    fired,
    held,
    kinds,
    launch,
    phases,
    route_of,
    slots_of,
    step,
    why,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import WriteRoute
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL, Phase
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Consequence
from tminus.engine.decide.launch.bounds import CAPACITY_WAIT_MS, MOST_RESTARTS
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R8", "R9")

TRIALS = sorted(TRIAL)
BACK = WriteRoute(Route(STABLE, generation=GENERATION + 2, epoch=12))
LOSER = {STABLE: 0, CANDIDATE: INSTANCES}
NOBODY = {STABLE: INSTANCES, CANDIDATE: 0}


def seen_by_router(state: LaunchState, **changes: Any) -> Step:  # noqa: ANN401 - fields of RouterReading
    return step(state, router=a_router(state, **changes))


# The router has left the candidate, or was changed


@pytest.mark.parametrize("phase", TRIALS)
@pytest.mark.parametrize(
    ("distrust", "reason"),
    [
        (Distrust.ERRORS, "the router's breaker left the candidate: too many errors"),
        (Distrust.SLOW, "the router's breaker left the candidate: too many slow answers"),
        (Distrust.DOWN, "the router left the candidate: none of its instances was up"),
        (Distrust.LEASE, "the controller was silent for longer than its lease"),
    ],
)
def test_a_router_that_fell_back_is_followed(phase: Phase, distrust: Distrust, reason: str) -> None:
    decided = seen_by_router(launch(phase), distrust=distrust)
    assert decided.events[:2] == (
        ev.RouterFellBack(distrust, reason),
        ev.PhaseEntered(Phase.ROLLING_BACK, reason),
    )
    assert decided.protect == (BACK,)


def test_every_distrust_is_followed_by_its_own_reason() -> None:
    reasons = {
        why(seen_by_router(launch(Phase.CUTOVER), distrust=distrust))
        for distrust in Distrust
        if distrust is not Distrust.NONE
    }
    assert len(reasons) == len(Distrust) - 1


def test_figures_of_the_candidate_are_told_with_the_breaker() -> None:
    state = launch(Phase.CUTOVER)
    figures = ev.ReadingTaken(CANDIDATE, 1_000, 50, 0, 100_000, 5)
    router = a_router(state, distrust=Distrust.ERRORS)
    decided = step(state, router=router, judged=Judged(reading=figures))
    assert why(decided).endswith("too many errors; lately 10 % of 50 requests failed")


@pytest.mark.parametrize("phase", TRIALS)
def test_a_router_that_restarted_is_not_tried_again(phase: Phase) -> None:
    state = launch(phase)
    decided = seen_by_router(state, route=Route(STABLE, generation=GENERATION, epoch=12))
    assert phases(decided)[:1] == [Phase.ROLLING_BACK]
    assert why(decided) == "the router was restarted or changed from outside, and serves the committed route"


@pytest.mark.parametrize(
    "changes",
    [{"candidate_bp": 9_999}, {"watch": Watch.NONE}, {"live": None}],
    ids=["another share", "no watch", "no stable slot"],
)
def test_a_route_that_was_changed_from_outside_is_not_fought_over(changes: dict[str, Any]) -> None:
    state = launch(Phase.CUTOVER)
    decided = seen_by_router(state, route=replace(route_of(state), **changes))
    assert why(decided) == "the router's route was changed from outside"


def test_a_route_that_is_not_confirmed_yet_may_still_be_another() -> None:
    state = launch(Phase.CUTOVER, step=1, confirmed=False)
    decided = seen_by_router(state, route=replace(route_of(state), candidate_bp=1_000))
    assert phases(decided) == []


@pytest.mark.parametrize("phase", TRIALS)
def test_a_later_generation_means_that_traffic_was_taken_back_already(phase: Phase) -> None:
    decided = seen_by_router(launch(phase), route=Route(STABLE, generation=GENERATION + 2, epoch=12))
    reason = "the router carries a later decision: traffic was taken back before it was journalled"
    assert decided.events[:2] == (
        ev.RouterFellBack(Distrust.NONE, reason),
        ev.PhaseEntered(Phase.ROLLING_BACK, reason),
    )


def test_a_router_that_does_not_answer_has_not_fallen_back() -> None:
    assert phases(step(launch(Phase.CUTOVER), router=NO_ANSWER)) == []


def test_the_distrust_of_an_earlier_trial_is_not_this_ones() -> None:
    state = launch(Phase.CUTOVER, confirmed=False, tried=False)
    earlier = replace(route_of(state), generation=GENERATION)
    assert phases(seen_by_router(state, route=earlier, distrust=Distrust.ERRORS)) == []


# Nobody healthy, crash loop


@pytest.mark.parametrize("phase", TRIALS)
def test_a_candidate_without_a_healthy_instance_is_left(phase: Phase) -> None:
    assert why(seen_by_router(launch(phase), up=NOBODY)) == "no healthy instance of green"


def test_a_candidate_that_was_never_tried_may_be_down() -> None:
    state = launch(Phase.CUTOVER, confirmed=False, tried=False)
    assert phases(seen_by_router(state, up=NOBODY)) == []


def restarted(times: int, **changes: Any) -> Step:  # noqa: ANN401 - fields of LaunchState
    state = launch(Phase.CUTOVER, **changes)
    return step(state, slots={**slots_of(state), CANDIDATE: a_slot(CANDIDATE, NEW, restarts=times)})


def test_a_restart_of_the_candidate_is_journalled() -> None:
    assert restarted(1).events == (ev.InstanceRestarted(CANDIDATE, 1),)


def test_a_restart_is_journalled_once() -> None:
    assert restarted(1, restarts=1).events == ()


def test_a_crash_loop_rolls_back() -> None:
    decided = [restarted(times) for times in (MOST_RESTARTS, MOST_RESTARTS + 1)]
    assert [phases(each) for each in decided] == [[], [Phase.ROLLING_BACK]]
    assert why(decided[1]) == "instances of green died 4 times"


# Triggers


@pytest.mark.parametrize("phase", TRIALS)
def test_a_trigger_that_rolls_back_does_so_in_its_tick(phase: Phase) -> None:
    decided = step(launch(phase), judged=fired(Consequence.ROLLBACK))
    assert decided.events[:2] == (
        ev.TriggerFired("error rate", Consequence.ROLLBACK, "5 of 10 failed"),
        ev.PhaseEntered(Phase.ROLLING_BACK, "5 of 10 failed"),
    )
    assert decided.protect == (BACK,)


@pytest.mark.parametrize("phase", TRIALS)
def test_a_trigger_that_holds_leaves_traffic_where_it_is(phase: Phase) -> None:
    decided = step(launch(phase), judged=fired(Consequence.HOLD))
    assert kinds(decided) == ["trigger-fired", "hold-placed"]
    assert decided.protect == ()


@pytest.mark.parametrize("phase", TRIALS)
def test_a_trigger_that_alerts_is_only_told(phase: Phase) -> None:
    assert kinds(step(launch(phase), judged=fired(Consequence.ALERT))) == ["trigger-fired"]


@pytest.mark.parametrize("consequence", list(Consequence))
def test_a_trigger_is_told_once(consequence: Consequence) -> None:
    state = launch(Phase.CUTOVER, alerts=frozenset({"error rate"}))
    assert "trigger-fired" not in kinds(step(state, judged=fired(consequence)))


def test_a_trigger_that_was_told_before_still_rolls_back() -> None:
    state = launch(Phase.CUTOVER, alerts=frozenset({"error rate"}))
    assert phases(step(state, judged=fired(Consequence.ROLLBACK))) == [Phase.ROLLING_BACK]


def test_the_first_trigger_that_rolls_back_ends_the_trial() -> None:
    both = Judged(
        fired=(Fired("a", Consequence.ROLLBACK, "first"), Fired("b", Consequence.ROLLBACK, "second"))
    )
    assert [
        e.trigger for e in step(launch(Phase.CUTOVER), judged=both).events if isinstance(e, ev.TriggerFired)
    ] == ["a"]


@pytest.mark.parametrize("phase", sorted(set(Phase) - TRIAL))
def test_outside_a_trial_no_trigger_fires(phase: Phase) -> None:
    assert "trigger-fired" not in kinds(step(launch(phase), judged=fired(Consequence.ROLLBACK)))


# Nowhere to go back to


@pytest.mark.parametrize("phase", TRIALS)
def test_a_dead_stable_slot_is_not_gone_back_to_while_the_candidate_answers(phase: Phase) -> None:
    state = launch(phase)
    decided = step(state, router=a_router(state, up=LOSER), judged=fired(Consequence.ROLLBACK))
    assert decided.state.phase is phase
    assert decided.state.hold is not None
    assert decided.state.hold.why == "5 of 10 failed; blue has no healthy instance to go back to"


def test_with_nobody_healthy_at_all_traffic_goes_back() -> None:
    decided = seen_by_router(launch(Phase.CUTOVER), up=dict.fromkeys(Slot, 0))
    assert phases(decided) == [Phase.ROLLING_BACK]


def rolling_back(up: dict[Slot, int], age_ms: int = 0) -> Step:
    state = launch(Phase.ROLLING_BACK, entered_ms=NOW_MS - age_ms)
    return seen_by_router(state, up=up)


def test_a_rollback_waits_for_the_full_count_of_the_stable_slot() -> None:
    assert rolling_back({STABLE: INSTANCES - 1, CANDIDATE: 1}).protect == ()


def test_a_rollback_waits_for_the_full_count_only_so_long() -> None:
    some = {STABLE: 1, CANDIDATE: 1}
    waits = [rolling_back(some, age_ms).protect for age_ms in (CAPACITY_WAIT_MS - 1, CAPACITY_WAIT_MS)]
    assert waits == [(), (BACK,)]


def test_a_rollback_never_goes_to_a_dead_slot_while_the_candidate_answers() -> None:
    assert rolling_back(LOSER, age_ms=CAPACITY_WAIT_MS * 100).protect == ()


def test_a_rollback_does_not_wait_where_the_candidate_answers_nobody() -> None:
    assert rolling_back(dict.fromkeys(Slot, 0)).protect == (BACK,)


def test_a_full_stable_slot_gets_its_traffic_at_once() -> None:
    assert rolling_back({STABLE: INSTANCES, CANDIDATE: INSTANCES}).protect == (BACK,)


def test_a_slot_that_could_not_be_read_is_expected_to_be_as_large_as_planned() -> None:
    state = launch(Phase.ROLLING_BACK, entered_ms=NOW_MS)
    router = a_router(state, up={STABLE: INSTANCES - 1, CANDIDATE: 1})
    assert step(state, router=router, slots=NO_ANSWER).protect == ()


def test_a_rollback_that_has_returned_writes_nothing_again() -> None:
    state = launch(Phase.ROLLING_BACK)
    assert seen_by_router(state, route=BACK.route).protect == ()


def test_the_rest_before_the_trial_is_not_the_rest_after_it() -> None:
    state = launch(Phase.ROLLING_BACK)
    assert seen_by_router(state, route=Route(STABLE, generation=GENERATION, epoch=12)).protect == (BACK,)


@pytest.mark.parametrize("phase", sorted(set(Phase) - TRIAL - {Phase.ROLLING_BACK}))
def test_only_a_rollback_moves_traffic_back(phase: Phase) -> None:
    assert step(launch(phase)).protect == ()


# Holds


@pytest.mark.parametrize("phase", TRIALS)
def test_a_hold_stops_no_protection(phase: Phase) -> None:
    decided = step(launch(phase, hold=held()), judged=fired(Consequence.ROLLBACK))
    assert phases(decided)[:1] == [Phase.ROLLING_BACK]


@pytest.mark.parametrize(
    ("phases_held", "ends"),
    [(BEFORE_TRAFFIC, Phase.SCRUBBING), (TRIAL, Phase.ROLLING_BACK)],
    ids=["before traffic", "in a trial"],
)
def test_a_hold_that_nobody_lifts_takes_the_launch_back(phases_held: frozenset[Phase], ends: Phase) -> None:
    for phase in phases_held:
        decided = [step(launch(phase, hold=held(expires_ms=NOW_MS + late_ms))) for late_ms in (1, 0)]
        assert [phases(each)[:1] for each in decided] == [[], [ends]]
        assert decided[1].state.phase_why == "nobody lifted the hold within 500ms (lunch)"


def test_a_hold_of_the_watch_that_nobody_lifts_is_released() -> None:
    decided = step(launch(Phase.WATCHING, hold=held(expires_ms=NOW_MS)))
    assert decided.events[0] == ev.HoldReleased("tminus", "nobody lifted it within 500ms")


# A first launch


@pytest.mark.parametrize("up", [{}, {CANDIDATE: 0}])
def test_a_first_launch_with_nobody_healthy_is_withdrawn(up: dict[Slot, int]) -> None:
    decided = seen_by_router(launch(Phase.CUTOVER, first=True), up=up)
    assert (phases(decided), decided.protect) == (
        [Phase.ROLLING_BACK],
        (WriteRoute(Route(None, generation=GENERATION + 2, epoch=12)),),
    )


def test_a_first_launch_that_breaks_a_limit_is_withdrawn() -> None:
    decided = step(launch(Phase.VERIFYING, first=True), judged=fired(Consequence.ROLLBACK))
    assert decided.protect == (WriteRoute(Route(None, generation=GENERATION + 2, epoch=12)),)


def test_a_first_launch_has_no_router_to_fall_back() -> None:
    state = launch(Phase.CUTOVER, first=True)
    reading: RouterReading = a_router(state, distrust=Distrust.ERRORS)
    assert phases(step(state, router=reading)) == []
