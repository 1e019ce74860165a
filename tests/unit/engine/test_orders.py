"""What people may order in which phase: one table, and what each order does."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    NEW,
    NOW_MS,
    STABLE,
    a_plan,
    held,
    launch,
    order,
    phases,
    seen,
    sent,
    step,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartSlot, StopSlot
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, PREPARING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Freeze, Window
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.launch.orders import VERBS

pytestmark = pytest.mark.req("R8")

TAKEN = ""
GROUPS = {
    "before": sorted(BEFORE_TRAFFIC),
    "trial": sorted(TRIAL),
    "watching": [Phase.WATCHING],
    "ending": sorted(ENDING),
    "over": sorted(TERMINAL),
}
# What becomes of a verb in each group of phases: taken, or the code it is refused with.
TABLE = {
    "hold": (TAKEN, TAKEN, TAKEN, "launch-ending", "launch-ending"),
    "resume": ("not-held", "not-held", "not-held", "not-held", "not-held"),
    "scrub": (TAKEN, *["traffic-moved"] * 4),
    "abort": (TAKEN, TAKEN, TAKEN, TAKEN, TAKEN),
    "rollback": (TAKEN, TAKEN, TAKEN, "launch-ending", "launch-ending"),
    "withdraw": ("has-stable",) * 5,
    "contract": ("no-contract",) * 5,
    "look": ("nothing-to-look-at", TAKEN, TAKEN, "nothing-to-look-at", "nothing-to-look-at"),
    "acknowledge": (*["nothing-fires"] * 4, "launch-ending"),
    "silence": (*["bad-silence"] * 4, "launch-ending"),
    "told-alert": (*["not-named"] * 4, "launch-ending"),
    "told-source": (*["not-named"] * 4, "launch-ending"),
    **dict.fromkeys(("attest", "waive", "na"), ("no-checks",) * 5),
    "vote": ("poll-off",) * 5,
    "policy": ("policy-late",) * 5,
    "close-condition": (*["no-such-condition"] * 4, "launch-ended"),
    "fly": ("unknown-order",) * 5,
}
CASES = [
    (verb, phase, code)
    for verb, codes in TABLE.items()
    for (_, members), code in zip(GROUPS.items(), codes, strict=True)
    for phase in members
]
# A first launch has nobody to go back to, so it is withdrawn while it is tried and not afterwards.
FIRST_TABLE = {
    "withdraw": (TAKEN, TAKEN, "no-stable", "launch-ending", "launch-ending"),
    "rollback": (TAKEN, TAKEN, "no-stable", "launch-ending", "launch-ending"),
    "abort": (TAKEN, TAKEN, "no-stable", TAKEN, TAKEN),
}
FIRST_CASES = [
    (verb, phase, code)
    for verb, codes in FIRST_TABLE.items()
    for (_, members), code in zip(GROUPS.items(), codes, strict=True)
    for phase in members
]


def answer(state: LaunchState, verb: str, argument: str = "") -> str:
    """The code an order is refused with, or nothing when it is taken."""
    decided = step(state, orders=(order(verb, argument=argument),))
    [found] = [e for e in decided.events if isinstance(e, ev.OrderTaken | ev.OrderRefused)]
    assert (found.key, found.verb, found.by) == ("o1", verb, "ann")
    return found.code if isinstance(found, ev.OrderRefused) else TAKEN


@pytest.mark.parametrize(("verb", "phase", "code"), CASES)
def test_an_order_is_taken_or_refused_by_its_phase(verb: str, phase: Phase, code: str) -> None:
    assert answer(launch(phase), verb) == code


@pytest.mark.parametrize(("verb", "phase", "code"), FIRST_CASES)
def test_an_order_for_a_first_launch_is_taken_or_refused_by_its_phase(
    verb: str, phase: Phase, code: str
) -> None:
    assert answer(launch(phase, first=True), verb) == code


@pytest.mark.parametrize("phase", list(Phase))
def test_t0_may_slip_before_it_has_passed_only(phase: Phase) -> None:
    expected = TAKEN if phase in PREPARING else "t0-passed"
    assert answer(launch(phase), "slip", str(NOW_MS + 5_000)) == expected


def test_every_verb_is_in_the_table() -> None:
    assert {*TABLE, "slip", "note"} - {"fly"} == VERBS


@pytest.mark.parametrize("phase", sorted(BEFORE_TRAFFIC | TRIAL | {Phase.WATCHING}))
def test_a_held_launch_is_resumed_in_every_phase_that_can_be_held(phase: Phase) -> None:
    assert answer(launch(phase, hold=held()), "resume") == TAKEN


@pytest.mark.req("R2")
@pytest.mark.parametrize(
    ("t0_ms", "code"),
    [
        (NOW_MS + 1_000, TAKEN),
        (NOW_MS + 8_999, TAKEN),
        (NOW_MS + 9_000, "outside-window"),
        (NOW_MS + 999, "outside-window"),
    ],
)
def test_t0_slips_within_the_deployment_window_only(t0_ms: int, code: str) -> None:
    plan = a_plan(window=Window(NOW_MS + 1_000, NOW_MS + 9_000))
    assert answer(launch(Phase.COUNTDOWN, plan=plan), "slip", str(t0_ms)) == code


@pytest.mark.req("R2", "R3")
@pytest.mark.parametrize(
    ("t0_ms", "code"),
    [
        (NOW_MS + 999, TAKEN),
        (NOW_MS + 1_000, "in-freeze"),
        (NOW_MS + 8_999, "in-freeze"),
        (NOW_MS + 9_000, TAKEN),
    ],
)
def test_t0_does_not_slip_into_a_freeze(t0_ms: int, code: str) -> None:
    plan = a_plan(freezes=(Freeze(NOW_MS + 1_000, NOW_MS + 9_000, "the sale"),))
    assert answer(launch(Phase.COUNTDOWN, plan=plan), "slip", str(t0_ms)) == code


def test_a_slip_moves_t0() -> None:
    decided = step(launch(Phase.COUNTDOWN), orders=(order("slip", argument="1800000000000"),))
    assert decided.state.t0_ms == 1_800_000_000_000


@pytest.mark.parametrize("argument", ["", "soon", "1.5", "-1", "253402300800000", "9" * 40])
def test_a_slip_without_a_time_is_refused(argument: str) -> None:
    assert answer(launch(Phase.COUNTDOWN), "slip", argument) == "no-time"


@pytest.mark.parametrize(
    ("verb", "phase", "why"),
    [
        ("scrub", Phase.CUTOVER, "traffic has moved already; use `tminus rollback`"),
        ("slip", Phase.STAGING, "T-0 has passed; hold, abort or roll back instead"),
        ("withdraw", Phase.CUTOVER, "only a first launch is withdrawn; use `tminus rollback`"),
        ("hold", Phase.CLOSED, "the launch is closed; nothing is left to hold"),
        ("rollback", Phase.SCRUBBING, "the launch is scrubbing already"),
        ("resume", Phase.CUTOVER, "the launch is not held"),
        ("fly", Phase.COUNTDOWN, "'fly' is no order of this release"),
    ],
)
def test_a_refusal_says_why_and_what_to_do_instead(verb: str, phase: Phase, why: str) -> None:
    decided = step(launch(phase), orders=(order(verb),))
    assert [e.why for e in decided.events if isinstance(e, ev.OrderRefused)] == [why]


@pytest.mark.parametrize("verb", ["abort", "rollback", "scrub"])
def test_an_order_to_stop_before_traffic_moved_scrubs(verb: str) -> None:
    begun = {"staging:start-slot:green": sent(StartSlot(CANDIDATE, NEW))}
    decided = step(launch(Phase.STAGING, commands=begun), orders=(order(verb),))
    assert (phases(decided), decided.state.phase_why) == (
        [Phase.SCRUBBING],
        f"{verb} ordered by ann: because",
    )


@pytest.mark.parametrize("verb", ["abort", "rollback"])
@pytest.mark.parametrize("phase", sorted(TRIAL | {Phase.WATCHING}))
def test_an_order_to_go_back_rolls_back_in_the_same_tick(verb: str, phase: Phase) -> None:
    decided = step(launch(phase), orders=(order(verb),))
    assert phases(decided) == [Phase.ROLLING_BACK]
    assert decided.protect != ()


def test_an_order_without_a_reason_says_who_gave_it() -> None:
    decided = step(launch(Phase.CUTOVER), orders=(order("rollback", reason=""),))
    assert decided.state.phase_why == "rollback ordered by ann"


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_a_hold_does_not_stand_between_a_person_and_rollback(phase: Phase) -> None:
    decided = step(launch(phase, hold=held()), orders=(order("rollback"),))
    assert phases(decided) == [Phase.ROLLING_BACK]


@pytest.mark.parametrize(
    "gone", [{"commands": {"k": sent(StopSlot(STABLE))}}, {"retired": True}], ids=["told to stop", "retired"]
)
def test_a_stable_slot_that_has_gone_is_gone_back_to_where_it_can_be_started_again(
    gone: dict[str, Any],
) -> None:
    assert answer(launch(Phase.WATCHING, **gone), "rollback") == TAKEN
    assert answer(launch(Phase.WATCHING, stable_run=None, **gone), "rollback") == "stable-let-go"


def test_an_adopted_stable_slot_that_still_serves_is_gone_back_to() -> None:
    assert answer(launch(Phase.WATCHING, stable_run=None), "rollback") == TAKEN


@pytest.mark.parametrize("phase", sorted(ENDING | TERMINAL))
def test_an_abort_of_what_is_ending_changes_nothing(phase: Phase) -> None:
    state = launch(phase)
    without, with_it = step(state), step(state, orders=(order("abort"),))
    assert replace(with_it.state, orders=frozenset()) == without.state


def test_an_order_is_settled_once() -> None:
    state = launch(Phase.CUTOVER, orders=frozenset({"o1"}))
    assert decide(state, seen(state, orders=(order("rollback"),))) == decide(state, seen(state))


def test_a_second_hold_does_not_move_the_expiry_of_the_first() -> None:
    first = held(expires_ms=NOW_MS + 77)
    decided = step(launch(Phase.CUTOVER, hold=first), orders=(order("hold"),))
    assert decided.state.hold == first


def test_a_hold_names_its_person_and_expires_after_the_plans_time() -> None:
    decided = step(launch(Phase.CUTOVER, plan=a_plan(hold_expiry_ms=60_000)), orders=(order("hold"),))
    assert ev.HoldPlaced("ann", "because", NOW_MS + 60_000) in decided.events


@pytest.mark.parametrize("phase", sorted(TRIAL - {Phase.PROMOTING}))
def test_a_launch_that_lacked_evidence_and_is_resumed_has_its_whole_time_again(phase: Phase) -> None:
    """It is not held again by the tick that resumes it, and is once that time has passed."""
    long_ago_ms = NOW_MS - 86_400_000
    overdue = launch(phase, entered_ms=long_ago_ms, step_ms=long_ago_ms)
    assert step(overdue).state.hold is not None
    resumed = step(replace(overdue, hold=held()), orders=(order("resume"),)).state
    due_ms = NOW_MS + overdue.plan.shift.step_deadline_ms
    assert resumed.hold is None
    assert [step(resumed, now_ms=at_ms).state.hold is not None for at_ms in (due_ms - 1, due_ms)] == [
        False,
        True,
    ]


def test_orders_are_taken_in_their_order() -> None:
    both = (order("hold", key="o1"), order("resume", key="o2"))
    decided = step(launch(Phase.CUTOVER), orders=both)
    assert decided.state.hold is None
    assert decided.state.orders == {"o1", "o2"}


def test_the_first_of_two_contradicting_orders_wins() -> None:
    both = (order("rollback", key="o1"), order("hold", key="o2"))
    decided = step(launch(Phase.CUTOVER), orders=both)
    assert (decided.state.phase, decided.state.hold) == (Phase.ROLLING_BACK, None)
