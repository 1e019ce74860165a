"""`tminus ready`: what keeps a launch from going, whose it is, and what to do next."""

import json
from collections.abc import Iterator
from typing import Any

import click

from tminus.cli.check_look import Readied
from tminus.domain.codec import to_json
from tminus.domain.plan.times import format_utc
from tminus.domain.readiness.gate import blocking, gate_text, is_open
from tminus.domain.report.readiness import check_rows, row_lines, summary

EXIT_NOT_READY = 3
"""Something that blocks does not hold."""


@click.command("ready")
@click.argument("launch", required=False)
@click.option("--mine", metavar="ROLE", help="Only what this role answers for.")
@click.option("--all", "show_all", is_flag=True, help="Also what holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(launch: str | None, mine: str | None, *, show_all: bool, as_json: bool) -> int:
    """Say whether LAUNCH is ready, and what to do where it is not.

    LAUNCH is an id, a service, or the newest of ./launch.yaml. Reads the journal and the newest answers, and
    changes nothing. Past the gate it shows how everything stood when that opened.

    Exit codes: 0 ready, 3 not.

    Example: tminus ready shop --mine devops
    """
    from tminus.cli.check_look import look_at_launch
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        readied = look_at_launch(home, row)
    finally:
        home.close()
    if as_json:
        click.echo(json.dumps(ready_json(row.launch, readied, mine), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(ready_lines(row.launch, readied, mine, show_all=show_all)))
    return 0 if is_open(readied.verdicts) else EXIT_NOT_READY


def ready_json(launch: str, readied: Readied, mine: str | None) -> dict[str, Any]:
    """For machines; times in milliseconds since the epoch, due times relative to T-0."""
    rows = check_rows(readied.verdicts, launch)
    return {
        "launch": launch,
        "at_ms": readied.at_ms,
        "phase": readied.state.phase.value,
        "ready": is_open(readied.verdicts),
        "opened_ms": readied.state.readiness.opened_ms,
        "checks": to_json(tuple(row for row in rows if mine in (None, row.owner))),
    }


def ready_lines(launch: str, readied: Readied, mine: str | None, *, show_all: bool) -> Iterator[str]:
    """The same for a terminal: what blocks comes first."""
    verdicts, opened_ms = readied.verdicts, readied.state.readiness.opened_ms
    if opened_ms is not None:
        head = f"the gate opened at {format_utc(opened_ms)}"
    elif is_open(verdicts):
        head = "READY"
    else:
        head = f"NOT READY: {gate_text(verdicts).partition(':')[0]} block"
    yield f"{launch}: {head}"
    yield summary(verdicts)
    rows = [row for row in check_rows(verdicts, launch) if mine in (None, row.owner)]
    groups = [
        ("Blocks the launch", [row for row in rows if row.blocks]),
        ("Open, and does not block", [row for row in rows if row.next and not row.blocks]),
        ("Holds", [row for row in rows if not row.next] if show_all else []),
    ]
    for title, found in groups:
        if found:
            yield ""
            yield title if mine is None else f"{title}, of {mine}"
            for row in found:
                yield from row_lines(row)
    if mine is not None and not blocking([each for each in verdicts if each.item.owner == mine]):
        yield f"nothing of {mine} blocks"
