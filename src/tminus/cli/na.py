"""`tminus na`: a named person says that a check does not apply to a launch."""

import click

from tminus.cli.person import by_option


@click.command("na")
@click.argument("launch")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--for", "duration", metavar="DURATION", help="Such as 24h; at most 30d.")
@click.option("--end", is_flag=True, help="It applies after all.")
@click.option("--reason", "-m", required=True, help="Recorded for ever.")
@by_option
def command(
    launch: str, items: tuple[str, ...], duration: str | None, reason: str, by: str, *, end: bool
) -> int:
    """Say that each ITEM does not apply to LAUNCH (an id or a service).

    What never applies is left out in the plan instead: `off`, with its reason.

    Example: tminus na shop production/web-servers --for 24h --reason "a first launch: nothing serves yet"
    """
    from tminus.cli.excusing import excuse
    from tminus.domain.readiness.check_order import NOT_APPLICABLE

    return excuse(NOT_APPLICABLE, launch, items, duration, reason, by, end=end)
