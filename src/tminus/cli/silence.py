"""`tminus silence`: nobody is told about a rule for a while. It is judged as before."""

import click

from tminus.cli.person import by_option
from tminus.domain.plan.times import parse_duration_ms
from tminus.domain.problem import Problem, ProblemError


@click.command("silence")
@click.argument("launch")
@click.argument("rule")
@click.option("--for", "duration", metavar="DURATION", help="Such as 30m; at most 24h.")
@click.option("--end", is_flag=True, help="Lift the silence instead.")
@click.option("--reason", "-m", required=True, help="Recorded, and shown to whoever finds the rule silent.")
@by_option
def command(launch: str, rule: str, duration: str | None, reason: str, by: str, *, end: bool) -> int:
    """Tell nobody about RULE in LAUNCH (an id or a service) for a while.

    The rule goes on being judged, and is shown as `silenced (firing)` where it fires: silence is no health.
    Rollbacks are never silenced. `tminus alerts` names the rules.

    Example: tminus silence shop "response time p95 above 300ms" --for 30m --reason "a known slow report"
    """
    from tminus.cli.orders import give_order
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    if end == (duration is not None):
        raise click.UsageError("give either --for or --end")
    wanted = "0s" if duration is None else duration
    try:
        parse_duration_ms(wanted)
    except ValueError as error:
        raise ProblemError(Problem("bad-silence", str(error), "--for", "", "write 30m or 2h")) from error
    home = open_home()
    refuse_missing_home(home)
    try:
        return give_order(home, find_launch(home, launch), "silence", by, reason, f"{wanted} {rule}")
    finally:
        home.close()
