"""`tminus poll`: how the seats of a launch stand, and what is missing."""

import json
from collections.abc import Iterator
from typing import Any

import click

from tminus.cli.booth import Booth, ballot_text, open_booth, seats_text
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.codec import to_json
from tminus.domain.plan.times import format_utc

EXIT_WAITING = 3
"""The seats do not let the launch go on as they stand."""


@click.command("poll", context_settings=dict(HELP_OPTIONS))
@click.argument("launch", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def command(launch: str | None, *, as_json: bool) -> int:
    """Show the go/no-go poll of LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    Every seat with what counts of it now, what is voted on, and what is missing. Nothing is changed.

    Exit codes: 0 the launch may go on, or was let go; 3 it may not as things stand.
    """
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        booth = open_booth(home, find_launch(home, launch))
    finally:
        home.close()
    text = json.dumps(poll_json(booth), indent=2, ensure_ascii=False) if as_json else poll_text(booth)
    click.echo(text)
    return 0 if booth.standing.may_go or booth.state.poll.decided is not None else EXIT_WAITING


def poll_text(booth: Booth) -> str:
    """For a terminal."""
    return "\n".join([ballot_text(booth), "", seats_text(booth), *_conditions(booth), "", *_verdict(booth)])


def poll_json(booth: Booth) -> dict[str, Any]:
    """The same for machines; times in milliseconds since the epoch."""
    standing, poll = booth.standing, booth.state.poll
    return {
        "launch": booth.row.launch,
        "now_ms": booth.now_ms,
        "phase": booth.state.phase.value,
        "ballot": {"digest": standing.ballot.digest, **_body(standing.ballot)},
        "seats": to_json(standing.seats),
        "conditions": to_json(poll.conditions),
        "missing": list(standing.missing),
        "overriders": list(standing.overriders),
        "may_go": standing.may_go,
        "decided": to_json(poll.decided),
        "overridden": poll.overridden,
    }


def _body(value: object) -> dict[str, Any]:
    body = to_json(value)
    assert isinstance(body, dict)
    return body


def _conditions(booth: Booth) -> Iterator[str]:
    for name, each in booth.state.poll.conditions.items():
        due = format_utc(each.condition.due_ms)
        how = f"closed by {each.closed_by}" if each.closed_by else "OVERDUE" if each.overdue else "open"
        yield f"condition {name}: {each.condition.text} ({each.condition.owner} by {due}) {how}"


def _verdict(booth: Booth) -> Iterator[str]:
    standing, decided = booth.standing, booth.state.poll.decided
    if decided is not None and decided.overridden_by:
        yield f"OVERRIDDEN by {' and '.join(decided.overridden_by)}: {decided.why}"
    elif decided is not None:
        yield f"GO: {len(decided.seats)} seats let the launch go on"
    elif standing.may_go:
        yield "GO: the launch goes on when its time has come"
    else:
        yield "NOT YET:"
        yield from (f"  {each}" for each in standing.missing)
        if standing.overriders:
            yield f"  overridden by {standing.overriders[0]}, which takes a second person"
