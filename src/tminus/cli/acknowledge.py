"""`tminus acknowledge`: says that somebody takes care of an alert."""

import click

from tminus.cli.person import by_option


@click.command("acknowledge")
@click.argument("launch")
@click.argument("rule", required=False, default="")
@click.option("--note", "-m", default="", help="What is being done.")
@by_option
def command(launch: str, rule: str, note: str, by: str) -> int:
    """Say that you take care of RULE, which fires in LAUNCH (an id or a service); of all without RULE.

    The alert goes on firing until its limit is kept again. `tminus alerts` names the rules.

    Example: tminus acknowledge shop "error rate above 1 %" --note "looking at the payment provider"
    """
    from tminus.cli.orders import give_order
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        return give_order(home, find_launch(home, launch), "acknowledge", by, note, rule)
    finally:
        home.close()
