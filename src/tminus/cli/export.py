"""`tminus export`: a plan's alerts and figures for Prometheus, Alertmanager and Grafana."""

import os
from pathlib import Path

import click

from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError

WHAT = ("prometheus", "alertmanager", "grafana")
HOOK = "tminus"


@click.command("export")
@click.argument("what", type=click.Choice(WHAT))
@click.argument("source", metavar="[PLAN|SERVICE]", required=False)
@click.option(
    "--receiver",
    "receivers",
    metavar="ROLE=KIND:FILE[:TARGET]",
    multiple=True,
    help="Of Alertmanager: pagerduty:FILE, slack:FILE:#CHANNEL or webhook:FILE:URL; may be repeated.",
)
@click.option("--hook", metavar="URL", help="Of Alertmanager: tell tminus too, at its agent's /alerts.")
@click.option("--hook-token-file", metavar="FILE", default="secrets/tminus", show_default=True)
@click.option("--output", "-o", metavar="FILE", help="Write there instead of to the terminal.")
def command(
    what: str,
    source: str | None,
    receivers: tuple[str, ...],
    hook: str | None,
    hook_token_file: str,
    output: str | None,
) -> None:
    """Print alerting rules, routes or a dashboard for a plan, or for the newest launch of a service.

    Without PLAN or SERVICE the plan is ./launch.yaml. A secret is the name of a file that the other program
    reads, relative to its configuration. Nothing is changed.

    Example: tminus export prometheus launch.yaml --output rules.yaml
    """
    plan = _plan(source)
    text = _text(what, plan, receivers, (hook, hook_token_file))
    if output is None:
        click.echo(text, nl=False)
        return
    path = Path(output)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        what_failed = f"the export was not written: {error.strerror}"
        raise ProblemError(
            Problem("export-unwritable", what_failed, output, "", "name another file")
        ) from error


def _text(what: str, plan: Plan, receivers: tuple[str, ...], hook: tuple[str | None, str]) -> str:
    if what == "prometheus":
        from tminus.adapters.prometheus.rules import rules_text

        return rules_text(plan)
    if what == "grafana":
        from tminus.adapters.grafana.dashboard import dashboard_text

        return dashboard_text(plan)
    from tminus.adapters.alertmanager.config import Channel, Receiver, config_text, parse_receiver

    url, token_file = hook
    try:
        found = [parse_receiver(each) for each in receivers]
    except ValueError as error:
        fix = "write --receiver on-call=pagerduty:secrets/on-call"
        raise ProblemError(Problem("bad-receiver", str(error), "--receiver", "", fix)) from error
    return config_text(plan, found, None if url is None else Receiver(HOOK, Channel.WEBHOOK, token_file, url))


def _plan(source: str | None) -> Plan:
    """A file is a plan; every other name is a service or a launch."""
    file = Path(source or "launch.yaml")
    if source is None or file.is_file() or os.sep in source or file.suffix in (".yaml", ".yml"):
        from tminus.plan.load import load_plan

        return load_plan(file).plan
    from tminus.engine.drive import fold_launch
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        state, _ = fold_launch(home.store.journal, home.store.shelf, find_launch(home, source).launch)
        return state.plan
    finally:
        home.close()
