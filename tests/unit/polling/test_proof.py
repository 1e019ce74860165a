"""What `tminus verify` makes of votes: a change of any of them is found from the events alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import NEW, NOW_MS, a_plan
from tests.unit.polling.polls import LAUNCH, SEATS, a_policy, given, said_order, statement
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.proof import prove_votes
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import fold
from tminus.domain.plan.polling import Polling
from tminus.domain.readiness import poll as pl
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import digest_of_policy
from tminus.domain.readiness.statement import Choice
from tminus.testing.signatures import NamedSignatures, named_key

pytestmark = pytest.mark.req("R18")

POLICY = a_policy()
KEY_OF = NamedSignatures().key_of
Events = list[ev.Event]


def begun() -> Events:
    plan = a_plan(polling=Polling(), adopt=("127.0.0.1:9000",))
    return [
        ev.LaunchPlanned(plan, "sha256:plan", "", "ana", Slot.BLUE, None, None, None, 0, 0),
        pl.PolicyAdopted(POLICY, digest_of_policy(POLICY), "ana", LAUNCH, "first"),
        ev.PhaseEntered(Phase.POLL, "ready"),
    ]


def voted(choice: Choice = Choice.GO, people: tuple[str, ...] = tuple(SEATS.values())) -> Events:
    """The events of a poll that lets the launch go, as the engine has decided them."""
    events = begun()
    for person in people:
        state = fold([(event, NOW_MS) for event in events])
        step = given(state, said_order(statement(state, person, choice)))
        events += step.events
    return events


def doubts(events: Sequence[ev.Event]) -> list[tuple[int, str]]:
    found = prove_votes(((event, NOW_MS, seq) for seq, event in enumerate(events, start=1)), LAUNCH, KEY_OF)
    return [(each.seq, each.what) for each in found.doubts]


def changed(events: Events, kind: type, change: Callable[[ev.Event], ev.Event]) -> Events:
    """With the first event of that kind changed."""
    place = next(n for n, event in enumerate(events) if isinstance(event, kind))
    return [*events[:place], change(events[place]), *events[place + 1 :]]


VOTED = voted()
OVERRIDDEN = voted(Choice.OVERRIDE, ("ana", "ben"))


def test_what_was_truly_signed_holds() -> None:
    assert any(isinstance(event, pl.PollDecided) for event in VOTED)
    assert doubts(VOTED) == doubts(OVERRIDDEN) == []
    proof = prove_votes(((event, NOW_MS, n) for n, event in enumerate(VOTED, 1)), LAUNCH, KEY_OF)
    assert proof.signatures == 5


@pytest.mark.parametrize("events", [VOTED, OVERRIDDEN], ids=["voted", "overridden"])
def test_every_word_of_a_statement_that_is_changed_is_found(events: Events) -> None:
    place = next(n for n, event in enumerate(events) if isinstance(event, pl.VoteCast | pl.OverrideGiven))
    event = events[place]
    assert isinstance(event, pl.VoteCast | pl.OverrideGiven)
    words: dict[str, Any] = {
        "reason": "never said",
        "by": "fay",
        "at_ms": 1,
        "expires_ms": 2,
        "ballot": "sha256:x",
    }
    for name, value in {**words, "choice": Choice.NO_GO, "launch": "other"}.items():
        forged = replace(event, statement=replace(event.statement, **{name: value}))
        found = doubts([*events[:place], forged, *events[place + 1 :]])
        assert found[0][0] == place + 1, name
        assert found[0][1].endswith("its signature does not hold"), name


def test_a_vote_that_somebody_else_has_signed_is_found() -> None:
    def forge(event: ev.Event) -> ev.Event:
        assert isinstance(event, pl.VoteCast)
        key = named_key("mallory")
        order = said_order(event.statement, key)
        signature = str(json.loads(order.argument)["signature"])
        return replace(event, signature=signature, fingerprint=fingerprint(key))

    found = doubts(changed(VOTED, pl.VoteCast, forge))
    assert found[0][1] == "the go of ana for pm: by the policy of its time the key is somebody else's"


def test_a_policy_with_other_keys_beside_old_votes_is_found() -> None:
    people = tuple(replace(each, keys=(named_key("mallory " + each.name),)) for each in POLICY.people)
    other = replace(POLICY, people=people)
    adopted = pl.PolicyAdopted(other, digest_of_policy(other), "ana", LAUNCH, "first")
    found = doubts(changed(VOTED, pl.PolicyAdopted, lambda _: adopted))
    assert len([what for _, what in found if "the key is somebody else's" in what]) == 5


def test_a_policy_that_its_signers_have_not_signed_is_found() -> None:
    other = replace(POLICY, in_order=True)
    adopted = pl.PolicyAdopted(other, digest_of_policy(other), "ana", LAUNCH, "signed")
    found = doubts([*begun(), adopted])
    assert found == [(4, "the policy was signed by nobody who may, and 2 must")]


def test_another_plan_beside_old_votes_is_found() -> None:
    def edit(event: ev.Event) -> ev.Event:
        assert isinstance(event, ev.LaunchPlanned)
        return replace(event, plan_digest="sha256:edited")

    found = [what for _, what in doubts(changed(VOTED, ev.LaunchPlanned, edit))]
    assert "the ballot is not what was to be voted on then" in found
    assert any("over another ballot" in what for what in found)
    assert "the poll is said to let the launch go, and by the votes of its time it did not" in found


def test_a_vote_that_was_taken_out_is_found() -> None:
    place = next(n for n, event in enumerate(VOTED) if isinstance(event, pl.VoteCast))
    found = [what for _, what in doubts([*VOTED[:place], *VOTED[place + 1 :]])]
    assert found == ["the poll is said to let the launch go, and by the votes of its time it did not"]


def test_a_launch_that_staged_without_a_poll_is_found() -> None:
    events = [event for event in VOTED if not isinstance(event, pl.PollDecided)]
    assert [what for _, what in doubts(events)] == [
        "the launch began to stage and was not let go by its seats"
    ]


def test_an_override_that_is_no_longer_told_is_found() -> None:
    def hush(event: ev.Event) -> ev.Event:
        assert isinstance(event, pl.PollDecided)
        return replace(event, overridden_by=(), why="")

    found = [what for _, what in doubts(changed(OVERRIDDEN, pl.PollDecided, hush))]
    assert found == ["whether the poll was overridden is not said as it was"]


def test_the_artifact_of_these_launches_is_what_is_adopted() -> None:
    assert fold([(event, NOW_MS) for event in begun()]).artifact != NEW
