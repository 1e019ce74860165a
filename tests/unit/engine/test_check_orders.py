"""Statements and waivers: who may give them, what they need, and that each is recorded."""

import pytest

from tests.unit.engine.checks import TOLD, UP, an_item, ready, said
from tests.unit.engine.launches import NOW_MS, launch, step
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.plan.checklist import Attested
from tminus.domain.plan.times import DAY_MS, HOUR_MS
from tminus.domain.readiness.checked import CheckAttested, CheckExcused, CheckExcuseEnded, Excuse
from tminus.engine.decide.step import Step
from tminus.ports.journal import Order

SIGNED = an_item("security/signed", Attested("the report is signed", file=True), owner="ciso")
STATE = ready(UP, TOLD, SIGNED)


def given(order: Order, **changes: object) -> Step:
    return step(ready(UP, TOLD, SIGNED, **changes), orders=(order,))  # type: ignore[arg-type]  # fields


def refusal(decided: Step) -> tuple[str, str]:
    [event] = [event for event in decided.events if isinstance(event, ev.OrderRefused)]
    return event.code, event.why


@pytest.mark.req("R17")
def test_a_statement_of_the_owning_role_is_evidence_for_as_long_as_it_counts() -> None:
    decided = given(said("attest", TOLD.item, role="pm"))
    assert decided.events[:2] == (
        ev.OrderTaken(f"{NOW_MS}-attest", "attest", "ann", "they were"),
        CheckAttested(TOLD.item, "ann", "pm", "they were", "", "", NOW_MS + TOLD.keeps_ms),
    )


def test_a_file_is_recorded_by_its_name_and_digest() -> None:
    order = said("attest", SIGNED.item, role="ciso", file="report.pdf", digest="sha256:abc")
    assert decided_kinds(given(order))[:2] == ["order-taken", "check-attested"]
    assert refusal(given(said("attest", SIGNED.item, role="ciso"))) == (
        "file-missing",
        "security/signed needs a file to be attached: the report is signed",
    )


def decided_kinds(decided: Step) -> list[str]:
    return [event.kind for event in decided.events]


@pytest.mark.parametrize(
    ("order", "code", "why"),
    [
        (
            said("attest", UP.item, role="devops"),
            "asks-a-machine",
            "production/up is answered by a machine; a person can only waive it",
        ),
        (
            said("attest", TOLD.item, role="devops"),
            "not-your-role",
            "comms/told is for pm to state, not 'devops'",
        ),
        (
            said("attest", TOLD.item, by="eve", role="pm"),
            "not-your-role",
            "comms/told is for pm to state, and that is ann or bob, not eve",
        ),
        (
            said("attest", TOLD.item, reason=" ", role="pm"),
            "statement-missing",
            "nothing is stated; what is asked: users were told",
        ),
        (
            said("waive", "comms/tod", until_ms=NOW_MS + 1),
            "no-such-check",
            "there is no check 'comms/tod' in this plan; did you mean comms/told?",
        ),
        (Order("k", "waive", "ann", "why", NOW_MS, "comms/told"), "bad-check-order", "it names no check"),
        (Order("k", "na", "ann", "why", NOW_MS, "[" * 100_000), "bad-check-order", "it names no check"),
        (
            said("waive", UP.item, reason="", until_ms=NOW_MS + 1),
            "excuse-without-reason",
            "whoever finds the item excused must be able to see by whom and why",
        ),
        (
            said("waive", UP.item, until_ms=NOW_MS),
            "excuse-bad-end",
            "an excuse ends after now and within 30d, this one 0s from now",
        ),
        (
            said("waive", UP.item, until_ms=NOW_MS + 31 * DAY_MS),
            "excuse-bad-end",
            "an excuse ends after now and within 30d, this one 31d from now",
        ),
        (said("waive", UP.item), "not-excused", "production/up is not excused"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(order: Order, code: str, why: str) -> None:
    assert refusal(given(order)) == (code, why)


@pytest.mark.parametrize(("verb", "excuse"), [("waive", Excuse.WAIVED), ("na", Excuse.NOT_APPLICABLE)])
def test_an_item_is_excused_by_name_with_a_reason_and_an_end(verb: str, excuse: Excuse) -> None:
    decided = given(said(verb, UP.item, until_ms=NOW_MS + HOUR_MS))
    assert CheckExcused(UP.item, excuse, "ann", "they were", NOW_MS + HOUR_MS) in decided.events


def test_an_excuse_is_lifted() -> None:
    excused = CheckExcused(UP.item, Excuse.WAIVED, "ann", "because", NOW_MS + HOUR_MS)
    decided = given(said("waive", UP.item, by="bob"), events=(excused,))
    assert CheckExcuseEnded(UP.item, "bob", "they were") in decided.events
    assert decided.state.readiness.excuses == {}


def test_nothing_is_said_about_checks_once_the_gate_is_past() -> None:
    state = launch(Phase.STAGING, plan=STATE.plan)
    assert refusal(step(state, orders=(said("waive", UP.item, until_ms=NOW_MS + 1),))) == (
        "gate-passed",
        "the launch is staging; checks are for the countdown",
    )


def test_a_launch_without_checks_says_so() -> None:
    assert refusal(step(launch(Phase.COUNTDOWN), orders=(said("waive", UP.item),))) == (
        "no-checks",
        "the plan of this launch has no checks",
    )


def test_what_is_said_of_several_items_is_taken_whole_or_not_at_all() -> None:
    other = an_item("comms/shown", Attested("it was shown"), owner="pm")
    state = ready(UP, TOLD, other)
    both = step(state, orders=(said("attest", TOLD.item, other.item, role="pm"),))
    assert [event.item for event in both.events if isinstance(event, CheckAttested)] == [
        TOLD.item,
        other.item,
    ]
    one = step(state, orders=(said("attest", TOLD.item, UP.item, role="pm"),))
    assert refusal(one)[0] == "asks-a-machine"
    assert one.state.readiness.proofs == {}
