"""`tminus vote`: a seat says GO or NO-GO over what is to be launched, or takes it back."""

from pathlib import Path

import click

from tminus.cli.signer import key_option
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.plan.times import parse_duration_ms, parse_relative_ms, parse_utc_ms
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.policy import Policy
from tminus.domain.readiness.statement import Choice, Condition


@click.command("vote", context_settings=dict(HELP_OPTIONS))
@click.argument("choice", type=click.Choice(["go", "no-go", "recall"]))
@click.argument("launch", required=False)
@click.option("--seat", help="For which you vote; needed only where you may vote for several.")
@click.option("--reason", "-m", default="", help="Recorded with the vote; NO-GO and recall need one.")
@click.option(
    "--condition",
    "conditions",
    type=(str, str, str),
    multiple=True,
    metavar="TEXT OWNER DUE",
    help="Of a GO: what must come about, who sees to it, by when (T+2h, +2h, 2025-12-20T14:00Z).",
)
@click.option("--for", "duration", metavar="DURATION", help="How long the vote counts; as long as it may.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@key_option
def command(
    choice: str,
    launch: str | None,
    seat: str | None,
    reason: str,
    conditions: tuple[tuple[str, str, str], ...],
    duration: str | None,
    key: Path | None,
    *,
    yes: bool,
) -> int:
    """Vote go or no-go for a seat in LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    Shows what is voted on, and signs it with your SSH key. The vote counts for exactly that: it is void as
    soon as plan, artifact, policy or the verdict of a check changes, and when it expires. `recall` takes it
    back; once the launch has begun to stage, that holds it.

    Example: tminus vote go shop --condition "runbook reviewed" ben T+2h
    """
    from tminus.cli.booth import ballot_text, confirm, open_booth
    from tminus.domain.readiness.statement import Statement
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        booth = open_booth(home, find_launch(home, launch))
        signer, person = booth.signer(key)
        where = seat or _own_seat(booth.policy, person)
        click.echo(ballot_text(booth, person), err=True)
        due = tuple(_condition(each, booth.state.t0_ms, booth.now_ms) for each in conditions)
        said = Choice.GO_WITH_CONDITIONS if due and choice == "go" else Choice(choice)
        valid_ms = booth.policy.valid_for_ms if duration is None else _duration(duration)
        statement = Statement(
            launch=booth.row.launch,
            ballot=booth.standing.ballot.digest,
            seat=where,
            choice=said,
            reason=reason,
            by=person,
            at_ms=booth.now_ms,
            expires_ms=booth.now_ms + valid_ms,
            conditions=due,
        )
        confirm(f"Say {said.value} for {where} as {person}?", yes=yes)
        return booth.give(statement, signer)
    finally:
        home.close()


def _own_seat(policy: Policy, person: str) -> str:
    mine = policy.seats_of(person)
    held = [each.name for each in mine if each.holder == person]
    names = held or [each.name for each in mine]
    if len(names) == 1:
        return names[0]
    if not names:
        why = f"{person} votes for no seat of the policy"
        raise ProblemError(Problem("not-your-seat", why, "", "", "ask who holds one: `tminus poll`"))
    raise ProblemError(
        Problem("which-seat", f"{person} may vote for {', '.join(names)}", "", "", "name one with --seat")
    )


def _condition(given: tuple[str, str, str], t0_ms: int | None, now_ms: int) -> Condition:
    text, owner, due = given
    try:
        if due.startswith("+"):
            at_ms = now_ms + parse_duration_ms(due[1:])
        elif due.startswith("T"):
            at_ms = (now_ms if t0_ms is None else t0_ms) + parse_relative_ms(due)
        else:
            at_ms = parse_utc_ms(due)
    except ValueError as error:
        fix = "write T+2h, +2h from now, or 2025-12-20T14:00Z"
        raise ProblemError(Problem("bad-time", str(error), "--condition", "", fix)) from error
    return Condition(text, owner, at_ms)


def _duration(text: str) -> int:
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise ProblemError(Problem("bad-time", str(error), "--for", "", "write 30m or 2h")) from error
