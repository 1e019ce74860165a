"""Alerts, silences and looks as the log tells them. Must not judge anything."""

from collections.abc import Iterator

from tminus.domain.launch import alarm as al
from tminus.domain.launch.external import ExternalEvent, ExternalSourceChanged
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.stage import stage_hours
from tminus.domain.plan.times import HOUR_MS, format_duration, format_utc_clock
from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said


def alarm_lines(state: LaunchState, event: al.AlarmEvent, at_ms: int) -> Iterator[Said]:
    """What the event adds to the log; `state` is the one before it."""
    match event:
        case al.AlertFired():
            yield from _fired(state, event, at_ms)
        case al.AlertResolved():
            alarm = state.alarms.alarm(event.rule, event.subject, event.cause)
            lasted_ms = None if alarm is None else at_ms - alarm.since_ms
            yield Said(1, Mark.OK, f"RESOLVED {named(event)}: {event.why}", lasted_ms)
        case al.AlertAcknowledged():
            yield Said(1, Mark.NOTE, f"{event.by} takes care of {named(event)}{_because(event.note)}")
        case al.SilencePlaced():
            until = format_utc_clock(event.until_ms)
            text = f"Alert {event.rule} silenced until {until} by {event.by}{_because(event.why)}"
            yield Said(1, Mark.HOLD, text)
        case al.SilenceEnded():
            yield Said(1, Mark.NOTE, f"Alert {event.rule} is no longer silenced{_because(event.why)}")
        case al.StageEntered():
            yield Said(1, Mark.NONE, _stage(state, event))
        case al.Looked():
            yield Said(1, Mark.OK, f"{event.by} has looked{_because(event.note)}")
        case al.LookMissed():
            return  # the alarm that follows says it


def external_lines(event: ExternalEvent) -> Iterator[Said]:
    """What an Alertmanager has told."""
    if isinstance(event, ExternalSourceChanged):
        text = "Alertmanager answers" if event.answers else "Alertmanager does not answer"
        yield Said(1, Mark.NOTE, f"{text}{_because(event.why)}")
        return
    yield Said(1, Mark.NOTE, f"Alertmanager: {event.alert} {event.state.value}{_because(event.why)}")


def named(event: al.AlertFired | al.AlertResolved | al.AlertAcknowledged) -> str:
    """`error rate above 1 % on green`, and what it is about besides its limit."""
    on = f" on {event.subject}" if event.subject else ""
    what = " (no data)" if event.cause is al.Cause.NO_DATA else ""
    return f"{event.rule}{on}{what}"


def _fired(state: LaunchState, event: al.AlertFired, at_ms: int) -> Iterator[Said]:
    if event.cause is al.Cause.ROLLBACK:
        return  # the headline says it
    silent = state.alarms.silenced(event.rule, at_ms)
    to = "silenced" if silent else f"{event.severity.value}, {event.role}"
    mark = Mark.HOLD if silent else Mark.FAIL
    yield Said(1, mark, f"ALERT {named(event)} ({to}): {event.why}")
    for text in (event.action, event.runbook):
        if text:
            yield Said(2, Mark.NONE, text)


def _stage(state: LaunchState, event: al.StageEntered) -> str:
    stages = state.plan.stages
    begins_ms, ends_ms = stage_hours(stages, event.index)
    hours = begins_ms % HOUR_MS == 0 and ends_ms % HOUR_MS == 0
    span = f"{begins_ms // HOUR_MS} to {ends_ms // HOUR_MS}" if hours else ""
    when = f"Hours {span}" if hours else f"T+{format_duration(begins_ms)} to T+{format_duration(ends_ms)}"
    every = format_duration(event.look_every_ms)
    action = stages[event.index].action
    return f"{when}: {event.role} looks every {every}{_because(action)}"


def _because(text: str) -> str:
    return f": {text}" if text else ""
