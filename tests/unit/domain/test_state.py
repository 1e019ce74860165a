from dataclasses import replace

import pytest

from tests.unit.domain.test_event import EVENTS
from tests.unit.engine.launches import a_plan
from tminus.domain.canonical import digest_of
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import AdmitSlot, StopSlot
from tminus.domain.launch.phase import ENDING, Phase
from tminus.domain.launch.reading import JobPhase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import Attempt, Hold, LaunchState, evolve, fold
from tminus.domain.plan.limit import Consequence

BLUE, GREEN = Slot.BLUE, Slot.GREEN
PLANNED = ev.LaunchPlanned(a_plan(), "sha256:p", "c0", "ann", GREEN, BLUE, "sha256:o", "1.0.0", 3, 9)


def after(*events: ev.Event, at_ms: int = 1_000) -> LaunchState:
    """A launch planned at 0, then these events, all at one time."""
    return fold([(PLANNED, 0), *((event, at_ms) for event in events)])


def test_a_launch_begins_in_countdown_with_what_was_planned() -> None:
    state = fold([(replace(PLANNED, plan=a_plan(t0_ms=77)), 5)])
    assert (state.phase, state.t0_ms, state.entered_ms, state.generation, state.artifact, state.step) == (
        Phase.COUNTDOWN,
        77,
        5,
        3,
        None,
        -1,
    )


def test_what_is_adopted_is_named_by_its_addresses() -> None:
    state = fold([(replace(PLANNED, plan=a_plan(adopt=("h:1", "h:2"))), 5)])
    assert state.artifact == digest_of(["h:1", "h:2"])


def test_a_launch_that_does_not_begin_with_its_plan_is_refused() -> None:
    with pytest.raises(
        ev.UnknownEventError, match=r"^a launch begins with launch-planned, not 'driver-claimed'$"
    ):
        fold([(ev.DriverClaimed("agent", 1), 0)])


def test_a_launch_without_events_is_refused() -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^a launch without events has no state$"):
        fold([])


def test_a_launch_is_planned_once() -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^event 'launch-planned' cannot be folded here$"):
        after(PLANNED)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_every_other_event_can_be_folded(event: ev.Event) -> None:
    if not isinstance(event, ev.LaunchPlanned):
        assert isinstance(evolve(after(ev.CommandIntended("k", StopSlot(GREEN))), event, 1), LaunchState)


def test_a_fold_goes_on_from_a_snapshot() -> None:
    events: list[tuple[ev.Event, int]] = [
        (PLANNED, 0),
        (ev.DriverClaimed("agent", 1), 1),
        (ev.HoldPlaced("ann", "lunch", 9), 2),
        (ev.HoldReleased("ann", ""), 4),
        (ev.PhaseEntered(Phase.STAGING, "ready"), 5),
    ]
    for cut in range(1, len(events) + 1):
        assert fold(events[cut:], fold(events[:cut])) == fold(events)


def test_folding_does_not_change_the_state_it_starts_from() -> None:
    before = after()
    evolve(before, ev.CommandIntended("k", StopSlot(GREEN)), 5)
    assert before == after()


def test_a_driver_fences_off_every_driver_before_it() -> None:
    assert [after(ev.DriverClaimed("agent", epoch)).fence for epoch in (1, 2)] == [10, 11]


# Holds


def test_a_hold_is_kept_with_its_person_reason_and_expiry() -> None:
    assert after(ev.HoldPlaced("ann", "lunch", 9_000)).hold == Hold("ann", "lunch", 1_000, 9_000)


def test_a_released_hold_moves_the_clocks_of_phase_and_step_by_its_length() -> None:
    state = replace(after(), entered_ms=100, step_ms=600)
    held = evolve(state, ev.HoldPlaced("ann", "lunch", 9_000), 1_000)
    released = evolve(held, ev.HoldReleased("ann", ""), 4_000)
    assert (released.hold, released.entered_ms, released.step_ms) == (None, 3_100, 3_600)


def test_a_hold_that_was_not_placed_moves_no_clock() -> None:
    state = after()
    assert evolve(state, ev.HoldReleased("ann", ""), 4_000) == state


@pytest.mark.parametrize("phase", sorted(ENDING))
def test_taking_a_launch_back_ends_its_hold(phase: Phase) -> None:
    assert after(ev.HoldPlaced("ann", "lunch", 9_000), ev.PhaseEntered(phase, "why")).hold is None


def test_a_hold_outlives_a_step_onward() -> None:
    assert after(ev.HoldPlaced("ann", "x", 9_000), ev.PhaseEntered(Phase.STAGING, "why")).hold is not None


