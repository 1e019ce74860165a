"""`tminus close-condition`: what a GO was bound to has come about."""

import click

from tminus.cli.person import by_option


@click.command("close-condition")
@click.argument("launch")
@click.argument("condition")
@click.option("--reason", "-m", required=True, help="How it came about, and where that can be seen.")
@by_option
def command(launch: str, condition: str, reason: str, by: str) -> int:
    """Say that CONDITION of LAUNCH (an id or a service) has come about. `tminus poll` names the conditions.

    A GO whose condition is due and not closed is void, as long as the launch has not begun to stage.

    Example: tminus close-condition shop sponsor/1 --reason "reviewed, minutes in the wiki"
    """
    from tminus.cli.orders import give_order
    from tminus.domain.readiness.signing import CLOSE_CONDITION
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        return give_order(home, find_launch(home, launch), CLOSE_CONDITION, by, reason, condition)
    finally:
        home.close()
