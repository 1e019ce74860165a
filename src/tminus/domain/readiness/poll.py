"""The poll as the journal tells it: policy, ballots, votes and what became of them.

A fold over events and nothing else; what counts is `standing`'s, what is refused is `refusal`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from tminus.domain.readiness.ballot import Ballot
from tminus.domain.readiness.policy import Policy
from tminus.domain.readiness.statement import Choice, Condition, Statement


@dataclass(frozen=True, slots=True)
class PolicySignature:
    """A signature under a version of the policy: whose key, and the armoured SSH signature."""

    fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class PolicyAdopted:
    """This policy is in force from here on.

    Attributes:
        policy: all of it.
        digest: of it.
        by: who brought it.
        launch: id of the launch that it is for, which every statement must name.
        trust: what it is believed by: `first` for a service's first policy, `known` where it is the one of an
            earlier launch, `signed` where signers of the version before have changed it.
        signatures: under a version that is `signed`; each covers `trust.policy_content`.
    """

    kind: ClassVar[str] = "policy-adopted"
    policy: Policy
    digest: str
    by: str
    launch: str
    trust: str
    signatures: tuple[PolicySignature, ...] = ()


@dataclass(frozen=True, slots=True)
class BallotPresented:
    """What the votes that follow are about."""

    kind: ClassVar[str] = "ballot-presented"
    digest: str
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class VoteCast:
    """A seat said GO, GO with conditions, or NO-GO. `fingerprint` is of the key that signed."""

    kind: ClassVar[str] = "vote-cast"
    statement: Statement
    fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class VoteRecalled:
    """A seat takes back what it said; without a seat, somebody takes back their override."""

    kind: ClassVar[str] = "vote-recalled"
    statement: Statement
    fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class VoteVoided:
    """A vote counts no more, for ever, and why."""

    kind: ClassVar[str] = "vote-voided"
    seat: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class OverrideGiven:
    """One of the two people that an override takes."""

    kind: ClassVar[str] = "override-given"
    statement: Statement
    fingerprint: str
    signature: str


@dataclass(frozen=True, slots=True)
class ConditionClosed:
    """What a GO was bound to has come about."""

    kind: ClassVar[str] = "condition-closed"
    condition: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class ConditionOverdue:
    """What a GO was bound to has not come about in time."""

    kind: ClassVar[str] = "condition-overdue"
    condition: str
    owner: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class PollOverdue:
    """The seats have not said GO by the deadline; `why` says what is missing."""

    kind: ClassVar[str] = "poll-overdue"
    why: str


@dataclass(frozen=True, slots=True)
class PollDecided:
    """The poll lets the launch go on.

    Attributes:
        ballot: what was decided on.
        seats: (seat, who voted, what) of each, in the order of the policy.
        overridden_by: the people who overrode it; empty where every seat said GO.
        why: the reasons of an override.
    """

    kind: ClassVar[str] = "poll-decided"
    ballot: str
    seats: tuple[tuple[str, str, str], ...]
    overridden_by: tuple[str, ...] = ()
    why: str = ""


PollEvent = (
    PolicyAdopted
    | BallotPresented
    | VoteCast
    | VoteRecalled
    | VoteVoided
    | OverrideGiven
    | ConditionClosed
    | ConditionOverdue
    | PollOverdue
    | PollDecided
)


@dataclass(frozen=True, slots=True)
class Cast:
    """A statement that was taken; `void_why` says why it counts no more, and is empty while it may."""

    statement: Statement
    fingerprint: str
    void_why: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A condition of a GO, under its id.

    Attributes:
        condition: what, who, by when.
        closed_by: who said that it has come about; empty while it has not.
        overdue: it was told that it is late.
    """

    condition: Condition
    closed_by: str = ""
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Poll:
    """What is known of the poll.

    Attributes:
        policy: in force; None where the launch is not polled.
        policy_digest: of it.
        launch: id of the launch.
        ballots: those that the votes below are about, by digest.
        votes: the newest of each seat.
        overrides: the newest of each person.
        spoken_ms: when each person's newest statement was signed: an older one is a copy.
        conditions: of the newest votes, by id.
        decided: how the poll let the launch go on; stays for ever.
        overdue_ms: when it was told that votes are missing; 0 for never.
    """

    policy: Policy | None = None
    policy_digest: str = ""
    launch: str = ""
    ballots: Mapping[str, Ballot] = field(default_factory=dict)
    votes: Mapping[str, Cast] = field(default_factory=dict)
    overrides: Mapping[str, Cast] = field(default_factory=dict)
    spoken_ms: Mapping[str, int] = field(default_factory=dict)
    conditions: Mapping[str, Pending] = field(default_factory=dict)
    decided: PollDecided | None = None
    overdue_ms: int = 0

    @property
    def overridden(self) -> bool:
        """The launch goes on, or has gone on, although the seats had not said GO."""
        return self.decided is not None and bool(self.decided.overridden_by)

    def conditions_of(self, seat: str) -> Iterator[tuple[str, Pending]]:
        """The conditions of a seat's newest vote, with their ids."""
        return ((name, each) for name, each in self.conditions.items() if name.rpartition("/")[0] == seat)


