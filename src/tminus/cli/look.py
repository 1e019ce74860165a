"""`tminus look`: says that somebody has looked at the service, so that the watch need not ask."""

import click

from tminus.cli.person import by_option


@click.command("look")
@click.argument("launch", required=False)
@click.option("--note", "-m", default="", help="What was seen, for the log and whoever looks next.")
@by_option
def command(launch: str | None, note: str, by: str) -> int:
    """Say that you have looked at LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    The stages of the watch say how often somebody has to. A look that nobody took in time alerts whoever is
    on duty, the third in a row on-call. The time is entered into the launch's journal.

    Example: tminus look shop --note "all quiet, no tickets"
    """
    from tminus.cli.orders import give_order
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        return give_order(home, find_launch(home, launch), "look", by, note)
    finally:
        home.close()
