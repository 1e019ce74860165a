"""`tminus attest`: a person of the owning role states that a check holds."""

from pathlib import Path

import click

from tminus.cli.person import by_option


@click.command("attest")
@click.argument("launch")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--text", "-m", required=True, help="What you state; recorded for ever.")
@click.option("--role", help="The role you speak for; the owner of the first item when not given.")
@click.option(
    "--file", "-f", type=click.Path(path_type=Path), help="Attached by its digest, and kept below the home."
)
@by_option
def command(
    launch: str, items: tuple[str, ...], text: str, role: str | None, file: Path | None, by: str
) -> int:
    """State that each ITEM holds, in LAUNCH (an id or a service), for the role that answers for it.

    Only what no machine answers can be stated. The statement counts for as long as the item says.

    Example: tminus attest shop pre-launch/faq --text "the FAQ is published, ticket 4711"
    """
    from tminus.adapters.check.attachments import keep_file
    from tminus.cli.orders import give_order
    from tminus.domain.readiness.check_order import ATTEST, CheckOrder
    from tminus.engine.drive import fold_launch
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        if role is None:
            state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
            item = None if state.plan.checks is None else state.plan.checks.item(items[0])
            role = "" if item is None else item.owner
        kept = None if file is None else keep_file(file, home.attachments)
        name, digest = ("", "") if file is None or kept is None else (file.name, kept)
        order = CheckOrder(items, role, name, digest)
        return give_order(home, row, ATTEST, by, text, order.text())
    finally:
        home.close()