def hear_poll(poll: Poll, event: PollEvent, at_ms: int) -> Poll:
    """The poll after one more event, decided at `at_ms`."""
    match event:
        case PolicyAdopted():
            return replace(poll, policy=event.policy, policy_digest=event.digest, launch=event.launch)
        case BallotPresented():
            return replace(poll, ballots={**_in_use(poll), event.digest: event.ballot})
        case VoteCast():
            return _cast(poll, event)
        case VoteRecalled():
            return _recall(poll, event.statement)
        case VoteVoided():
            return _void(poll, event)
        case OverrideGiven():
            said = event.statement
            overrides = {**poll.overrides, said.by: Cast(said, event.fingerprint)}
            return replace(_heard(poll, said), overrides=overrides)
        case ConditionClosed() | ConditionOverdue():
            return _follow(poll, event)
        case PollOverdue():
            return replace(poll, overdue_ms=at_ms)
        case PollDecided():
            return replace(poll, decided=event)


def condition_id(seat: str, number: int) -> str:
    """`sponsor/1`; numbers count from 1."""
    return f"{seat}/{number}"


def _heard(poll: Poll, said: Statement) -> Poll:
    return replace(poll, spoken_ms={**poll.spoken_ms, said.by: said.at_ms})


def _in_use(poll: Poll) -> dict[str, Ballot]:
    used = {each.statement.ballot for each in (*poll.votes.values(), *poll.overrides.values())}
    return {digest: ballot for digest, ballot in poll.ballots.items() if digest in used}


def _cast(poll: Poll, event: VoteCast) -> Poll:
    said = event.statement
    fresh = {condition_id(said.seat, n): Pending(each) for n, each in enumerate(said.conditions, start=1)}
    return replace(
        _heard(poll, said),
        votes={**poll.votes, said.seat: Cast(said, event.fingerprint)},
        conditions={**_conditions_without(poll, said.seat), **fresh},
    )


def _recall(poll: Poll, said: Statement) -> Poll:
    voided = VoteVoided(said.seat, said.by, f"recalled by {said.by}: {said.reason}")
    return _void(_heard(poll, said), voided)


def _void(poll: Poll, event: VoteVoided) -> Poll:
    """Of an override where no seat is named."""
    if event.seat:
        before = poll.votes.get(event.seat)
        after = {} if before is None else {event.seat: replace(before, void_why=event.why)}
        return replace(poll, votes={**poll.votes, **after})
    given = poll.overrides.get(event.by)
    voided = {} if given is None else {event.by: replace(given, void_why=event.why)}
    return replace(poll, overrides={**poll.overrides, **voided})


def _conditions_without(poll: Poll, seat: str) -> dict[str, Pending]:
    mine = dict(poll.conditions_of(seat))
    return {name: each for name, each in poll.conditions.items() if name not in mine}


def _follow(poll: Poll, event: ConditionClosed | ConditionOverdue) -> Poll:
    before = poll.conditions.get(event.condition)
    if before is None:
        return poll
    if isinstance(event, ConditionOverdue):
        after = replace(before, overdue=True)
    else:
        after = replace(before, closed_by=event.by)
    return replace(poll, conditions={**poll.conditions, event.condition: after})


CASTING = frozenset({Choice.GO, Choice.GO_WITH_CONDITIONS, Choice.NO_GO})
"""What is a vote; the rest takes one back or overrides all."""
