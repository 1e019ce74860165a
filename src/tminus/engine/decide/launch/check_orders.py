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
    found = _item(turn, order)
    if found is None:
        return
    said, item, checks = found
    asks = item.asks
    people = checks.people.get(item.owner)
    if not isinstance(asks, Attested):
        why = f"{item.item} is answered by a machine; a person can only waive it"
        refuse(turn, order, "asks-a-machine", why)
    elif said.role != item.owner:
        refuse(turn, order, "not-your-role", f"{item.item} is for {item.owner} to state, not {said.role!r}")
    elif people is not None and order.by not in people:
        why = f"{item.item} is for {item.owner} to state, and that is {' or '.join(people)}, not {order.by}"
        refuse(turn, order, "not-your-role", why)
    elif not order.reason.strip():
        refuse(turn, order, "statement-missing", f"nothing is stated; what is asked: {asks.says}")
    elif asks.file and not said.digest:
        refuse(turn, order, "file-missing", f"{item.item} needs a file to be attached: {asks.says}")
    else:
        expires_ms = turn.now_ms + item.keeps_ms
        taken(turn, order)
        turn.record(
            CheckAttested(item.item, order.by, said.role, order.reason, said.file, said.digest, expires_ms)
        )


def waive(turn: Turn, order: Order) -> None:
    """Goes on without an item, or without asking one that does not apply; `reason` says why."""
    found = _item(turn, order)
    if found is None:
        return
    said, item, _ = found
    lasting_ms = said.until_ms - turn.now_ms
    if not order.reason.strip() or not order.by.strip():
        why = "whoever finds the item excused must be able to see by whom and why"
        refuse(turn, order, "excuse-without-reason", why)
    elif said.until_ms == 0 and item.item in turn.state.readiness.excuses:
        taken(turn, order)
        turn.record(CheckExcuseEnded(item.item, order.by, order.reason))
    elif said.until_ms == 0:
        refuse(turn, order, "not-excused", f"{item.item} is not excused")
    elif not 0 < lasting_ms <= LONGEST_EXCUSE_MS:
        longest = format_duration(LONGEST_EXCUSE_MS)
        why = (
            f"an excuse ends after now and within {longest}, this one {format_duration(lasting_ms)} from now"
        )
        refuse(turn, order, "excuse-bad-end", why)
    else:
        excuse = Excuse.NOT_APPLICABLE if order.verb == NOT_APPLICABLE else Excuse.WAIVED
        taken(turn, order)
        turn.record(CheckExcused(item.item, excuse, order.by, order.reason, said.until_ms))


def _item(turn: Turn, order: Order) -> tuple[CheckOrder, CheckItem, Checks] | None:
    """What the order says, and the item it is about; refused where there is none, or nobody waits for it."""
    state, said = turn.state, read_check_order(order.argument)
    checks = state.plan.checks
    if checks is None:
        refuse(turn, order, "no-checks", "the plan of this launch has no checks")
    elif state.phase not in PREPARING:
        why = f"the launch is {state.phase.value}; checks are for the countdown"
        refuse(turn, order, "gate-passed", why)
    elif said is None:
        refuse(turn, order, "bad-check-order", "it names no check")
    elif (item := checks.item(said.item)) is None:
        refuse(turn, order, "no-such-check", _unknown(said.item, checks))
    else:
        return said, item, checks
    return None


def _unknown(name: str, checks: Checks) -> str:
    near = difflib.get_close_matches(name, [each.item for each in checks.items], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; `tminus ready` names them"
    return f"there is no check {name!r} in this plan{hint}"
