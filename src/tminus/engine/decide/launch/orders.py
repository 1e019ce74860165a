"""What people order: taken at once, or refused with the reason and what to do instead."""

import re

from tminus.domain.launch.entry import NOTE, NoteTaken, read_entry
from tminus.domain.launch.event import HoldReleased, OrderTaken, Slipped
from tminus.domain.launch.external import TOLD_ALERT, TOLD_SOURCE
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, PREPARING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import CONTRACT
from tminus.domain.readiness.check_order import ATTEST, NOT_APPLICABLE, WAIVE
from tminus.domain.readiness.signing import CLOSE_CONDITION, POLICY, VOTE
from tminus.engine.decide.launch.alarm_orders import acknowledge, look, silence
from tminus.engine.decide.launch.answer import refuse, taken
from tminus.engine.decide.launch.check_orders import attest, waive
from tminus.engine.decide.launch.contract import contract_command, contract_failed
from tminus.engine.decide.launch.poll_orders import adopt_policy, close_condition, say
from tminus.engine.decide.launch.told import told_alert, told_source
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order

_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_LATEST_MS = 253_402_300_799_999  # the last instant of the year 9999, the last that has a date


def take_orders(turn: Turn) -> None:
    """Takes or refuses every order not yet settled, oldest first."""
    for order in turn.observation.orders:
        if order.key not in turn.state.orders:
            _VERBS.get(order.verb, _unknown)(turn, order)


def _hold(turn: Turn, order: Order) -> None:
    if turn.state.phase in ENDING | TERMINAL:
        refuse(
            turn, order, "launch-ending", f"the launch is {turn.state.phase.value}; nothing is left to hold"
        )
        return
    taken(turn, order)
    turn.hold(order.by, order.reason or "ordered")


def _resume(turn: Turn, order: Order) -> None:
    if turn.state.hold is None:
        refuse(turn, order, "not-held", "the launch is not held")
        return
    taken(turn, order)
    turn.record(HoldReleased(order.by, order.reason))


def _slip(turn: Turn, order: Order) -> None:
    if turn.state.phase not in PREPARING:
        refuse(turn, order, "t0-passed", "T-0 has passed; hold, abort or roll back instead")
        return
    t0_ms = int(order.argument) if _MILLISECONDS.fullmatch(order.argument) else None
    if t0_ms is None or t0_ms > _LATEST_MS:
        refuse(turn, order, "no-time", f"{order.argument!r} is no time in milliseconds since the epoch")
        return
    window = turn.state.plan.window
    if window is not None and not window.opens_ms <= t0_ms < window.closes_ms:
        refuse(turn, order, "outside-window", "the new T-0 is outside the plan's deployment window")
        return
    freeze = turn.state.plan.freeze_at(t0_ms)
    if freeze is not None:
        refuse(turn, order, "in-freeze", f"the new T-0 is in a freeze of the plan: {freeze.why}")
        return
    taken(turn, order)
    turn.record(Slipped(t0_ms, order.by, order.reason))


def _scrub(turn: Turn, order: Order) -> None:
    if turn.state.phase not in BEFORE_TRAFFIC:
        refuse(turn, order, "traffic-moved", "traffic has moved already; use `tminus rollback`")
        return
    turn.enter(Phase.SCRUBBING, taken(turn, order))


def _abort(turn: Turn, order: Order) -> None:
    if turn.state.phase in ENDING | TERMINAL:
        taken(turn, order)  # idempotent: what was asked for is happening, or nothing runs
        return
    _rollback(turn, order)


def _rollback(turn: Turn, order: Order) -> None:
    state = turn.state
    if state.phase in BEFORE_TRAFFIC:
        turn.enter(Phase.SCRUBBING, taken(turn, order))
    elif state.phase in TRIAL:
        turn.enter(Phase.ROLLING_BACK, taken(turn, order))
    elif state.phase in ENDING | TERMINAL:
        refuse(turn, order, "launch-ending", f"the launch is {state.phase.value} already")
    elif state.stable is None:
        refuse(turn, order, "no-stable", "a first launch that was promoted has nothing to go back to")
    elif state.contracts:
        why = (
            "the contract migration has run or is running, and the earlier version cannot live with its "
            "result; fix forward with a new launch, or restore the backup"
        )
        refuse(turn, order, "past-no-return", why)
    elif state.stable_going and state.stable_run is None:
        why = f"{state.stable.value} was adopted and has been let go; tminus cannot start it again"
        refuse(turn, order, "stable-let-go", why)
    else:
        turn.enter(Phase.ROLLING_BACK, taken(turn, order))


def _withdraw(turn: Turn, order: Order) -> None:
    if turn.state.stable is not None:
        refuse(turn, order, "has-stable", "only a first launch is withdrawn; use `tminus rollback`")
        return
    _rollback(turn, order)


def _contract(turn: Turn, order: Order) -> None:
    state = turn.state
    if not contract_command(state):
        refuse(turn, order, "no-contract", "the plan has no contract migration")
    elif state.phase is not Phase.WATCHING or (state.stable is not None and not state.retired):
        why = "contract comes after the stable slot was retired; until then rollback needs the old schema"
        refuse(turn, order, "too-early", why)
    elif state.contracts and not contract_failed(state):
        refuse(turn, order, "contract-ordered", "the contract migration was ordered already")
    else:
        taken(turn, order)


def _note(turn: Turn, order: Order) -> None:
    state = turn.state
    entered = read_entry(order.argument)
    metric = None if entered is None else state.plan.metric(entered.metric)
    if state.phase in TERMINAL:
        refuse(turn, order, "launch-ended", f"the launch is {state.phase.value}; nothing watches it any more")
    elif entered is None:
        refuse(turn, order, "bad-note", "it names no metric and value")
    elif metric is None or not metric.by_person:
        known = ", ".join(each.name for each in state.plan.metrics if each.by_person) or "none"
        why = f"no person enters {entered.metric!r} in this plan; what people enter: {known}"
        refuse(turn, order, "not-a-persons-metric", why)
    elif entered.value_micro < 0:
        refuse(turn, order, "bad-note", "nothing is counted below zero")
    else:
        turn.record(OrderTaken(order.key, order.verb, order.by, order.reason))
        turn.record(NoteTaken(metric.name, entered.value_micro, order.by, order.reason))


def _unknown(turn: Turn, order: Order) -> None:
    refuse(turn, order, "unknown-order", f"{order.verb!r} is no order of this release")


_VERBS = {
    "hold": _hold,
    "resume": _resume,
    "slip": _slip,
    "scrub": _scrub,
    "abort": _abort,
    "rollback": _rollback,
    "withdraw": _withdraw,
    CONTRACT: _contract,
    "silence": silence,
    "acknowledge": acknowledge,
    "look": look,
    NOTE: _note,
    ATTEST: attest,
    WAIVE: waive,
    NOT_APPLICABLE: waive,
    VOTE: say,
    CLOSE_CONDITION: close_condition,
    POLICY: adopt_policy,
    TOLD_ALERT: told_alert,
    TOLD_SOURCE: told_source,
}

VERBS = frozenset(_VERBS)
"""Orders that people give, and what an Alertmanager tells."""
