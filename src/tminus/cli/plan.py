"""`tminus plan`: the timeline that a plan compiles to, and everything that was chosen for it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tminus.cli.routers import ROUTERS, load_fitting, lost_with
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.codec import to_json
from tminus.domain.plan.checklist import Attested, Checks, Probed, Worked
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.timeline import (
    TimelineEntry,
    compile_timeline,
    forecast_close_ms,
    forecast_end_ms,
    forecast_promotion_ms,
    safe_abort_ms,
)
from tminus.domain.plan.times import format_duration, format_relative, format_utc
from tminus.domain.problem import Problem
from tminus.plan.load import LoadedPlan


@click.command("plan", context_settings=dict(HELP_OPTIONS))
@click.argument("file", type=click.Path(path_type=Path), default=Path("launch.yaml"))
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(file: Path, *, as_json: bool) -> None:
    """Show what FILE (launch.yaml) will do, and what it left to defaults.

    Nothing is changed and nothing is asked: the same file gives the same answer everywhere.
    """
    loaded = load_fitting(file)
    click.echo(json.dumps(plan_json(loaded), indent=2, ensure_ascii=False) if as_json else plan_text(loaded))


def plan_json(loaded: LoadedPlan) -> dict[str, Any]:
    """All of it: times in milliseconds, offsets from T-0, limits in parts per million or milliseconds."""
    plan = loaded.plan
    return {
        "digest": loaded.digest,
        "plan": to_json(plan),
        "timeline": [asdict(entry) for entry in compile_timeline(plan)],
        "forecast": {
            "end_offset_ms": forecast_end_ms(plan),
            "slack_ms": slack_ms(plan),
            "safe_abort_offset_ms": safe_abort_ms(plan),
            "promotion_offset_ms": forecast_promotion_ms(plan),
            "close_offset_ms": forecast_close_ms(plan),
        },
        "choices": [asdict(choice) for choice in loaded.choices],
        "notes": [asdict(note) for note in loaded.notes],
    }


def slack_ms(plan: Plan) -> int | None:
    """How long before the end of its window the launch is expected to be verified; None where none is set."""
    if plan.window is None or plan.t0_ms is None:
        return None
    return plan.window.closes_ms - plan.t0_ms - forecast_end_ms(plan)


def plan_text(loaded: LoadedPlan) -> str:
    """The same for a terminal."""
    plan = loaded.plan
    choices = [(choice.path, choice.source, choice.value) for choice in loaded.choices]
    parts = [
        "\n".join(_table(_overview(loaded), "")),
        "Timeline\n" + "\n".join(_table(_rows(plan, compile_timeline(plan)))),
        "Chosen for you\n" + "\n".join(_table(choices)) if choices else "",
        "\n".join(note_text(note) for note in loaded.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def note_text(note: Problem) -> str:
    """As a problem, but not an error."""
    return note.text().replace("error[", "note[", 1)


def _overview(loaded: LoadedPlan) -> Iterator[tuple[str, str]]:
    plan = loaded.plan
    yield "launch", f"{plan.service} {plan.version} in {plan.environment}"
    yield "source", f"{plan.source.tag} of {plan.source.repository}"
    yield "type", "blue-green, zero downtime"
    yield "T-0", "now, as soon as it is ready" if plan.t0_ms is None else format_utc(plan.t0_ms)
    if plan.window is None:
        yield "window", "any time"
    else:
        yield "window", f"{format_utc(plan.window.opens_ms)} to {format_utc(plan.window.closes_ms)}"
    for freeze in plan.freezes:
        yield "freeze", f"{format_utc(freeze.opens_ms)} to {format_utc(freeze.closes_ms)}: {freeze.why}"
    lost = lost_with(ROUTERS[plan.router.name])
    yield "router", plan.router.name + (f", without {', '.join(lost)}" if lost else "")
    yield "duration", f"{format_duration(forecast_end_ms(plan))} from T-0 until verified{_fit(plan)}"
    safe, promoted, closes = (
        format_relative(each)
        for each in (safe_abort_ms(plan), forecast_promotion_ms(plan), forecast_close_ms(plan))
    )
    yield "abort", f"warm, in seconds, until {safe} at least; promotion is expected at {promoted}"
    yield "ends", f"{closes}; until then rollback is cold"
    if plan.checks is not None:
        yield "checks", _checks(plan.checks)
    yield "digest", loaded.digest


def _checks(checks: Checks) -> str:
    kinds = Counter(type(item.asks) for item in checks.items)
    parts = [
        f"{kinds[kind]} by {who}"
        for kind, who in ((Probed, "machines"), (Worked, "the launch's work"), (Attested, "people"))
        if kinds[kind]
    ]
    left = f", {len(checks.left_out)} of the handbook's left out" if checks.left_out else ""
    limit = format_duration(checks.deadline_ms)
    return f"{len(checks.items)}: {', '.join(parts)}{left}; all hold by T+{limit}, else {checks.then.value}"


def _fit(plan: Plan) -> str:
    slack = slack_ms(plan)
    if slack is None:
        return ""
    if slack < 0:
        return f", {format_duration(-slack)} after the window closes"
    return f", {format_duration(slack)} before the window closes"


def _rows(plan: Plan, entries: Iterable[TimelineEntry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        row = [format_relative(entry.offset_ms), entry.phase, entry.what]
        if plan.t0_ms is not None:
            row.insert(1, format_utc(plan.t0_ms + entry.offset_ms))
        if entry.latest_ms > entry.offset_ms:
            row[-1] += f" (at the latest {format_relative(entry.latest_ms)})"
        yield tuple(row)


def _table(rows: Iterable[tuple[str, ...]], indent: str = "  ") -> Iterator[str]:
    """Lines with aligned columns, two spaces between them."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{indent}{'  '.join(cells)}".rstrip()
