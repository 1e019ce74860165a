"""What must hold of alerts and looks in every launch, checked event by event against the state before."""

from tminus.domain.launch import alarm as al
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.testing.world.violation import Violation


def check_alarm(state: LaunchState, event: ev.Event, at_ms: int) -> None:
    """Raises Violation where `event` cannot follow `state`."""
    if state.outcome and isinstance(event, al.AlarmEvent):
        raise Violation(f"alarms: {event.kind} after the launch has ended")
    match event:
        case al.AlertFired():
            _check_fired(state, event)
        case al.AlertResolved():
            if state.alarms.alarm(event.rule, event.subject, event.cause) is None:
                raise Violation(f"alarms: {event.rule} was resolved and did not fire")
        case al.LookMissed():
            _check_missed(state, event, at_ms)
        case al.StageEntered():
            if event.index != state.alarms.stage + 1 or at_ms < event.began_ms:
                raise Violation(f"alarms: stage {event.index} begins in stage {state.alarms.stage}")
        case al.SilenceEnded():
            if event.rule not in state.alarms.silences:
                raise Violation(f"alarms: the silence of {event.rule} ended and was none")


def _check_fired(state: LaunchState, event: al.AlertFired) -> None:
    fires = state.alarms.alarm(event.rule, event.subject, event.cause) is not None
    if fires and event.cause is not al.Cause.MISSED_LOOK:
        raise Violation(f"alarms: {event.rule} fires twice")
    if event.cause is al.Cause.ROLLBACK and state.phase is not Phase.ROLLING_BACK:
        raise Violation(f"alarms: a rollback is told in {state.phase}")
    if event.cause is al.Cause.POLL and state.plan.polling is None:
        raise Violation("alarms: a poll is told where there is none")


def _check_missed(state: LaunchState, event: al.LookMissed, at_ms: int) -> None:
    if state.phase not in TRIAL and state.phase is not Phase.WATCHING:
        raise Violation(f"alarms: a look was missed in {state.phase}")
    every_ms = state.plan.stages[state.alarms.stage].look_every_ms
    looks, rest_ms = divmod(event.due_ms - state.alarms.looked_ms, every_ms)
    if rest_ms or looks != event.missed - state.alarms.missed or looks < 1 or at_ms < event.due_ms:
        raise Violation(f"alarms: {looks} looks were due by {event.due_ms}, {event} says otherwise")
