"""`tminus override`: two people let a launch go on without its seats. It is marked for ever."""

from pathlib import Path

import click

from tminus.cli.signer import key_option
from tminus.cli.style import HELP_OPTIONS


@click.command("override", context_settings=dict(HELP_OPTIONS))
@click.argument("launch", required=False)
@click.option("--reason", "-m", required=True, help="Recorded, and shown wherever the launch is shown.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@key_option
def command(launch: str | None, reason: str, key: Path | None, *, yes: bool) -> int:
    """Let LAUNCH go on without its seats: one of the two people that this takes.

    Both must be named by the policy, be different, and sign over the same ballot. The launch carries the
    mark of it for ever.

    Example: tminus override shop --reason "the sponsor is in the air; agreed by telephone"
    """
    from tminus.cli.booth import ballot_text, confirm, open_booth, seats_text
    from tminus.domain.readiness.statement import Choice, Statement
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        booth = open_booth(home, find_launch(home, launch))
        signer, person = booth.signer(key)
        click.echo(f"{ballot_text(booth, person)}\n\n{seats_text(booth)}", err=True)
        statement = Statement(
            launch=booth.row.launch,
            ballot=booth.standing.ballot.digest,
            seat="",
            choice=Choice.OVERRIDE,
            reason=reason,
            by=person,
            at_ms=booth.now_ms,
            expires_ms=booth.now_ms + booth.policy.valid_for_ms,
        )
        confirm(f"Override the poll as {person}? This is never forgotten.", yes=yes)
        return booth.give(statement, signer)
    finally:
        home.close()
