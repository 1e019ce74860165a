"""How the poll stands at one moment: which votes count, what is missing, whether the launch may go on.

Everything is judged afresh from the present ballot and time, so that no event needs to have been noticed
for a vote to be void.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.plan.times import format_utc
from tminus.domain.readiness.ballot import Ballot, changes_between
from tminus.domain.readiness.policy import EVERY_CHECK, Policy, Seat
from tminus.domain.readiness.poll import Cast, Poll
from tminus.domain.readiness.statement import Choice

OVERRIDERS = 2
"""How many different people an override takes."""

GOOD_VERDICTS = frozenset({"pass", "waived", "n/a"})
"""Verdicts of checks with which a machine says GO."""


class Says(StrEnum):
    """What a seat says at this moment."""

    GO = "go"
    NO_GO = "no-go"
    VOID = "void"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class SeatStanding:
    """One seat at this moment.

    Attributes:
        seat: of the policy.
        says: what counts.
        by: who said it; empty for a machine and where nobody has.
        why: reason or what makes it void; for a machine the checks it rests on.
        choice: what was said, None for a machine and where nobody has.
        expires_ms: when it counts no more, None as above.
    """

    seat: Seat
    says: Says
    by: str = ""
    why: str = ""
    choice: Choice | None = None
    expires_ms: int | None = None

    @property
    def missing(self) -> str:
        """What is missing here for a GO, in a few words; empty where nothing is."""
        match self.says:
            case Says.GO:
                return ""
            case Says.NO_GO:
                return f"{self.seat.name} says NO-GO: {self.why}"
            case Says.VOID:
                return f"{self.seat.name} must vote again: {self.why}"
            case Says.NOTHING if self.seat.by_machine:
                return f"{self.seat.name}: {self.why}"
            case _:
                return f"{self.seat.name} ({self.seat.holder}) has not voted"


@dataclass(frozen=True, slots=True)
class Standing:
    """The poll at this moment.

    Attributes:
        ballot: what is voted on now.
        seats: all of them, in the order of the policy.
        overriders: who overrides now, and counts.
        override_why: their reasons.
    """

    ballot: Ballot
    seats: tuple[SeatStanding, ...]
    overriders: tuple[str, ...] = ()
    override_why: str = ""

    @property
    def unanimous(self) -> bool:
        """Every seat says GO; a poll without seats never is."""
        return bool(self.seats) and all(each.says is Says.GO for each in self.seats)

    @property
    def overridden(self) -> bool:
        """Two different people override it."""
        return len(self.overriders) >= OVERRIDERS

    @property
    def may_go(self) -> bool:
        """Whether the launch may go on."""
        return self.unanimous or self.overridden

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps the poll from being unanimous."""
        return tuple(each.missing for each in self.seats if each.missing)


def standing_of(poll: Poll, ballot: Ballot, now_ms: int) -> Standing:
    """The poll over the present ballot."""
    policy = poll.policy
    if policy is None:
        return Standing(ballot, ())
    seats = tuple(_seat(poll, policy, seat, ballot, now_ms) for seat in policy.seats)
    counted = [each for each in poll.overrides.values() if not void_override(poll, each, ballot, now_ms)]
    why = "; ".join(f"{each.statement.by}: {each.statement.reason}" for each in counted)
    return Standing(ballot, seats, tuple(sorted(each.statement.by for each in counted)), why)


def void_votes(poll: Poll, ballot: Ballot, now_ms: int) -> Iterator[tuple[str, str, str]]:
    """(seat, who, why) of everything that has become void and was not told yet; no seat for an override."""
    policy = poll.policy
    if policy is None:
        return
    for name, cast in poll.votes.items():
        why = "" if cast.void_why else void_vote(poll, policy, cast, ballot, now_ms)
        if why:
            yield name, cast.statement.by, why
    for person, cast in poll.overrides.items():
        why = "" if cast.void_why else void_override(poll, cast, ballot, now_ms)
        if why:
            yield "", person, why