def test_what_failed_before_a_hold_is_tried_afresh_after_it() -> None:
    failed = (INTENDED, INTENDED, ev.CommandFailed("k", "refused", "c", "w"))
    state = after(*failed, ev.HoldPlaced("ann", "x", 9_000), ev.HoldReleased("ann", ""))
    assert state.commands["k"] == Attempt(AdmitSlot(BLUE), 1, 1_000)


def test_what_succeeded_before_a_hold_is_still_known_after_it() -> None:
    done = (INTENDED, INTENDED, ev.CommandPerformed("k"))
    state = after(*done, ev.HoldPlaced("ann", "x", 9_000), ev.HoldReleased("ann", ""))
    assert state.commands["k"] == Attempt(AdmitSlot(BLUE), 2, 1_000, performed=True)


def test_it_is_known_when_the_last_hold_was_released() -> None:
    held = after(ev.HoldPlaced("ann", "x", 9_000))
    assert (held.resumed_ms, evolve(held, ev.HoldReleased("ann", ""), 7_000).resumed_ms) == (0, 7_000)


# Phases, steps and generations


def test_a_phase_is_entered_with_its_reason_and_time() -> None:
    state = after(ev.PhaseEntered(Phase.STAGING, "T-0"))
    assert (state.phase, state.phase_why, state.entered_ms) == (Phase.STAGING, "T-0", 1_000)


def test_cutover_is_remembered_as_the_time_when_traffic_began_to_move() -> None:
    state = after(ev.PhaseEntered(Phase.CUTOVER, ""))
    assert (state.cutover_ms, evolve(state, ev.PhaseEntered(Phase.VERIFYING, ""), 9_000).cutover_ms) == (
        1_000,
        1_000,
    )


def test_the_first_step_begins_a_generation_and_later_ones_stay_in_it() -> None:
    assert [
        after(ev.StepTaken(0, 1)).generation,
        after(ev.StepTaken(0, 1), ev.StepTaken(1, 2)).generation,
    ] == [
        4,
        4,
    ]


def test_the_rest_that_ends_a_trial_has_a_generation_of_its_own() -> None:
    assert after(ev.StepTaken(0, 1), ev.PhaseEntered(Phase.ROLLING_BACK, "")).generation == 5


def test_a_scrub_has_no_trial_to_end() -> None:
    assert after(ev.PhaseEntered(Phase.SCRUBBING, "")).generation == 3


def test_a_new_step_is_not_confirmed_yet() -> None:
    state = after(ev.StepTaken(0, 1), ev.RouteConfirmed(""), ev.StepTaken(1, 2))
    assert (state.step, state.confirmed, state.tried) == (1, False, True)


def test_a_confirmed_route_starts_the_clock_of_its_step() -> None:
    state = after(ev.StepTaken(0, 1), ev.RouteConfirmed(""))
    assert (state.confirmed, state.tried, state.step_ms) == (True, True, 1_000)


@pytest.mark.parametrize(
    ("phase", "confirmed"),
    [
        (Phase.VERIFYING, True),
        (Phase.BAKING, False),
        (Phase.PROMOTING, False),
        (Phase.ROLLING_BACK, False),
        (Phase.SCRUBBING, False),
    ],
)
def test_a_phase_with_a_route_of_its_own_has_it_confirmed_anew(phase: Phase, confirmed: bool) -> None:
    state = after(ev.StepTaken(0, 1), ev.RouteConfirmed(""), ev.PhaseEntered(phase, ""))
    assert state.confirmed is confirmed


def test_the_share_is_that_of_the_step() -> None:
    shares = [after(ev.StepTaken(step, 0)).share_bp for step in range(3)]
    assert [after().share_bp, *shares] == [0, 1_000, 5_000, 10_000]


def test_a_first_launch_has_nobody_to_share_traffic_with() -> None:
    state = fold([(replace(PLANNED, stable=None), 0), (ev.StepTaken(0, 10_000), 1)])
    assert (state.steps_bp, state.share_bp) == ((10_000,), 10_000)


# Commands and jobs

INTENDED = ev.CommandIntended("k", AdmitSlot(BLUE))


def test_each_intent_is_an_attempt() -> None:
    assert after(INTENDED, INTENDED).commands["k"] == Attempt(AdmitSlot(BLUE), 2, 1_000)


def test_another_intent_forgets_how_the_last_one_went() -> None:
    state = after(INTENDED, ev.CommandFailed("k", "refused", "c", "w"), INTENDED)
    assert state.commands["k"] == Attempt(AdmitSlot(BLUE), 2, 1_000)


