"""What an Alertmanager tells a launch: journalled when it changes something, else only acknowledged."""

import json
from typing import Any

from tminus.domain.codec import DecodeError, from_json
from tminus.domain.launch.event import OrderTaken
from tminus.domain.launch.external import (
    ExternalAlertChanged,
    ExternalSourceChanged,
    ExternalState,
    ToldAlert,
    ToldSource,
)
from tminus.domain.launch.phase import TERMINAL
from tminus.engine.decide.launch.answer import refuse
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order

MOST_ALERTS = 500
"""Alerts of the names in the plan that are kept at once; more are one incident."""


def told_alert(turn: Turn, order: Order) -> None:
    """Takes in one external alert."""
    told = _read(order, ToldAlert)
    if turn.state.phase in TERMINAL:
        refuse(turn, order, "launch-ending", f"the launch is {turn.state.phase.value}")
        return
    manager = turn.state.plan.alertmanager
    if told is None or manager is None or told.alert not in {rule.alert for rule in manager.rules}:
        refuse(turn, order, "not-named", "the plan names no such alert")
        return
    known = turn.state.externals.alerts.get(told.fingerprint)
    before = ExternalState.RESOLVED if known is None else known.state
    crowded = known is None and len(turn.state.externals.alerts) >= MOST_ALERTS
    if told.state is before or crowded:
        turn.record(OrderTaken(order.key, order.verb, order.by, order.reason))
        return
    turn.record(ExternalAlertChanged(order.key, told.alert, told.fingerprint, told.state, told.why))


def told_source(turn: Turn, order: Order) -> None:
    """Takes in whether the Alertmanager answers."""
    told = _read(order, ToldSource)
    if turn.state.phase in TERMINAL:
        refuse(turn, order, "launch-ending", f"the launch is {turn.state.phase.value}")
    elif told is None or turn.state.plan.alertmanager is None:
        refuse(turn, order, "not-named", "the plan names no Alertmanager")
    elif told.answers is turn.state.externals.answers:
        turn.record(OrderTaken(order.key, order.verb, order.by, order.reason))
    else:
        turn.record(ExternalSourceChanged(order.key, told.answers, told.why))


def _read(order: Order, cls: type[Any]) -> Any:  # noqa: ANN401 - an instance of `cls`
    try:
        return from_json(cls, json.loads(order.argument))
    except (ValueError, DecodeError):
        return None
