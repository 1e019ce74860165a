"""`tminus adopt`: takes a running service behind the router as it is."""

from pathlib import Path

import click

from tminus.adapters.process.probe import probe_all
from tminus.cli.exits import EXIT_CODES
from tminus.cli.launch import enter_plan, policy_beside, see_through
from tminus.cli.person import by_option
from tminus.domain.plan.adoption import adopting, adoption_problems
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.open import with_repository
from tminus.plan.load import load_plan
from tminus.wiring import open_home


@click.command("adopt")
@click.argument("file", type=click.Path(path_type=Path), default=Path("launch.yaml"))
@click.option("--address", "addresses", multiple=True, required=True, help="HOST:PORT of an instance.")
@click.option("--version", help="Of what runs; the plan's own when not given.")
@click.option("--plain", is_flag=True, help="Log lines only, no live view.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event.")
@by_option
def command(
    file: Path, addresses: tuple[str, ...], version: str | None, by: str, *, plain: bool, as_json: bool
) -> int:
    """Take a running service behind the router of FILE (launch.yaml), as it is.

    Nothing is built, started or stopped. The router listens where the plan says, which must not be where the
    service does. Both answer from then on, so clients can be moved one by one; nothing is lost meanwhile.

    \b
    Example: tminus adopt --address 127.0.0.1:8000 --address 127.0.0.1:8001 --version 1.4.2

    Exit codes are those of `tminus launch`: 0 adopted, 1 refused, 3 taken back, 4 scrubbed, 5 still open.
    """  # noqa: D301 - click reads \b as a paragraph that keeps its lines
    loaded = load_plan(file)
    plan = adopting(with_repository(loaded.plan, loaded.directory), addresses, version)
    refuse_unfit(plan)
    home = open_home()
    try:
        row = enter_plan(home, plan, loaded.digest, by, policy_beside(loaded))
        code = see_through(home, row, by, plain=plain, as_json=as_json)
    finally:
        home.close()
    if code == EXIT_CODES["promoted"]:
        click.echo(_what_next(plan), err=True)
    return code


def refuse_unfit(plan: Plan) -> None:
    """Returns when every address is usable and answers; the launch itself asks again.

    Raises:
        ProblemError: `adopt-bad-address`, `adopt-same-address`, `adopt-unhealthy`; all at once.
    """
    problems = adoption_problems(plan)
    if not problems:
        path = plan.run.health_path
        answers = probe_all([(address, path) for address in plan.adopt])
        problems = [
            _unhealthy(address, path, reached=answer.reached)
            for address, answer in zip(plan.adopt, answers, strict=True)
            if not answer.healthy
        ]
    if problems:
        raise ProblemError(*problems)


def _unhealthy(address: str, path: str, *, reached: bool) -> Problem:
    what = f"does not answer GET {path} with 200" if reached else "refuses connections"
    return Problem(
        "adopt-unhealthy",
        f"{address} {what}",
        "--address",
        "what is adopted must serve already; the router sends requests only to what is healthy",
        "name the instances that serve, and set `run.health` to the path that says so",
    )


def _what_next(plan: Plan) -> str:
    there = f"{plan.listen.host}:{plan.listen.port}"
    return (
        f"{plan.service} {plan.version} answers at {there} too. Move clients there from "
        f"{', '.join(plan.adopt)}, then run `tminus launch` for the next version; "
        "these instances are never stopped by tminus."
    )
