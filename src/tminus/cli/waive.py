"""`tminus waive`: a named person goes on without a check, for a while and for a reason."""

import click

from tminus.cli.person import by_option


@click.command("waive")
@click.argument("launch")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--for", "duration", metavar="DURATION", help="Such as 24h; at most 30d.")
@click.option("--end", is_flag=True, help="Lift the waiver instead.")
@click.option("--reason", "-m", required=True, help="Recorded for ever.")
@by_option
def command(
    launch: str, items: tuple[str, ...], duration: str | None, reason: str, by: str, *, end: bool
) -> int:
    """Go on without each ITEM in LAUNCH (an id or a service), until the waiver runs out.

    The check goes on being asked, and is shown as waived. `tminus na` is for what does not apply.

    Example: tminus waive shop production/cdn --for 24h --reason "the CDN is being moved"
    """
    from tminus.cli.excusing import excuse
    from tminus.domain.readiness.check_order import WAIVE

    return excuse(WAIVE, launch, items, duration, reason, by, end=end)