def void_vote(poll: Poll, policy: Policy, cast: Cast, ballot: Ballot, now_ms: int) -> str:
    """Why a vote does not count now; empty where it does."""
    said = cast.statement
    seat = policy.seat(said.seat)
    if cast.void_why:
        return cast.void_why
    if seat is None or said.by not in seat.voters:
        return f"{said.by} no longer votes for {said.seat}"
    return (
        _void(poll, policy, cast, ballot, now_ms)
        or _second_seat(poll, policy, cast)
        or _overdue_condition(poll, said.seat, now_ms)
    )


def void_override(poll: Poll, cast: Cast, ballot: Ballot, now_ms: int) -> str:
    """The same for one person's part of an override."""
    policy = poll.policy
    if cast.void_why:
        return cast.void_why
    if policy is None or cast.statement.by not in policy.override:
        return f"{cast.statement.by} may no longer override"
    return _void(poll, policy, cast, ballot, now_ms)


def _void(poll: Poll, policy: Policy, cast: Cast, ballot: Ballot, now_ms: int) -> str:
    said = cast.statement
    if policy.owner_of(policy.key_of(cast.fingerprint)) != said.by:
        return f"the key that signed it is no longer one of {said.by}"
    if said.ballot != ballot.digest:
        before = poll.ballots.get(said.ballot)
        changed = () if before is None else changes_between(before, ballot)
        return f"the ballot changed: {'; '.join(changed) or 'it was about another one'}"
    if now_ms >= said.expires_ms:
        return f"it expired at {format_utc(said.expires_ms)}"
    return ""


def _second_seat(poll: Poll, policy: Policy, cast: Cast) -> str:
    """One person, one seat: the first seat of the policy's order counts."""
    said = cast.statement
    for seat in policy.seats:
        if seat.name == said.seat:
            return ""
        other = poll.votes.get(seat.name)
        if other is not None and not other.void_why and other.statement.by == said.by:
            return f"{said.by} votes for {seat.name}, and nobody votes for two seats"
    return ""


def _overdue_condition(poll: Poll, seat: str, now_ms: int) -> str:
    for name, pending in poll.conditions_of(seat):
        condition = pending.condition
        if not pending.closed_by and now_ms >= condition.due_ms:
            due = format_utc(condition.due_ms)
            return f"its condition {name} ({condition.text}) was due at {due} and is not closed"
    return ""


def _seat(poll: Poll, policy: Policy, seat: Seat, ballot: Ballot, now_ms: int) -> SeatStanding:
    if seat.by_machine:
        return _machine(seat, ballot)
    cast = poll.votes.get(seat.name)
    if cast is None:
        return SeatStanding(seat, Says.NOTHING)
    said = cast.statement
    why = void_vote(poll, policy, cast, ballot, now_ms)
    says = Says.VOID if why else Says.NO_GO if said.choice is Choice.NO_GO else Says.GO
    return SeatStanding(seat, says, said.by, why or said.reason, said.choice, said.expires_ms)


def _machine(seat: Seat, ballot: Ballot) -> SeatStanding:
    """Entirely determined by the verdicts on the ballot; without a verdict there is no GO."""
    verdicts = dict(ballot.verdicts)
    asked = tuple(verdicts) if EVERY_CHECK in seat.checks else seat.checks
    if not asked:
        return SeatStanding(seat, Says.NOTHING, why="no check has a verdict")
    bad = [f"{name} is {verdicts.get(name, 'not asked')}" for name in asked if not _good(verdicts.get(name))]
    if any(verdicts.get(name) == "fail" for name in asked):
        return SeatStanding(seat, Says.NO_GO, why="; ".join(bad))
    if bad:
        return SeatStanding(seat, Says.NOTHING, why="; ".join(bad))
    return SeatStanding(seat, Says.GO, why=f"{len(asked)} checks have passed")


def _good(verdict: str | None) -> bool:
    return verdict in GOOD_VERDICTS
