"""What people may say in a poll, what it is refused with, and what becomes of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import NOW_MS, a_plan
from tests.unit.polling.polls import (
    DEADLINE_MS,
    KEYS,
    SEATS,
    a_policy,
    all_say_go,
    codes,
    given,
    kinds,
    polled,
    said_order,
    statement,
)
from tminus.domain.launch.alarm import AlertFired, Cause
from tminus.domain.launch.event import HoldPlaced, OrderRefused, PhaseEntered
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.polling import ballot_of, standing_now
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Window
from tminus.domain.plan.polling import OnDeadline, Polling
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS, SECOND_MS
from tminus.domain.readiness.ballot import Ballot, changes_between
from tminus.domain.readiness.policy import EVERY_CHECK, Seat
from tminus.domain.readiness.poll import PollDecided, VoteVoided
from tminus.domain.readiness.standing import Says, standing_of
from tminus.domain.readiness.statement import Choice, Condition
from tminus.engine.decide.step import Step
from tminus.ports.journal import Order
from tminus.testing.signatures import named_key

pytestmark = pytest.mark.req("R18")

POLL = polled()


def said(state: LaunchState, by: str, choice: Choice = Choice.GO, **changes: Any) -> Step:  # noqa: ANN401 - fields of Statement
    return given(state, said_order(statement(state, by, choice, **changes)))


def phases(step: Step) -> list[Phase]:
    return [event.phase for event in step.events if isinstance(event, PhaseEntered)]


def test_five_votes_over_the_present_ballot_let_the_launch_go() -> None:
    state = all_say_go(POLL, but=("eve",))
    step = said(state, "eve")
    assert kinds(step) == ["order-taken", "vote-cast", "poll-decided", "phase-entered"]
    [decided] = [event for event in step.events if isinstance(event, PollDecided)]
    assert decided.seats == tuple((seat, person, "go") for seat, person in SEATS.items())
    assert (decided.overridden_by, step.state.poll.overridden) == ((), False)
    assert (step.state.phase, step.state.phase_why) == (Phase.STAGING, "ready: 5 of 5 seats say GO")


def test_four_votes_do_not() -> None:
    state = all_say_go(POLL, but=("eve",))
    assert state.phase is Phase.POLL
    waiting = given(state).waiting
    assert waiting.what == "the seats to say GO: sponsor (eve) has not voted"
    assert waiting.unblock == "tminus vote go --seat SEAT, or two people with tminus override"
    assert (waiting.then, waiting.until_ms) == ("hold", state.entered_ms + DEADLINE_MS)


def test_the_launch_waits_for_t0_and_a_vote_that_becomes_void_until_then_closes_the_way() -> None:
    state = all_say_go(polled(t0_ms=NOW_MS + HOUR_MS), but=())
    assert (state.phase, given(state).waiting.what) == (Phase.POLL, "T-0")
    changed = given(replace(state, artifact="sha256:other"), now_ms=NOW_MS + 1)
    voided = [event for event in changed.events if isinstance(event, VoteVoided)]
    assert [each.seat for each in voided] == list(SEATS)
    assert voided[0].why == "the ballot changed: the artifact 'candidate' was sha256:new and is sha256:other"
    back = given(replace(changed.state, artifact=state.artifact), now_ms=NOW_MS + HOUR_MS - 1)
    assert back.state.phase is Phase.POLL  # what is void stays void
    assert given(back.state, now_ms=NOW_MS + HOUR_MS).state.phase is Phase.POLL


def test_a_slip_voids_nothing() -> None:
    state = all_say_go(polled(t0_ms=NOW_MS + HOUR_MS))
    slipped = given(state, Order("s", "slip", "ana", "", NOW_MS, str(NOW_MS + 30 * MINUTE_MS)))
    assert "vote-voided" not in kinds(slipped)
    later = given(slipped.state, now_ms=NOW_MS + 30 * MINUTE_MS)
    assert later.state.phase is Phase.STAGING


def test_a_launch_that_is_not_polled_asks_nobody() -> None:
    state = replace(polled(), plan=a_plan())
    assert codes(said(state, "ana")) == ["poll-off"]


REFUSED: tuple[tuple[str, str, Choice, dict[str, Any]], ...] = (
    ("bad-vote", "ana", Choice.GO, {"reason": "x" * 2_001}),
    ("bad-vote", "ana", Choice.GO_WITH_CONDITIONS, {"conditions": ()}),
    ("bad-vote", "ana", Choice.GO, {"conditions": (Condition("a", "b", NOW_MS),)}),
    ("bad-vote", "ana", Choice.GO_WITH_CONDITIONS, {"conditions": (Condition(" ", "b", NOW_MS),)}),
    ("bad-vote", "ana", Choice.GO_WITH_CONDITIONS, {"conditions": (Condition("a", "b", NOW_MS),) * 21}),
    ("vote-without-reason", "ana", Choice.NO_GO, {"reason": " "}),
    ("vote-without-reason", "ana", Choice.OVERRIDE, {"reason": ""}),
    ("vote-stale", "ana", Choice.GO, {"at_ms": NOW_MS - 10 * MINUTE_MS - 1}),
    ("vote-stale", "ana", Choice.GO, {"at_ms": NOW_MS + 10 * MINUTE_MS + 1}),
    ("vote-expired", "ana", Choice.GO, {"expires_ms": NOW_MS}),
    ("vote-too-long", "ana", Choice.GO, {"expires_ms": NOW_MS + 24 * HOUR_MS + 1}),
    ("no-such-seat", "ana", Choice.GO, {"seat": "cto"}),
    ("not-your-seat", "ana", Choice.GO, {"seat": "sponsor"}),
    ("not-your-seat", "fay", Choice.GO, {"seat": "pm"}),
    ("nothing-to-recall", "ana", Choice.RECALL, {}),
    ("nothing-to-recall", "ana", Choice.RECALL, {"seat": ""}),
    ("may-not-override", "cyn", Choice.OVERRIDE, {}),
    ("ballot-changed", "ana", Choice.GO, {"ballot": "sha256:other"}),
    ("ballot-changed", "ana", Choice.OVERRIDE, {"ballot": "sha256:other"}),
)


@pytest.mark.parametrize(("code", "by", "choice", "changes"), REFUSED)
def test_a_statement_is_refused_with_its_reason_and_changes_nothing(
    code: str, by: str, choice: Choice, changes: dict[str, Any]
) -> None:
    step = said(POLL, by, choice, **changes)
    assert codes(step) == [code]
    assert step.state.poll == POLL.poll


def test_a_statement_for_another_launch_counts_for_none() -> None:
    step = said(POLL, "ana", launch="shop-1.0.0")
    [refused] = [event for event in step.events if isinstance(event, OrderRefused)]
    assert (refused.code, refused.why) == (
        "bad-vote",
        "it was signed for 'shop-1.0.0', and this is shop-2.0.0",
    )


@pytest.mark.parametrize("key", [KEYS["ben"], named_key("mallory")])
def test_a_vote_with_another_key_is_refused(key: str) -> None:
    step = given(POLL, said_order(statement(POLL, "ana"), key))
    assert codes(step) == ["key-unknown"]


def test_a_vote_whose_words_were_changed_after_it_was_signed_is_refused() -> None:
    order = said_order(statement(POLL, "ana"))
    changed = replace(order, argument=order.argument.replace('"reason":"because"', '"reason":"becoz"'))
    assert changed != order
    assert codes(given(POLL, changed)) == ["vote-not-signed"]


def test_who_brings_a_vote_is_who_has_signed_it() -> None:
    order = replace(said_order(statement(POLL, "ana")), by="ben")
    assert codes(given(POLL, order)) == ["bad-vote"]


@pytest.mark.parametrize("argument", ["", "go", "[]", '{"statement": {}, "signature": ""}'])
def test_what_is_no_statement_is_refused(argument: str) -> None:
    assert codes(given(POLL, Order("v", "vote", "ana", "", NOW_MS, argument))) == ["bad-vote"]


def test_a_vote_is_taken_once_the_artifact_is_there_and_not_before() -> None:
    early = polled(Phase.COUNTDOWN, artifact=None)
    assert codes(given(early, said_order(statement(POLL, "ana")))) == ["poll-not-open"]
    built = polled(Phase.COUNTDOWN, artifact="sha256:new")
    assert codes(said(built, "ana")) == []


def test_nobody_votes_for_two_seats() -> None:
    seats = (Seat("pm", "ana"), Seat("sponsor", "eve", ("ana",)))
    state = said(polled(policy=a_policy(seats=seats)), "ana").state
    again = said(state, "ana", seat="sponsor", at_ms=NOW_MS + 1)
    assert codes(again) == ["one-person-one-seat"]
    recalled = said(state, "ana", Choice.RECALL, at_ms=NOW_MS + 1).state
    assert codes(said(recalled, "ana", seat="sponsor", at_ms=NOW_MS + 2)) == []


def test_a_delegate_votes_in_the_holders_place() -> None:
    seats = (Seat("pm", "ana", ("fay",)),)
    step = said(polled(policy=a_policy(seats=seats)), "fay", seat="pm")
    assert step.state.phase is Phase.STAGING


def test_seats_vote_in_order_where_the_policy_says_so_and_a_no_go_needs_none() -> None:
    state = polled(policy=a_policy(in_order=True))
    assert codes(said(state, "ben")) == ["out-of-turn"]
    assert codes(said(state, "ben", Choice.NO_GO)) == []
    assert codes(said(said(state, "ana").state, "ben")) == []


def test_a_copy_of_a_recalled_go_is_no_go() -> None:
    go = said_order(statement(POLL, "ana"), name="first")
    state = given(POLL, go).state
    state = said(state, "ana", Choice.RECALL, at_ms=NOW_MS + 1).state
    assert codes(given(state, replace(go, key="copy"))) == ["vote-replayed"]
    standing = standing_now(state, NOW_MS)
    assert standing is not None
    assert standing.seats[0].says is Says.VOID


def test_a_vote_expires() -> None:
    state = all_say_go(polled(t0_ms=NOW_MS + 2 * HOUR_MS))
    step = given(state, now_ms=NOW_MS + HOUR_MS)
    assert kinds(step) == ["vote-voided"] * 5
    assert "it expired at" in next(each.why for each in step.events if isinstance(each, VoteVoided))


def test_a_go_whose_condition_is_overdue_is_void_and_one_that_is_closed_counts() -> None:
    conditions = (Condition("the runbook is reviewed", "ben", NOW_MS + MINUTE_MS),)
    state = all_say_go(polled(t0_ms=NOW_MS + 10 * MINUTE_MS), but=("eve",))
    state = said(state, "eve", Choice.GO_WITH_CONDITIONS, conditions=conditions).state
    closed = given(state, Order("c", "close-condition", "ben", "done", NOW_MS, "sponsor/1")).state
    late = given(state, now_ms=NOW_MS + MINUTE_MS)
    assert kinds(late) == ["vote-voided", "condition-overdue"]
    at_t0 = NOW_MS + 10 * MINUTE_MS
    assert given(late.state, now_ms=at_t0).state.phase is Phase.POLL
    assert given(state, now_ms=at_t0).state.phase is Phase.POLL  # also where nobody looked in between
    assert given(closed, now_ms=at_t0).state.phase is Phase.STAGING


@pytest.mark.parametrize(
    ("argument", "reason", "code"),
    [("pm/1", "done", "no-such-condition"), ("sponsor/1", " ", "condition-without-reason")],
)
def test_a_condition_is_closed_by_its_name_and_with_a_word(argument: str, reason: str, code: str) -> None:
    state = said(POLL, "eve", Choice.GO_WITH_CONDITIONS).state
    assert codes(given(state, Order("c", "close-condition", "ben", reason, NOW_MS, argument))) == [code]
    closed = given(state, Order("c", "close-condition", "ben", "done", NOW_MS, "sponsor/1")).state
    again = given(closed, Order("d", "close-condition", "ben", "done", NOW_MS, "sponsor/1"))
    assert codes(again) == ["condition-closed"]


def test_a_no_go_tells_the_role_above_the_seats_once_and_keeps_the_launch() -> None:
    step = said(all_say_go(POLL, but=("eve",)), "eve", Choice.NO_GO, reason="the budget is gone")
    [alert] = [event for event in step.events if isinstance(event, AlertFired)]
    assert (alert.role, alert.cause) == ("ceo", Cause.POLL)
    assert alert.why == "sponsor (eve) says NO-GO: the budget is gone"
    assert step.state.phase is Phase.POLL
    again = said(step.state, "ana", Choice.NO_GO, at_ms=NOW_MS + 1)
    assert "alert-fired" not in kinds(again)
    go = all_say_go(again.state, but=("ana", "eve"), now_ms=NOW_MS)
    go = said(go, "ana", at_ms=NOW_MS + 2).state
    assert "alert-resolved" in kinds(said(go, "eve", at_ms=NOW_MS + 2))


@pytest.mark.parametrize(
    ("then", "expected"), [(OnDeadline.HOLD, "hold-placed"), (OnDeadline.SCRUB, "phase-entered")]
)
def test_at_the_deadline_the_launch_is_held_or_scrubbed_and_somebody_is_told(
    then: OnDeadline, expected: str
) -> None:
    plan = a_plan(polling=Polling(deadline_ms=DEADLINE_MS, on_deadline=then))
    state = all_say_go(polled(plan=plan), but=("eve",))
    before = given(state, now_ms=state.entered_ms + DEADLINE_MS - 1)
    assert "poll-overdue" not in kinds(before)
    step = given(before.state, now_ms=state.entered_ms + DEADLINE_MS)
    assert ["poll-overdue", "alert-fired", expected] == [each for each in kinds(step) if "void" not in each][
        :3
    ]


def test_whoever_lifts_the_hold_gives_the_poll_its_time_again() -> None:
    late_ms = POLL.entered_ms + DEADLINE_MS
    held = given(POLL, now_ms=late_ms)
    assert any(isinstance(event, HoldPlaced) for event in held.events)
    resumed = given(held.state, Order("r", "resume", "ana", "", late_ms), now_ms=late_ms + SECOND_MS)
    assert resumed.state.hold is None
    assert given(resumed.state, now_ms=late_ms + DEADLINE_MS).state.hold is None


def test_a_held_poll_goes_nowhere_and_votes_are_taken() -> None:
    held = given(POLL, Order("h", "hold", "fay", "wait", NOW_MS)).state
    state = all_say_go(held)
    assert (state.phase, state.hold is None) == (Phase.POLL, False)
    assert given(state, Order("r", "resume", "fay", "", NOW_MS)).state.phase is Phase.STAGING


def test_two_different_people_override_and_the_launch_is_marked_for_ever() -> None:
    first = said(POLL, "ana", Choice.OVERRIDE, reason="agreed")
    assert first.state.phase is Phase.POLL
    twice = said(first.state, "ana", Choice.OVERRIDE, reason="again", at_ms=NOW_MS + 1)
    assert twice.state.phase is Phase.POLL
    second = said(twice.state, "ben", Choice.OVERRIDE, reason="yes")
    assert second.state.phase is Phase.STAGING
    assert second.state.poll.overridden
    assert second.state.phase_why == "ready: OVERRIDE of the poll by ana and ben: ana: again; ben: yes"


def test_an_override_is_void_when_the_ballot_changes_and_may_be_taken_back() -> None:
    state = said(POLL, "ana", Choice.OVERRIDE).state
    changed = given(replace(state, plan_digest="sha256:edited")).state
    assert said(changed, "ben", Choice.OVERRIDE).state.phase is Phase.POLL
    back = said(state, "ana", Choice.RECALL, seat="", at_ms=NOW_MS + 1).state
    assert said(back, "ben", Choice.OVERRIDE).state.phase is Phase.POLL


@pytest.mark.parametrize("phase", sorted({Phase.STAGING} | TRIAL))
def test_a_recall_after_the_poll_holds_the_launch(phase: Phase) -> None:
    state = replace(all_say_go(polled(t0_ms=NOW_MS + HOUR_MS)), phase=phase)
    order = said_order(statement(state, "dan", Choice.RECALL, reason="a test was skipped", at_ms=NOW_MS + 1))
    step = given(state, order)
    holds = [event.why for event in step.events if isinstance(event, HoldPlaced)]
    assert holds[:1] == ["qa-lead recalls: a test was skipped"]
    late = said_order(statement(state, "dan", at_ms=NOW_MS + 2))
    assert codes(given(state, late)) == ["poll-closed"]


@pytest.mark.parametrize("phase", [Phase.WATCHING, Phase.CLOSED, Phase.ROLLING_BACK])
def test_a_recall_of_what_cannot_be_held_is_refused(phase: Phase) -> None:
    state = replace(all_say_go(polled(t0_ms=NOW_MS + HOUR_MS)), phase=phase)
    order = said_order(statement(state, "dan", Choice.RECALL, at_ms=NOW_MS + 1))
    assert codes(given(state, order)) == ["poll-closed"]


def test_a_window_that_closes_before_the_seats_say_go_ends_the_launch() -> None:
    plan = a_plan(polling=Polling(), window=Window(0, NOW_MS))
    assert phases(given(polled(plan=plan)))[0] is Phase.SCRUBBING


MACHINE = Seat("robot", checks=(EVERY_CHECK,))


@pytest.mark.parametrize(
    ("verdicts", "says"),
    [
        ((), Says.NOTHING),
        ((("a", "pass"),), Says.GO),
        ((("a", "pass"), ("b", "waived"), ("c", "n/a")), Says.GO),
        ((("a", "pass"), ("b", "inconclusive")), Says.NOTHING),
        ((("a", "pass"), ("b", "fail")), Says.NO_GO),
        ((("a", "pass"), ("b", "fine")), Says.NOTHING),
    ],
)
def test_a_machine_votes_by_verdicts_alone(verdicts: tuple[tuple[str, str], ...], says: Says) -> None:
    poll = polled(policy=a_policy(seats=(MACHINE,))).poll
    standing = standing_of(poll, Ballot("sha256:plan", verdicts=verdicts), NOW_MS)
    assert standing.seats[0].says is says
    assert standing.unanimous is (says is Says.GO)


def test_a_machine_with_a_check_that_was_never_asked_does_not_say_go() -> None:
    poll = polled(policy=a_policy(seats=(Seat("robot", checks=("a", "b")),))).poll
    standing = standing_of(poll, Ballot("sha256:plan", verdicts=(("a", "pass"),)), NOW_MS)
    assert (standing.unanimous, standing.missing) == (False, ("robot: b is not asked",))


def test_nobody_votes_for_a_machine() -> None:
    state = polled(policy=a_policy(seats=(MACHINE, Seat("pm", "ana"))))
    assert codes(said(state, "ana", seat="robot")) == ["seat-of-a-machine"]


def test_a_poll_without_seats_does_not_open() -> None:
    poll = polled(policy=a_policy(seats=())).poll
    assert not standing_of(poll, Ballot("sha256:plan"), NOW_MS).may_go


def test_neither_t0_nor_the_time_is_on_the_ballot() -> None:
    ballot = ballot_of(POLL)
    assert ballot == ballot_of(replace(POLL, t0_ms=1, entered_ms=2, planned_ms=3))
    assert ballot != ballot_of(replace(POLL, plan_digest="sha256:edited"))


def test_every_change_of_a_ballot_is_said() -> None:
    before = Ballot("p1", (("candidate", "a1"),), (("x", "pass"), ("y", "pass")), (("w", "1"),), "c1", "o1")
    after = Ballot("p2", (("candidate", "a2"),), (("x", "fail"), ("z", "pass")), (("w", "2"),), "c2", "o2")
    assert changes_between(before, after) == (
        "the plan was changed",
        "the policy was changed",
        "the coverage of requirements changed",
        "the artifact 'candidate' was a1 and is a2",
        "x was pass and is fail",
        "y was pass and is not asked",
        "z was not asked and is pass",
        "the waiver of w was changed",
    )
    assert before.digest != after.digest
    assert changes_between(before, before) == ()
