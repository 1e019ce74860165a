"""A poll for the crash sweep: everything that can happen in one, one after the other."""

from collections.abc import Callable

from tminus.domain.launch.phase import Phase
from tminus.domain.plan.times import HOUR_MS
from tminus.domain.readiness.poll import Poll
from tminus.domain.readiness.signing import CLOSE_CONDITION, POLICY, VOTE
from tminus.domain.readiness.statement import Choice
from tminus.ports.journal import Order
from tminus.testing.polled import Team
from tminus.testing.stand import Stand

POLLED = {"poll": {"policy": "../team/policy.yaml", "deadline": "500ms"}}
"""Laid over the plan of a stand; the deadline passes before anybody votes."""

POLL_KINDS = (
    "policy-adopted",
    "ballot-presented",
    "vote-cast",
    "vote-recalled",
    "vote-voided",
    "override-given",
    "condition-closed",
    "condition-overdue",
    "poll-overdue",
    "poll-decided",
)

SEATS = {"pm": "ana", "tech-lead": "ben", "devops": "cyn", "qa-lead": "dan", "sponsor": "eve"}


def assemble(stand: Stand) -> Team:
    """The stand's team, beside its repository: one for all its launches, for the first policy is believed."""
    return Team(stand.directory / "team", SEATS)


def vote_on(stand: Stand, launch: str) -> None:
    """Lets the deadline pass, then does everything that people can do in a poll, and says GO."""
    team = assemble(stand)
    stand.wait_phase(launch, Phase.POLL)

    def until(holds: Callable[[Poll], bool], what: str) -> None:
        stand.wait(lambda: holds(stand.state(launch).poll), what)

    def say(person: str, choice: Choice, seat: str = "", *due_ms: int) -> None:
        now_ms = stand.clock.now_ms()
        signed = team.say(stand.state(launch), launch, person, choice, now_ms, seat=seat, due_ms=due_ms)
        stand.home.store.inbox.post(
            launch, Order(f"{now_ms}-{seat}-{choice}", VOTE, person, "swept", now_ms, signed.text())
        )

    until(lambda poll: poll.overdue_ms > 0, "a poll that is overdue")
    stand.post(launch, "resume")
    stand.wait(lambda: stand.state(launch).hold is None, "a hold that is lifted")
    stand.post(launch, "slip", argument=str(stand.clock.now_ms() + HOUR_MS))
    say("ana", Choice.GO_WITH_CONDITIONS, "pm", stand.clock.now_ms() + 300)
    until(_void, "a condition that is overdue")
    say("ana", Choice.GO_WITH_CONDITIONS, "pm", stand.clock.now_ms() + HOUR_MS)
    until(_counts, "a vote that counts")
    stand.post(launch, CLOSE_CONDITION, argument="pm/1", reason="swept")
    until(_closed, "a condition that is closed")
    say("ana", Choice.RECALL, "pm")
    until(_void, "a vote that is recalled")
    say("ana", Choice.GO, "pm")
    say("ben", Choice.OVERRIDE)
    until(lambda poll: "ben" in poll.overrides and _counts(poll), "a vote and half an override")
    stand.post(launch, POLICY, argument=team.revise("ben").text())
    until(_void, "a policy that voids votes")
    for seat, person in SEATS.items():
        say(person, Choice.GO, seat)
    stand.post(launch, "slip", argument=str(stand.clock.now_ms()))


def _void(poll: Poll) -> bool:
    return "pm" in poll.votes and bool(poll.votes["pm"].void_why)


def _counts(poll: Poll) -> bool:
    return "pm" in poll.votes and not poll.votes["pm"].void_why


def _closed(poll: Poll) -> bool:
    return "pm/1" in poll.conditions and bool(poll.conditions["pm/1"].closed_by)
