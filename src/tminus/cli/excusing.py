"""Excuses for checks as orders: waivers, and what does not apply."""

import click

from tminus.adapters.clock.system_clock import SystemClock
from tminus.cli.orders import give_order
from tminus.domain.plan.times import parse_duration_ms
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.check_order import CheckOrder
from tminus.wiring import find_launch, open_home, refuse_missing_home


def excuse(
    verb: str, launch: str, items: tuple[str, ...], duration: str | None, reason: str, by: str, *, end: bool
) -> int:
    """Gives the order and waits for its answer; 0 when it was taken.

    Raises:
        ProblemError: `excuse-bad-end`, or the order was refused.
    """
    if end == (duration is not None):
        raise click.UsageError("give either --for or --end")
    until_ms = 0
    if duration is not None:
        try:
            until_ms = SystemClock().now_ms() + parse_duration_ms(duration)
        except ValueError as error:
            problem = Problem("excuse-bad-end", str(error), "--for", "", "write 2h or 7d")
            raise ProblemError(problem) from error
    home = open_home()
    refuse_missing_home(home)
    try:
        order = CheckOrder(items, until_ms=until_ms)
        return give_order(home, find_launch(home, launch), verb, by, reason, order.text())
    finally:
        home.close()
