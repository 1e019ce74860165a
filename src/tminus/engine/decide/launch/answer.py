"""How an order is answered: taken or refused, once, in the journal."""

from tminus.domain.launch.event import OrderRefused, OrderTaken
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order


def taken(turn: Turn, order: Order) -> str:
    """Takes the order, and says who gave it and why."""
    turn.record(OrderTaken(order.key, order.verb, order.by, order.reason))
    return f"{order.verb} ordered by {order.by}" + (f": {order.reason}" if order.reason else "")


def refuse(turn: Turn, order: Order, code: str, why: str) -> None:
    """Refuses the order; it has no effect."""
    turn.record(OrderRefused(order.key, order.verb, order.by, code, why))
