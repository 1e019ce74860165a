"""The decisions of a launch with their reasons, newest last. Must not decide anything."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tminus.domain.launch import event as ev
from tminus.domain.readiness.poll import PollDecided, PollOverdue, VoteVoided


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that was decided, by the engine or a person, and why; milliseconds since the epoch."""

    at_ms: int
    what: str
    why: str


def decisions(entries: Iterable[tuple[ev.Event, int]]) -> Iterator[Decision]:
    """The decisions among a launch's (event, at_ms) entries, in order."""
    for event, at_ms in entries:
        told = _told(event)
        if told is not None:
            yield Decision(at_ms, *told)


def _told(event: ev.Event) -> tuple[str, str] | None:  # noqa: C901 - one line per kind of event
    match event:
        case ev.PhaseEntered():
            return f"entered {event.phase.value}", event.why
        case ev.VerdictReached():
            return f"judged {event.gate}: {event.outcome.value}", event.why
        case ev.StepTaken():
            return f"gave the candidate {event.share_bp / 100:g} % of the traffic", ""
        case ev.TriggerFired():
            return f"{event.trigger} called for {event.consequence.value}", event.why
        case ev.RouterFellBack():
            return "the router left the candidate by itself", event.why
        case ev.HoldPlaced():
            return f"held by {event.by}", event.why
        case ev.HoldReleased():
            return f"hold lifted by {event.by}", event.why
        case ev.OrderTaken():
            return f"{event.verb} ordered by {event.by}", event.why
        case ev.OrderRefused():
            return f"{event.verb} of {event.by} refused", event.why
        case ev.LaunchEnded():
            return event.outcome, event.why
        case _:
            return _polled(event)


def _polled(event: ev.Event) -> tuple[str, str] | None:
    match event:
        case PollOverdue():
            return "the poll is overdue", event.why
        case VoteVoided():
            return f"the vote of {event.seat or event.by} became void", event.why
        case PollDecided(overridden_by=()):
            return f"the {len(event.seats)} seats said GO", ""
        case PollDecided():
            return f"the poll was OVERRIDDEN by {' and '.join(event.overridden_by)}", event.why
        case _:
            return None
