"""`tminus init`: writes a commented launch.yaml for the repository it stands in."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from tminus.adapters.git.command import run_git
from tminus.cli.init_image import containers_yaml, image_yaml, scalar
from tminus.cli.style import HELP_OPTIONS
from tminus.cli.survey import Guess, Survey, Tags, survey
from tminus.domain.problem import Problem, ProblemError
from tminus.plan.load import load_plan_text
from tminus.ports.fault import PortFault

NAME = "launch.yaml"

TEMPLATE = """\
# What tminus will launch, and how. `tminus plan` shows the timeline and every default that is not here.
# Durations: 500ms, 30s, 10m, 1h30m. Rates: 0.1 %. Times: 2025-12-20T14:00Z.

service: {service}
version: {version}               # launches the annotated tag v{tag}
environment: production

t0: now                      # or a point in time: 2025-12-20T14:00Z
# window: {{from: 2025-12-20T14:00Z, to: 2025-12-20T15:00Z}}   # T-0 must lie in it

{build}
run:
{run}

listen: 127.0.0.1:{listen:<11}       # the public address; tminus holds it, so that a restart loses no request

# What users must be able to do. Asked of the candidate before it has traffic, and again afterwards.
critical_paths:
  - request: GET {health}
  # - request: POST /auth/login
  #   class: login
  #   json: {{email: probe@example.com, password: probe}}
  #   capture: {{token: /token}}
  # - request: POST /payments/process
  #   class: payment
  #   headers: {{Authorization: "Bearer {{token}}"}}
  #   within: 2s

# shift: {{steps: [10, 50, 100], each: 10s}}      # or: shift: at-once
# triggers:                                      # what rolls back by itself; these two when not given
#   - {{error_rate: 1 %}}
#   - {{p95: 500ms}}
# bake: {{for: 1h}}                                # how long the old release stays warm for rollback
"""


@click.command("init", context_settings=dict(HELP_OPTIONS))
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
def command(directory: Path) -> None:
    """Write a commented launch.yaml for the repository in DIRECTORY (here, when not given).

    An existing launch.yaml is left alone.
    """
    target = directory / NAME
    found = write_plan(directory, os.environ)
    click.echo(f"wrote {target}\n")
    for name, guess in _named(found):
        click.echo(f"  {name:<12} {guess.value}\n{'':<15}{guess.why}")
    for remark in found.remarks:
        click.echo(f"  note: {remark}")
    click.echo(f"\nnext: read it, then run `tminus doctor {target}` and `tminus plan {target}`")


def write_plan(directory: Path, environment: Mapping[str, str]) -> Survey:
    """Writes the plan and returns what it was made from.

    Raises:
        ProblemError: `plan-exists`, or `plan-not-writable`.
    """
    target = directory / NAME
    found = survey(directory.resolve(), read_tags(directory, environment))
    text = plan_yaml(found)
    load_plan_text(text, str(target))  # what was written by us must load, whatever the repository is called
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fix = f"edit it, or move it away: mv {target} {target}.old"
        raise ProblemError(Problem("plan-exists", f"{target} exists already", str(target), fix=fix)) from None
    except OSError as error:
        what = f"{target} cannot be written: {error.strerror}"
        raise ProblemError(Problem("plan-not-writable", what, str(target))) from None
    return found


RUN = """\
  # {command_why}
  command: {command}
  instances: 3               # in each of the two slots, blue and green
  # {health_why}
  health: {health}
  # env: {{LOG_LEVEL: info}}
  # secrets: {{DATABASE_URL: env:DATABASE_URL}}   # references only: env:NAME, file:PATH or command:LINE"""


def plan_yaml(found: Survey) -> str:
    """The text of the plan."""
    health = found.health
    if found.packed is None:
        build = _build_yaml(found.build)
        run = RUN.format(
            command=scalar(found.command.value),
            command_why=_one_line(found.command.why),
            health=scalar(health.value),
            health_why=_one_line(health.why),
        )
    else:
        health = Guess(found.packed.health, found.packed.source) if found.packed.health else health
        build = image_yaml(found.packed)
        run = containers_yaml(found.packed, health)
    return TEMPLATE.format(
        service=scalar(found.service.value),
        version=found.version.value,
        tag=found.version.value,
        build=build,
        run=run,
        listen=(found.packed.listen if found.packed else 0) or 8080,
        health=scalar(health.value),
    )


def _build_yaml(guess: Guess | None) -> str:
    if guess is None:
        return '# build: {command: "make"}     # run once in the tag\'s tree; nothing needs building here\n'
    return f"build:\n  # {_one_line(guess.why)}\n  command: {scalar(guess.value)}\n"


def _one_line(text: str) -> str:
    """The names of files may hold anything, also line breaks that would end a comment."""
    return " ".join(text.split())


def read_tags(directory: Path, environment: Mapping[str, str]) -> Tags:
    """The newest version tag that the checked-out commit descends from; none without git or a commit."""
    describe = ("describe", "--tags", "--match", "v[0-9]*.[0-9]*.[0-9]*")
    try:
        newest = run_git(directory, environment, *describe, "--abbrev=0").strip()
    except PortFault:
        return Tags()
    try:
        run_git(directory, environment, *describe, "--exact-match")
    except PortFault:
        return Tags(newest)
    return Tags(newest, is_head=True)


def _named(found: Survey) -> list[tuple[str, Guess]]:
    named = [("service", found.service), ("version", found.version)]
    if found.packed is not None:
        registry = Guess(found.packed.registry, found.packed.registry_why)
        port = Guess(str(found.packed.port), found.packed.port_why)
        health = Guess(found.packed.health, found.packed.source) if found.packed.health else found.health
        return [*named, ("registry", registry), ("run.port", port), ("run.health", health)]
    named += [("run.command", found.command), ("run.health", found.health)]
    if found.build is not None:
        named.insert(2, ("build", found.build))
    return named
