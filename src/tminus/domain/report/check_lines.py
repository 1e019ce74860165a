"""Checks, excuses and the gate as the log tells them. Must not judge anything."""

from collections.abc import Iterator

from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc
from tminus.domain.readiness import checked as ch
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said

_MARKS = {Outcome.PASS: Mark.OK, Outcome.FAIL: Mark.FAIL, Outcome.INCONCLUSIVE: Mark.NOTE}


def check_lines(state: LaunchState, event: ch.CheckEvent) -> Iterator[Said]:
    """What the event adds to the log; `state` is the one before it. Renewed evidence is not told."""
    match event:
        case ch.CheckAnswered():
            kept = state.readiness.proofs.get(event.item)
            if kept is None or kept.outcome is not event.outcome or event.item in state.readiness.lapsed:
                text = f"Check {event.item}: {event.outcome.value}: {event.why}"
                yield Said(1, _MARKS[event.outcome], text)
        case ch.CheckAttested():
            file = f" (with {event.file}, {event.digest[:19]})" if event.file else ""
            text = f"Check {event.item}: stated by {event.by} for {event.role}: {event.text}{file}"
            yield Said(1, Mark.OK, text)
        case ch.CheckExcused():
            until = format_utc(event.until_ms)
            text = f"Check {event.item}: {event.excuse.value} by {event.by} until {until}: {event.why}"
            yield Said(1, Mark.HOLD, text)
        case ch.CheckExcuseEnded():
            by = f" by {event.by}" if event.by else ""
            yield Said(1, Mark.NOTE, f"Check {event.item}: no longer excused{by}: {event.why}")
        case ch.CheckLapsed():
            yield Said(1, Mark.NOTE, f"Check {event.item}: its evidence has expired, {event.why}")
        case ch.GateWaiting():
            named = ", ".join(event.blocking)
            more = (
                f" and {event.count - len(event.blocking)} more" if event.count > len(event.blocking) else ""
            )
            until = format_utc(event.until_ms)
            text = f"The gate is shut until {until} at most: {event.count} checks block: {named}{more}"
            yield Said(1, Mark.HOLD, text)
        case ch.GateOpened():
            yield Said(1, Mark.OK, _opened(event))


def _opened(event: ch.GateOpened) -> str:
    parts = [f"{event.passed} passed"]
    parts += [f"{event.waived} waived"] if event.waived else []
    parts += [f"{event.not_applicable} not applicable"] if event.not_applicable else []
    parts += [f"{event.open} open that do not block"] if event.open else []
    return f"The gate is open: {', '.join(parts)} (verdicts {event.digest[:19]})"
