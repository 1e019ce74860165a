"""The poll as the log tells it. Must not judge anything."""

from collections.abc import Iterator

from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc
from tminus.domain.readiness import poll as pl
from tminus.domain.readiness.ballot import changes_between
from tminus.domain.readiness.statement import Choice, Statement
from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said

SHORT_DIGEST = 19
"""`sha256:` and twelve digits."""

WORDS = {
    Choice.GO: "GO",
    Choice.GO_WITH_CONDITIONS: "GO WITH CONDITIONS",
    Choice.NO_GO: "NO-GO",
    Choice.RECALL: "RECALL",
    Choice.OVERRIDE: "OVERRIDE",
}
"""What is said, as it is shown."""

_TRUST = {
    "first": "the first of this service, believed at first use",
    "known": "as in the launch before",
    "signed": "signed by those who may change it",
}


def poll_lines(state: LaunchState, event: pl.PollEvent) -> Iterator[Said]:
    """What the event adds to the log; `state` is the one before it."""
    match event:
        case pl.PolicyAdopted():
            text = f"Policy {event.digest[:SHORT_DIGEST]}, {_TRUST.get(event.trust, event.trust)}"
            yield Said(1, Mark.NONE, f"{text}: {', '.join(seat.name for seat in event.policy.seats)} vote")
        case pl.BallotPresented():
            yield from _ballot(state, event)
        case pl.VoteCast():
            yield from _vote(event.statement)
        case pl.VoteRecalled():
            said = event.statement
            yield Said(1, Mark.FAIL, f"RECALL {_seat(said)} by {said.by}: {said.reason}")
        case pl.VoteVoided():
            what = f"The vote of {event.seat} ({event.by})" if event.seat else f"The override of {event.by}"
            yield Said(1, Mark.NOTE, f"{what} is VOID: {event.why}")
        case pl.OverrideGiven():
            said = event.statement
            yield Said(1, Mark.FAIL, f"OVERRIDE asked by {said.by}, which takes a second: {said.reason}")
        case _:
            yield from _outcome(event)


def _outcome(event: pl.PollEvent) -> Iterator[Said]:
    match event:
        case pl.ConditionClosed():
            yield Said(1, Mark.OK, f"Condition {event.condition} closed by {event.by}: {event.why}")
        case pl.ConditionOverdue():
            due = format_utc(event.due_ms)
            yield Said(1, Mark.FAIL, f"Condition {event.condition} of {event.owner} OVERDUE since {due}")
        case pl.PollOverdue():
            yield Said(1, Mark.FAIL, f"The poll is OVERDUE: {event.why}")
        case pl.PollDecided(overridden_by=()):
            text = f"GO of {len(event.seats)} seats on ballot {event.ballot[:SHORT_DIGEST]}"
            yield Said(1, Mark.OK, text)
        case pl.PollDecided():
            who = " and ".join(event.overridden_by)
            yield Said(0, Mark.FAIL, f"OVERRIDDEN: the seats did not say GO; {who} let the launch go on")
            yield Said(1, Mark.FAIL, event.why)
            for seat, by, says in event.seats:
                yield Said(2, Mark.NONE, f"{seat}: {says}{f' ({by})' if by else ''}")
        case _:
            return


def _ballot(state: LaunchState, event: pl.BallotPresented) -> Iterator[Said]:
    yield Said(
        1, Mark.NONE, f"Ballot {event.digest[:SHORT_DIGEST]}: {len(event.ballot.verdicts)} checks on it"
    )
    said = (*state.poll.votes.values(), *state.poll.overrides.values())
    newest = max((each.statement for each in said), key=lambda each: each.at_ms, default=None)
    before = None if newest is None else state.poll.ballots.get(newest.ballot)
    for change in () if before is None else changes_between(before, event.ballot):
        yield Said(2, Mark.NONE, change)


def _vote(said: Statement) -> Iterator[Said]:
    because = f": {said.reason}" if said.reason else ""
    mark = Mark.FAIL if said.choice is Choice.NO_GO else Mark.OK
    yield Said(1, mark, f"{WORDS[said.choice]} {_seat(said)} ({said.by}){because}")
    for number, condition in enumerate(said.conditions, start=1):
        name, due = pl.condition_id(said.seat, number), format_utc(condition.due_ms)
        yield Said(2, Mark.NOTE, f"condition {name}: {condition.text}; {condition.owner} by {due}")


def _seat(said: Statement) -> str:
    return said.seat or "of an override"
