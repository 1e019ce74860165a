"""What people say about alerts: that they have looked, that they take care, that a rule is to be silent."""

from tminus.domain.launch.alarm import AlertAcknowledged, Looked, SilenceEnded, SilencePlaced
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import MISSED_LOOK, ROLLBACK
from tminus.domain.plan.times import DAY_MS, format_duration, parse_duration_ms
from tminus.domain.watch.anomaly import FIGURES
from tminus.engine.decide.launch.answer import refuse, taken
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order

LONGEST_SILENCE_MS = DAY_MS
"""A rule that is to be silent for longer is a rule to be changed."""


def silence(turn: Turn, order: Order) -> None:
    """`argument` is a duration, a space, and the name of the rule; `0s` lifts a silence."""
    if _has_ended(turn, order):
        return
    duration, _, rule = order.argument.partition(" ")
    try:
        for_ms = parse_duration_ms(duration)
    except ValueError as error:
        refuse(turn, order, "bad-silence", str(error))
        return
    if not order.reason.strip():
        refuse(turn, order, "silence-without-reason", "whoever finds the rule silent must be able to see why")
    elif for_ms > LONGEST_SILENCE_MS:
        longest = format_duration(LONGEST_SILENCE_MS)
        why = f"a silence of {format_duration(for_ms)} is longer than {longest}; change the rule instead"
        refuse(turn, order, "silence-too-long", why)
    elif rule not in rule_names(turn.state):
        known = ", ".join(f"{name!r}" for name in rule_names(turn.state))
        refuse(turn, order, "no-such-alert", f"there is no rule {rule!r}; the rules are {known}")
    elif for_ms > 0:
        taken(turn, order)
        turn.record(SilencePlaced(rule, order.by, order.reason, turn.now_ms + for_ms))
    elif rule in turn.state.alarms.silences:
        taken(turn, order)
        turn.record(SilenceEnded(rule, f"lifted by {order.by}: {order.reason}"))
    else:
        refuse(turn, order, "not-silenced", f"the rule {rule!r} is not silent")


def acknowledge(turn: Turn, order: Order) -> None:
    """`argument` is the name of a rule, or empty for everything that fires."""
    if _has_ended(turn, order):
        return
    alarms = turn.state.alarms
    firing = [each for each in alarms.firing.values() if order.argument in ("", each.fired.rule)]
    if not firing:
        what = f"the rule {order.argument!r}" if order.argument else "no alert"
        refuse(turn, order, "nothing-fires", f"{what} does not fire" if order.argument else "no alert fires")
        return
    taken(turn, order)
    for alarm in firing:
        fired = alarm.fired
        turn.record(AlertAcknowledged(fired.rule, fired.subject, fired.cause, order.by, order.reason))


def look(turn: Turn, order: Order) -> None:
    """Somebody has looked at the service; `reason` is what they saw."""
    if turn.state.phase in TRIAL or turn.state.phase is Phase.WATCHING:
        taken(turn, order)
        turn.record(Looked(order.by, order.reason))
        return
    why = f"the launch is {turn.state.phase.value}; looks are taken from the cutover to the end of the watch"
    refuse(turn, order, "nothing-to-look-at", why)


def _has_ended(turn: Turn, order: Order) -> bool:
    ended = turn.state.phase in TERMINAL
    if ended:
        why = f"the launch is {turn.state.phase.value}; nothing is alerted any more"
        refuse(turn, order, "launch-ending", why)
    return ended


def rule_names(state: LaunchState) -> tuple[str, ...]:
    """Every rule that can fire in this launch, each once, in the order of the plan."""
    plan = state.plan
    classes = ("all", *(route_class.name for route_class in plan.route_classes))
    names = (
        *(rule.name for rule in plan.alerts),
        *(trigger.limit.name for trigger in plan.triggers),
        *(rule.alert for rule in (plan.alertmanager.rules if plan.alertmanager else ())),
        *(f"total failure of {name}" for name in classes),
        *(fired.fired.rule for fired in state.alarms.firing.values()),
        *(f"anomaly of {figure}" for figure in FIGURES),
        MISSED_LOOK,
        ROLLBACK,
    )
    return tuple(dict.fromkeys(names))
