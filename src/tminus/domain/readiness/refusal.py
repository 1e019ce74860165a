"""Whether a signed statement is taken, and why not. Asked where it is signed, and again by the engine."""

from dataclasses import dataclass

from tminus.domain.plan.times import MINUTE_MS, format_duration, format_utc
from tminus.domain.readiness.ballot import Ballot, changes_between
from tminus.domain.readiness.policy import Policy
from tminus.domain.readiness.poll import CASTING, Cast, Poll
from tminus.domain.readiness.standing import Says, standing_of, void_vote
from tminus.domain.readiness.statement import MOST_CONDITIONS, MOST_TEXT, Choice, Statement

CLOCKS_MS = 10 * MINUTE_MS
"""How far the clock of who signs may be from the driver's: an older statement may be somebody's copy."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a statement is not taken: a code and a sentence."""

    code: str
    why: str


def refusal_of(poll: Poll, ballot: Ballot, said: Statement, key: str, now_ms: int) -> Refusal | None:
    """Why the statement that `key` signed is not taken at `now_ms`; None where it is.

    Args:
        poll: as it stands.
        ballot: the present one.
        said: the statement.
        key: that its signature was made with; empty where it does not hold.
        now_ms: milliseconds since the epoch.
    """
    policy = poll.policy
    if policy is None:
        return Refusal("poll-off", "this launch is not polled")
    return (
        _malformed(said, poll.launch)
        or _unproven(policy, said, key)
        or _untimely(poll, policy, said, now_ms)
        or _misplaced(poll, policy, ballot, said, now_ms)
        or _outdated(poll, ballot, said)
    )


def _malformed(said: Statement, launch: str) -> Refusal | None:
    if said.launch != launch:
        return Refusal("bad-vote", f"it was signed for {said.launch[:80]!r}, and this is {launch}")
    texts = (said.reason, *(each.text for each in said.conditions))
    conditions = len(said.conditions)
    if any(len(text) > MOST_TEXT for text in texts):
        return Refusal("bad-vote", f"a text of it has more than {MOST_TEXT} characters")
    if said.choice not in (Choice.GO, Choice.GO_WITH_CONDITIONS) and not said.reason.strip():
        return Refusal("vote-without-reason", f"{said.choice.value} needs a reason")
    if conditions > MOST_CONDITIONS:
        return Refusal("bad-vote", f"it has {conditions} conditions; more than {MOST_CONDITIONS} are a NO-GO")
    if (said.choice is Choice.GO_WITH_CONDITIONS) is not bool(conditions):
        return Refusal("bad-vote", "a GO with conditions has at least one, and nothing else has any")
    if not all(each.text.strip() and each.owner.strip() for each in said.conditions):
        return Refusal("bad-vote", "a condition names what must come about and who sees to it")
    return None


def _unproven(policy: Policy, said: Statement, key: str) -> Refusal | None:
    if not key:
        return Refusal("vote-not-signed", "its signature does not hold over what it says")
    owner = policy.owner_of(key)
    if not owner:
        return Refusal("key-unknown", "the key that signed it is nobody's in the policy")
    if owner != said.by:
        return Refusal("key-unknown", f"the key that signed it is {owner}'s, and not {said.by}'s")
    return None


def _untimely(poll: Poll, policy: Policy, said: Statement, now_ms: int) -> Refusal | None:
    if abs(now_ms - said.at_ms) > CLOCKS_MS:
        why = f"it was signed at {format_utc(said.at_ms)}, and it is {format_utc(now_ms)}"
        return Refusal("vote-stale", why)
    if said.at_ms <= poll.spoken_ms.get(said.by, 0):
        return Refusal("vote-replayed", f"{said.by} has signed something later, or the same, before")
    if now_ms >= said.expires_ms:
        return Refusal("vote-expired", f"it expired at {format_utc(said.expires_ms)}")
    if said.expires_ms - said.at_ms > policy.valid_for_ms:
        longest = format_duration(policy.valid_for_ms)
        return Refusal("vote-too-long", f"by the policy a vote counts for {longest} at most")
    return None


def _misplaced(poll: Poll, policy: Policy, ballot: Ballot, said: Statement, now_ms: int) -> Refusal | None:
    if said.choice is Choice.OVERRIDE:
        if said.by in policy.override:
            return None
        return Refusal("may-not-override", f"by the policy {said.by} does not override")
    if said.choice is Choice.RECALL and not said.seat:
        return _nothing_to_recall(poll.overrides.get(said.by), said.by)
    seat = policy.seat(said.seat)
    if seat is None:
        known = ", ".join(each.name for each in policy.seats)
        return Refusal("no-such-seat", f"there is no seat {said.seat!r}; the seats are {known}")
    if seat.by_machine:
        return Refusal("seat-of-a-machine", f"checks vote for {seat.name}, and no person")
    if said.by not in seat.voters:
        voters = ", ".join(seat.voters)
        return Refusal("not-your-seat", f"{said.by} does not vote for {seat.name}; {voters} may")
    if said.choice is Choice.RECALL:
        return _nothing_to_recall(poll.votes.get(seat.name), seat.name)
    return _two_seats(poll, policy, ballot, said, now_ms) or _out_of_turn(poll, policy, ballot, said, now_ms)


def _nothing_to_recall(cast: Cast | None, who: str) -> Refusal | None:
    if cast is None or cast.void_why:
        return Refusal("nothing-to-recall", f"{who} has said nothing that counts")
    return None


def _two_seats(poll: Poll, policy: Policy, ballot: Ballot, said: Statement, now_ms: int) -> Refusal | None:
    for name, cast in poll.votes.items():
        mine = cast.statement.by == said.by and name != said.seat
        if mine and not void_vote(poll, policy, cast, ballot, now_ms):
            return Refusal("one-person-one-seat", f"{said.by} votes for {name}, and nobody for two seats")
    return None


def _out_of_turn(poll: Poll, policy: Policy, ballot: Ballot, said: Statement, now_ms: int) -> Refusal | None:
    if not policy.in_order or said.choice is Choice.NO_GO:
        return None
    for each in standing_of(poll, ballot, now_ms).seats:
        if each.seat.name == said.seat:
            return None
        if each.says is not Says.GO:
            return Refusal("out-of-turn", f"by the policy {each.seat.name} says GO before {said.seat}")
    return None


def _outdated(poll: Poll, ballot: Ballot, said: Statement) -> Refusal | None:
    if said.ballot == ballot.digest or said.choice not in CASTING | {Choice.OVERRIDE}:
        return None
    before = poll.ballots.get(said.ballot)
    changed = "; ".join(() if before is None else changes_between(before, ballot))
    return Refusal("ballot-changed", f"the ballot changed meanwhile{f': {changed}' if changed else ''}")
