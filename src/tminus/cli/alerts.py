"""`tminus alerts`: every alert rule of a launch, what fires, what is silenced, who has to look when."""

import json
from collections.abc import Iterator
from typing import Any

import click

from tminus.domain.codec import to_json
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.report.alerts import AlertRow, alert_rows
from tminus.domain.report.log import seconds
from tminus.engine.decide.alarm import look_due_ms

EXIT_FIRING = 3
"""Something fires, silenced or not."""


@click.command("alerts")
@click.argument("launch", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(launch: str | None, *, as_json: bool) -> int:
    """Show the alerts of LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    Reads the journal and changes nothing. What fires comes first; silenced is not healthy.

    Exit codes: 0 nothing fires, 3 something does, silenced or not.
    """
    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.engine.drive import fold_launch
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
    finally:
        home.close()
    now_ms = SystemClock().now_ms()
    rows = alert_rows(state, now_ms)
    if as_json:
        click.echo(json.dumps(alerts_json(row.launch, state, rows, now_ms), indent=2, ensure_ascii=False))
    else:
        click.echo(alerts_text(row.launch, state, rows, now_ms))
    return EXIT_FIRING if any(each.fires for each in rows) else 0


def alerts_json(launch: str, state: LaunchState, rows: tuple[AlertRow, ...], now_ms: int) -> dict[str, Any]:
    """For machines; times in milliseconds since the epoch."""
    return {
        "launch": launch,
        "now_ms": now_ms,
        "phase": state.phase.value,
        "stage": state.alarms.stage if state.alarms.stage >= 0 else None,
        "look_due_ms": look_due_ms(state),
        "looks_missed": state.alarms.missed,
        "alerts": to_json(rows),
    }


def alerts_text(launch: str, state: LaunchState, rows: tuple[AlertRow, ...], now_ms: int) -> str:
    """For a terminal."""
    plan = state.plan
    head = f"{plan.service} {plan.version} in {plan.environment} ({launch}), {state.phase.value}"
    return "\n".join(
        [head, *_looks(state, now_ms), "", *(line for row in rows for line in _row(row, now_ms))]
    )


def _looks(state: LaunchState, now_ms: int) -> Iterator[str]:
    due_ms = look_due_ms(state)
    if due_ms is None:
        return
    stage = state.plan.stages[state.alarms.stage]
    left = seconds(max(0, due_ms - now_ms))
    missed = f", {state.alarms.missed} missed in a row" if state.alarms.missed else ""
    yield (
        f"{stage.role} looks every {format_duration(stage.look_every_ms)}, "
        f"the next by {format_utc(due_ms)} (in {left}){missed}: tminus look {state.plan.service}"
    )


def _row(row: AlertRow, now_ms: int) -> Iterator[str]:
    on = f" on {row.subject}" if row.subject else ""
    yield f"{row.state:<20}{row.severity.value:<10}{row.role:<10}{row.rule}{on}"
    told = []
    if row.since_ms is not None:
        told.append(f"since {format_utc(row.since_ms)} ({seconds(max(0, now_ms - row.since_ms))})")
    if row.until_ms is not None:
        told.append(f"silenced until {format_utc(row.until_ms)}")
    if row.acknowledged_by:
        told.append(f"{row.acknowledged_by} takes care")
    if row.why:
        told.append(row.why)
    if told:
        yield f"{'':<20}{'; '.join(told)}"
