"""Whether the votes of a launch hold: every signature against the policy of its time, from the events alone.

A chain of hashes shows that events were changed; that somebody else has voted than is said shows here, also
where the chain was made anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.polling import ballot_of, standing_now
from tminus.domain.launch.state import LaunchState, evolve, planned
from tminus.domain.readiness import poll as pl
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import Policy, digest_of_policy
from tminus.domain.readiness.signing import SignedText
from tminus.domain.readiness.statement import VOTE_NAMESPACE, Choice, Statement
from tminus.domain.readiness.trust import KeyOf, Version, signers_of

Signature = pl.VoteCast | pl.VoteRecalled | pl.OverrideGiven


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of the poll that does not hold: number of the event, and a sentence."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found: how many signatures were checked, and every doubt in the order of events."""

    signatures: int
    doubts: tuple[Doubt, ...]


def prove_votes(entries: Iterable[tuple[ev.Event, int, int]], launch: str, key_of: KeyOf) -> Proof:
    """Checks every signature in the (event, at_ms, seq) entries of a launch.

    Raises:
        UnknownEventError: the entries do not begin with `launch-planned`.
    """
    state: LaunchState | None = None
    doubts: list[Doubt] = []
    signatures = 0
    for event, at_ms, seq in entries:
        if state is None:
            if not isinstance(event, ev.LaunchPlanned):
                raise ev.UnknownEventError(f"a launch begins with launch-planned, not {event.kind!r}")
            state = planned(event, at_ms)
            continue
        doubts += [Doubt(seq, what) for what in _doubts(state, event, at_ms, launch, key_of)]
        signatures += isinstance(event, Signature)
        state = evolve(state, event, at_ms)
    return Proof(signatures, tuple(doubts))


def _doubts(state: LaunchState, event: ev.Event, at_ms: int, launch: str, key_of: KeyOf) -> Iterator[str]:
    match event:
        case pl.PolicyAdopted():
            yield from _policy(state.poll.policy, event, launch, key_of)
        case pl.BallotPresented():
            present = ballot_of(state)
            if event.digest != event.ballot.digest or present is None or present.digest != event.digest:
                yield "the ballot is not what was to be voted on then"
        case pl.VoteCast() | pl.VoteRecalled() | pl.OverrideGiven():
            yield from _statement(state, event, launch, key_of)
        case pl.PollDecided():
            yield from _decided(state, event, at_ms)
        case ev.PhaseEntered(phase=Phase.STAGING) if state.plan.polling is not None:
            if state.poll.decided is None:
                yield "the launch began to stage and was not let go by its seats"
        case _:
            return


def _policy(before: Policy | None, event: pl.PolicyAdopted, launch: str, key_of: KeyOf) -> Iterator[str]:
    if digest_of_policy(event.policy) != event.digest:
        yield "the policy is not the one that its digest names"
    if event.launch != launch:
        yield f"the policy was adopted by {event.launch}"
    if before is None:
        return  # believed as it was then; launches before it may say more
    signers = signers_of(Version(event.policy, event.signatures), before, key_of)
    if event.trust != "signed" or len(signers) < before.required:
        yield f"the policy was signed by {', '.join(signers) or 'nobody who may'}, and {before.required} must"


def _statement(state: LaunchState, event: Signature, launch: str, key_of: KeyOf) -> Iterator[str]:
    said = event.statement
    named = f"the {said.choice.value} of {said.by}{f' for {said.seat}' if said.seat else ''}"
    text = SignedText(VOTE_NAMESPACE, said.content(), event.signature)
    key = key_of(text.namespace, text.content, text.signature)
    policy = state.poll.policy
    if not key or fingerprint(key) != event.fingerprint:
        yield f"{named}: its signature does not hold"
        return
    if policy is None or policy.owner_of(key) != said.by:
        yield f"{named}: by the policy of its time the key is somebody else's"
        return
    if said.launch != launch:
        yield f"{named}: it was signed for {said.launch}"
    if not _may(policy, said):
        yield f"{named}: by the policy of its time {said.by} may not say so"
    present = ballot_of(state)
    if said.choice is not Choice.RECALL and (present is None or present.digest != said.ballot):
        yield f"{named}: it is over another ballot than was to be voted on then"


def _may(policy: Policy, said: Statement) -> bool:
    if said.choice is Choice.OVERRIDE or not said.seat:
        return said.by in policy.override
    seat = policy.seat(said.seat)
    return seat is not None and said.by in seat.voters


def _decided(state: LaunchState, event: pl.PollDecided, at_ms: int) -> Iterator[str]:
    standing = standing_now(state, at_ms)
    if standing is None or not standing.may_go or standing.ballot.digest != event.ballot:
        yield "the poll is said to let the launch go, and by the votes of its time it did not"
    elif standing.unanimous is bool(event.overridden_by):
        yield "whether the poll was overridden is not said as it was"
