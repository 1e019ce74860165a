"""`tminus note`: a person enters a metric's value, such as open support tickets or a vulnerability."""

import click

from tminus.cli.person import by_option
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.problem import Problem, ProblemError


@click.command("note", context_settings=dict(HELP_OPTIONS))
@click.argument("launch")
@click.argument("metric")
@click.argument("value")
@click.option("--text", "-m", default="", help="Recorded with the value: what was found, where it is told.")
@by_option
def command(launch: str, metric: str, value: str, text: str, by: str) -> int:
    """Enter the VALUE of a METRIC that people enter, for the newest launch of a service.

    A gauge, such as a satisfaction, has the newest value; notes of a count add up. Limits judge both at once:
    `tminus note shop vulnerability 1 --text CVE-2026-1234` rolls a launch on trial back, unless its plan says
    otherwise.
    """
    from tminus.cli.orders import give_order
    from tminus.domain.launch.entry import NOTE, Entry
    from tminus.engine.drive import fold_launch
    from tminus.wiring import find_launch, open_home

    home = open_home()
    try:
        row = find_launch(home, launch)
        state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
        known = state.plan.metric(metric)
        unit = "" if known is None else known.unit
        entry = Entry(metric, _value(value, unit))
        return give_order(home, row, NOTE, by, text, entry.text())
    finally:
        home.close()


def _value(text: str, unit: str) -> int:
    from tminus.plan.amount import Amount, amount_of, in_unit

    try:
        amount = amount_of(text)
    except ValueError as error:
        raise ProblemError(_bad(str(error), unit)) from error
    if not isinstance(amount, Amount):
        raise ProblemError(_bad(f"{text!r} is a factor", unit))
    # A bare number is meant in the metric's own unit.
    micro = in_unit(Amount(amount.micro, amount.unit or unit), unit)
    if micro is None:
        raise ProblemError(_bad(f"{text!r} has another unit than the metric", unit))
    return micro


def _bad(what: str, unit: str) -> Problem:
    return Problem("bad-note", what, "VALUE", "", f"write a number{f' in {unit}' if unit else ''}, such as 3")
