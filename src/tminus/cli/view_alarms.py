"""The rows of the live view about alerts and looks. Pure."""

from collections.abc import Iterator

from rich.text import Text

from tminus.domain.launch.alarm import Cause
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc_clock
from tminus.domain.report.alerts import alert_rows
from tminus.domain.report.log import seconds
from tminus.engine.decide.alarm import look_due_ms

MOST_ROWS = 3
"""What fires beyond these is counted; the log and `tminus alerts` have all of it."""

SOON_MS = 60_000
"""A look that is due within a minute is shown in yellow."""


def alarm_rows(state: LaunchState, now_ms: int) -> Iterator[Text]:
    """What fires, worst first, and when somebody has to look; nothing where neither is the case."""
    rows = [
        row for row in alert_rows(state, now_ms) if row.fires and row.cause != Cause.ROLLBACK.value
    ]  # the phase says that one
    for index, row in enumerate(rows[:MOST_ROWS]):
        on = f" on {row.subject}" if row.subject else ""
        taken = f", {_clean(row.acknowledged_by)} takes care" if row.acknowledged_by else ""
        since = seconds(max(0, now_ms - (row.since_ms or now_ms)))
        text = f"{row.rule}{on}: {row.state} for {since} ({row.severity.value}, {row.role}){taken}"
        style = "bold yellow" if row.until_ms is not None else "bold red"
        yield Text(f" {'' if index else 'alerts':<9}{_clean(text)}", style=style)
    if len(rows) > MOST_ROWS:
        yield Text(f" {'':<9}and {len(rows) - MOST_ROWS} more: tminus alerts", style="bold red")
    due_ms = look_due_ms(state)
    if due_ms is not None:
        left_ms = max(0, due_ms - now_ms)
        stage = state.plan.stages[state.alarms.stage]
        text = f"by {format_utc_clock(due_ms)} (in {seconds(left_ms)}), {stage.role}: tminus look"
        yield Text(f" {'look':<9}{text}", style="yellow" if left_ms <= SOON_MS else "dim")


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
