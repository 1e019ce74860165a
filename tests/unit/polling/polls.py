"""A policy with people whose keys are names, and what they say."""

from typing import Any

from tests.unit.engine.launches import NOW_MS, a_plan, launch, seen
from tminus.domain.launch.event import OrderRefused
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.polling import ballot_of
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.polling import Polling
from tminus.domain.plan.times import HOUR_MS
from tminus.domain.readiness.policy import Person, Policy, Seat, digest_of_policy
from tminus.domain.readiness.poll import PolicyAdopted
from tminus.domain.readiness.signing import VOTE, signed_texts
from tminus.domain.readiness.statement import VOTE_NAMESPACE, Choice, Condition, Signed, Statement
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.step import Step
from tminus.ports.journal import Order
from tminus.testing.signatures import NamedSignatures, named_key, sign_as

PEOPLE = ("ana", "ben", "cyn", "dan", "eve", "fay")
SEATS = {"pm": "ana", "tech-lead": "ben", "devops": "cyn", "qa-lead": "dan", "sponsor": "eve"}
LAUNCH = "shop-2.0.0"
KEYS = {name: named_key(name) for name in PEOPLE}
DEADLINE_MS = HOUR_MS


def a_policy(**changes: Any) -> Policy:  # noqa: ANN401 - fields of Policy, of several types
    values: dict[str, Any] = {
        "people": tuple(Person(name, (key,)) for name, key in KEYS.items()),
        "seats": tuple(Seat(seat, person) for seat, person in SEATS.items()),
        "override": ("ana", "ben"),
        "signers": ("ana", "ben"),
        "required": 2,
    }
    return Policy(**{**values, **changes})


def polled(phase: Phase = Phase.POLL, policy: Policy | None = None, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A launch whose seats are asked since a second ago."""
    plan = changes.pop("plan", a_plan(polling=Polling(deadline_ms=DEADLINE_MS)))
    state = launch(phase, plan=plan, **changes)
    mine = policy or a_policy()
    return evolve(state, PolicyAdopted(mine, digest_of_policy(mine), "ana", LAUNCH, "first"), NOW_MS - 1_000)


def statement(state: LaunchState, by: str, choice: Choice = Choice.GO, **changes: Any) -> Statement:  # noqa: ANN401 - fields of Statement
    """What somebody says about the present ballot, for their own seat."""
    ballot = ballot_of(state)
    assert ballot is not None
    seat = next((seat for seat, person in SEATS.items() if person == by), "")
    values: dict[str, Any] = {
        "launch": LAUNCH,
        "ballot": ballot.digest,
        "seat": "" if choice is Choice.OVERRIDE else seat,
        "choice": choice,
        "reason": "because",
        "by": by,
        "at_ms": NOW_MS,
        "expires_ms": NOW_MS + HOUR_MS,
    }
    if choice is Choice.GO_WITH_CONDITIONS:
        values["conditions"] = (Condition("the runbook is reviewed", "ben", NOW_MS + 1_000),)
    return Statement(**{**values, **changes})


def signed(said: Statement, key: str = "") -> Signed:
    return Signed(said, sign_as(key or KEYS[said.by], VOTE_NAMESPACE, said.content()))


def said_order(said: Statement, key: str = "", name: str = "") -> Order:
    text = signed(said, key).text()
    return Order(
        name or f"{said.by}-{said.choice}-{said.at_ms}", VOTE, said.by, said.reason, said.at_ms, text
    )


def given(state: LaunchState, *orders: Order, now_ms: int = NOW_MS, **changes: Any) -> Step:  # noqa: ANN401 - fields of Observation
    """What is decided when these orders come, with whose key each of them was signed."""
    texts = [text for each in orders for text in signed_texts(each.verb, each.argument)]
    check = NamedSignatures()
    signers = {each: check.key_of(each.namespace, each.content, each.signature) for each in texts}
    observation = seen(state, orders=orders, now_ms=now_ms, signers=signers, **changes)
    return decide(state, observation)


def codes(step: Step) -> list[str]:
    """Of the orders that were refused."""
    return [event.code for event in step.events if isinstance(event, OrderRefused)]


def all_say_go(state: LaunchState, but: tuple[str, ...] = (), now_ms: int = NOW_MS) -> LaunchState:
    for person in SEATS.values():
        if person not in but:
            step = given(state, said_order(statement(state, person)), now_ms=now_ms)
            assert codes(step) == []
            state = step.state
    return state


def kinds(step: Step) -> list[str]:
    return [event.kind for event in step.events]
