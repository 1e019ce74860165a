"""`tminus schema`: the format of launch.yaml as JSON Schema."""

import json

import click

from tminus.cli.style import HELP_OPTIONS
from tminus.plan.schema import launch_schema


@click.command("schema", context_settings=dict(HELP_OPTIONS))
def command() -> None:
    """Print the JSON Schema (draft 2020-12) of launch.yaml, for editors.

    Save it with `tminus schema > launch.schema.json` and write, as the first line of the plan:
    `# yaml-language-server: $schema=launch.schema.json`.
    """
    click.echo(json.dumps(launch_schema(), indent=2, ensure_ascii=False))
