"""What people say about checks: statements, waivers, and items that do not apply."""

import difflib

from tminus.domain.launch.phase import PREPARING
from tminus.domain.plan.checklist import Attested, CheckItem, Checks
from tminus.domain.plan.times import DAY_MS, format_duration
from tminus.domain.readiness.check_order import NOT_APPLICABLE, CheckOrder, read_check_order
from tminus.domain.readiness.checked import CheckAttested, CheckExcused, CheckExcuseEnded, Excuse
from tminus.engine.decide.launch.answer import refuse, taken
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order

LONGEST_EXCUSE_MS = 30 * DAY_MS
"""What is excused for longer is no exception: change the plan instead."""


def attest(turn: Turn, order: Order) -> None:
    """Takes a statement of the owning role as evidence; `reason` is what is stated."""
    found = _items(turn, order)
    if found is None:
        return
    said, items, checks = found
    for item in items:
        fault = _against(item, said, order, checks)
        if fault is not None:
            refuse(turn, order, *fault)
            return
    taken(turn, order)
    for item in items:
        expires_ms = turn.now_ms + item.keeps_ms
        turn.record(
            CheckAttested(item.item, order.by, said.role, order.reason, said.file, said.digest, expires_ms)
        )


def _against(item: CheckItem, said: CheckOrder, order: Order, checks: Checks) -> tuple[str, str] | None:
    """What stands against a statement: code and reason; None for nothing."""
    asks, people = item.asks, checks.people.get(item.owner)
    if not isinstance(asks, Attested):
        return "asks-a-machine", f"{item.item} is answered by a machine; a person can only waive it"
    if said.role != item.owner:
        return "not-your-role", f"{item.item} is for {item.owner} to state, not {said.role!r}"
    if people is not None and order.by not in people:
        who = f"{item.owner} to state, and that is {' or '.join(people)}, not {order.by}"
        return "not-your-role", f"{item.item} is for {who}"
    if not order.reason.strip():
        return "statement-missing", f"nothing is stated; what is asked: {asks.says}"
    if asks.file and not said.digest:
        return "file-missing", f"{item.item} needs a file to be attached: {asks.says}"
    return None


def waive(turn: Turn, order: Order) -> None:
    """Goes on without items, or without asking those that do not apply; `reason` says why."""
    found = _items(turn, order)
    if found is None:
        return
    said, items, _ = found
    excused = turn.state.readiness.excuses
    lasting_ms = said.until_ms - turn.now_ms
    free = [item.item for item in items if item.item not in excused]
    if not order.reason.strip() or not order.by.strip():
        why = "whoever finds the item excused must be able to see by whom and why"
        refuse(turn, order, "excuse-without-reason", why)
    elif said.until_ms == 0 and free:
        refuse(turn, order, "not-excused", f"{free[0]} is not excused")
    elif said.until_ms == 0:
        taken(turn, order)
        for item in items:
            turn.record(CheckExcuseEnded(item.item, order.by, order.reason))
    elif not 0 < lasting_ms <= LONGEST_EXCUSE_MS:
        longest = format_duration(LONGEST_EXCUSE_MS)
        why = (
            f"an excuse ends after now and within {longest}, this one {format_duration(lasting_ms)} from now"
        )
        refuse(turn, order, "excuse-bad-end", why)
    else:
        excuse = Excuse.NOT_APPLICABLE if order.verb == NOT_APPLICABLE else Excuse.WAIVED
        taken(turn, order)
        for item in items:
            turn.record(CheckExcused(item.item, excuse, order.by, order.reason, said.until_ms))


def _items(turn: Turn, order: Order) -> tuple[CheckOrder, list[CheckItem], Checks] | None:
    """What the order says, and the items it is about; refused where one is none, or nobody waits for it."""
    state, said = turn.state, read_check_order(order.argument)
    checks = state.plan.checks
    if checks is None:
        refuse(turn, order, "no-checks", "the plan of this launch has no checks")
        return None
    if state.phase not in PREPARING:
        why = f"the launch is {state.phase.value}; checks are for the countdown"
        refuse(turn, order, "gate-passed", why)
        return None
    if said is None or not said.items:
        refuse(turn, order, "bad-check-order", "it names no check")
        return None
    known = {item.item: item for item in checks.items}
    missing = [name for name in said.items if name not in known]
    if missing:
        refuse(turn, order, "no-such-check", _unknown(missing[0], checks))
        return None
    return said, [known[name] for name in dict.fromkeys(said.items)], checks


def _unknown(name: str, checks: Checks) -> str:
    near = difflib.get_close_matches(name, [each.item for each in checks.items], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `tminus ready` names them"
    return f"there is no check {name!r} in this plan{hint}"