def test_a_performed_command_has_no_fault() -> None:
    state = after(INTENDED, ev.CommandFailed("k", "unknown", "c", "w"), ev.CommandPerformed("k"))
    assert state.commands["k"] == Attempt(AdmitSlot(BLUE), 1, 1_000, performed=True)


@pytest.mark.parametrize(
    ("fault", "refused"), [("refused", True), ("unavailable", False), ("unknown", False)]
)
def test_only_a_refusal_is_not_retried(fault: str, refused: bool) -> None:
    state = after(INTENDED, ev.CommandFailed("k", fault, "c", "w"))
    assert state.commands["k"] == Attempt(AdmitSlot(BLUE), 1, 1_000, refused=refused, code="c", why="w")


def test_an_outcome_without_an_intent_is_refused() -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^command 'k' has an outcome but was never intended$"):
        after(ev.CommandPerformed("k"))


def test_what_was_intended_is_known_by_type_and_slot() -> None:
    state = after(INTENDED)
    assert [
        state.intended(AdmitSlot, BLUE),
        state.intended(AdmitSlot, GREEN),
        state.intended(StopSlot, BLUE),
    ] == [True, False, False]


def test_a_stable_slot_that_was_told_to_stop_is_going() -> None:
    assert [
        after().stable_going,
        after(ev.CommandIntended("k", StopSlot(GREEN))).stable_going,
        after(ev.CommandIntended("k", StopSlot(BLUE))).stable_going,
        after(ev.SlotRetired(BLUE)).stable_going,
    ] == [False, False, True, True]


def test_a_finished_build_names_the_artifact() -> None:
    state = after(ev.JobEnded("build", JobPhase.DONE, {"digest": "sha256:n"}, "", ""))
    assert state.artifact == "sha256:n"


def test_a_failed_build_names_none() -> None:
    assert after(ev.JobEnded("build", JobPhase.FAILED, None, "c", "w")).artifact is None


def test_the_result_of_another_job_is_no_artifact() -> None:
    assert after(ev.JobEnded("smoke", JobPhase.DONE, {"digest": "sha256:n"}, "", "")).artifact is None


# What is only remembered


def test_a_taken_and_a_refused_order_are_both_settled() -> None:
    state = after(ev.OrderTaken("a", "hold", "ann", ""), ev.OrderRefused("b", "slip", "ann", "c", "w"))
    assert state.orders == {"a", "b"}


def test_a_slip_moves_t0() -> None:
    assert after(ev.Slipped(9_000, "ann", "late")).t0_ms == 9_000


def test_a_trigger_fires_once() -> None:
    fired = ev.TriggerFired("error rate", Consequence.ALERT, "w")
    assert after(fired, fired).alerts == {"error rate"}


@pytest.mark.parametrize(
    ("event", "field", "value"),
    [
        (ev.SlotUp(GREEN, 3), "slot_up", True),
        (ev.ReadingTaken(GREEN, 0, 0, 0, None, None), "reading_ms", 1_000),
        (ev.InstanceRestarted(GREEN, 2), "restarts", 2),
        (ev.Promoted(GREEN), "promoted", True),
        (ev.SlotRetired(BLUE), "retired", True),
        (ev.LaunchEnded("scrubbed", "w"), "outcome", "scrubbed"),
        (ev.LossMeasured(1, 0, 0, 0, 0, None, None), "loss", ev.LossMeasured(1, 0, 0, 0, 0, None, None)),
    ],
)
def test_an_event_is_remembered(event: ev.Event, field: str, value: object) -> None:
    assert getattr(after(event), field) == value


@pytest.mark.parametrize(
    ("events", "ended_well"),
    [
        ((), False),
        ((ev.Promoted(GREEN), ev.PhaseEntered(Phase.WATCHING, "")), True),
        ((ev.Promoted(GREEN), ev.PhaseEntered(Phase.ROLLING_BACK, "")), False),
    ],
)
def test_a_launch_ends_well_when_promoted_and_not_taken_back(
    events: tuple[ev.Event, ...], ended_well: bool
) -> None:
    assert after(*events).ended_well is ended_well


def test_a_step_that_was_taken_starts_its_clock_anew() -> None:
    state = after(ev.StepTaken(0, 1), ev.RouteConfirmed(""))
    assert evolve(state, ev.StepTaken(1, 2), 9_000).step_ms == 9_000


@pytest.mark.parametrize("result", [{}, None, {"digest": 7}])
def test_a_build_that_is_done_without_an_artifact_is_refused(result: object) -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^a build that is done names no artifact$"):
        after(ev.JobEnded("build", JobPhase.DONE, result, "", ""))
