"""`tminus check`: asks now whether a launch would be ready."""

import json
from pathlib import Path

import click

from tminus.cli.ready import EXIT_NOT_READY
from tminus.domain.codec import to_json
from tminus.domain.problem import ProblemError
from tminus.domain.report.readiness import check_rows, row_lines, summary


@click.command("check")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--file", "-f", type=click.Path(path_type=Path), default=Path("launch.yaml"), show_default=True)
@click.option("--launch", "-l", help="Ask for this launch instead of a file: an id, or a service.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def command(items: tuple[str, ...], file: Path, launch: str | None, *, as_json: bool) -> int:
    """Ask the checks of a plan now, from this process: all, or each ITEM by its id.

    Works before there is a launch. What people and the launch itself answer is shown as it stands. The
    journal learns nothing of it; a launch that counts down asks for itself.

    Exit codes: 0 all of them hold, 3 one does not.

    Example: tminus check production/load-balancer
    """
    from tminus.cli.check_look import ask_now, chosen, judged_now, look_at_launch, no_checks
    from tminus.plan.load import load_plan
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    try:
        if launch is not None:
            refuse_missing_home(home)
            readied = look_at_launch(home, find_launch(home, launch))
            plan, state, kept, directory = readied.state.plan, readied.state, readied.verdicts, Path()
        else:
            loaded = load_plan(file)
            plan, state, kept, directory = loaded.plan, None, (), loaded.directory
        if plan.checks is None:
            raise ProblemError(no_checks(str(file)))
        wanted = chosen(plan.checks, items)
        found = ask_now(home, plan, wanted, state, directory)
        verdicts = judged_now(plan.checks, wanted, found, kept)
    finally:
        home.close()
    rows = check_rows(verdicts, launch or plan.service)
    if as_json:
        excerpts = {answer.item: answer for answer in found}
        body = [{**dict(to_json(row)), "answer": to_json(excerpts.get(row.item))} for row in rows]  # type: ignore[arg-type]  # a dataclass is an object
        click.echo(json.dumps({"checks": body}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(line for row in rows for line in row_lines(row)))
        click.echo(f"\n{summary(verdicts)}")
    return 0 if all(verdict.holds for verdict in verdicts) else EXIT_NOT_READY
