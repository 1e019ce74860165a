"""One picture of a launch's evidence for a terminal of a given width. Pure."""

from collections.abc import Iterator

from rich.text import Text

from tminus.cli.evidence_look import EvidenceLook
from tminus.cli.view_alarms import alarm_rows
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.plan.times import format_duration, format_utc_clock
from tminus.domain.report.evidence import MetricRow
from tminus.domain.report.figures import p95_text, rate_text, slot_reading
from tminus.domain.report.log import seconds
from tminus.domain.watch.evidence.judgement import State
from tminus.domain.watch.judge import percent_of

BAR_CELLS = 20
_NAME = 30
_STATE = 14
_WINDOW_MS = 10_000  # of the figures of traffic: steady enough to read, young enough to mean now
_COLOURS = {Slot.BLUE: "blue", Slot.GREEN: "green"}
_STYLES = {
    State.ROLLBACK.value: "bold red",
    State.STALE.value: "bold yellow",
    State.NO_DATA.value: "bold yellow",
    State.ALERT.value: "bold red",
    State.PASS.value: "green",
    State.UNDERPOWERED.value: "yellow",
    State.COLLECTING.value: "",
}


def watch_frame(look: EvidenceLook, columns: int) -> list[Text]:
    """Rows of at most `columns` cells: where the launch stands, traffic, every metric, what fires."""
    rows = [*_head(look, columns), *_traffic(look), *_metrics(look, columns), Text("")]
    rows += [*_stage(look), *alarm_rows(look.state, look.now_ms)]
    for row in rows:
        if "reverse" not in str(row.style):
            row.rstrip()
        row.truncate(columns, overflow="ellipsis")
    return rows


def _head(look: EvidenceLook, columns: int) -> Iterator[Text]:
    plan, state = look.state.plan, look.state
    name = f" {plan.service} {plan.version} → {plan.environment}  {look.launch}"
    clock = f"{format_utc_clock(look.now_ms)} UTC "
    yield Text(f"{name}{' ' * max(1, columns - len(name) - len(clock))}{clock}", style="bold reverse")
    held = f", HELD by {state.hold.by}: {state.hold.why}" if state.hold is not None else ""
    phase = f" {state.phase.value} for {seconds(max(0, look.now_ms - state.entered_ms))}{held}"
    yield Text(phase, style="bold yellow" if held else "")


def _traffic(look: EvidenceLook) -> Iterator[Text]:
    state = look.state
    yield Text("")
    tried_bp = state.share_bp if state.phase in TRIAL else 0
    candidate_bp = FULL_BP if state.promoted else tried_bp
    for slot in (state.candidate, state.stable):
        if slot is None:
            continue
        mine = slot is state.candidate
        share_bp = candidate_bp if mine else FULL_BP - candidate_bp
        reading = slot_reading(look.samples, slot, state.generation, share_bp, _WINDOW_MS)
        row = Text(" ")
        row.append(f"{slot.value:<6}", style=f"bold {_COLOURS[slot]}")
        row.append(f"{'candidate' if mine and not state.promoted else 'stable':<11}{share_bp / 100:>5g} %")
        if reading is not None and reading.error_ppm is not None:
            p95 = p95_text(reading.p95_ms)
            error = percent_of(reading.error_ppm)
            row.append(f"{rate_text(reading.per_s_milli):>14}{error:>12} errors{p95:>16}")
        yield row


def _metrics(look: EvidenceLook, columns: int) -> Iterator[Text]:
    yield Text("")
    rows = look.rows
    if not rows:
        weighs = look.state.plan.weighs
        waits = look.state.phase not in TRIAL and look.state.phase is not Phase.WATCHING
        why = "evidence is weighed while the candidate has traffic" if weighs else "every limit has a window"
        yield Text(f" nothing is weighed: {why}" if waits or not weighs else " nothing has been weighed yet")
        return
    yield Text(f" {'metric':<{_NAME}}{'state':<{_STATE}}{'evidence':<{BAR_CELLS + 2}}  limit", style="dim")
    for row in rows:
        yield from _metric(row, columns)


def _metric(row: MetricRow, columns: int) -> Iterator[Text]:
    weighed = row.weighed
    style = _STYLES.get(weighed.state, "")
    shown = Text(" ")
    shown.append(f"{_fit(weighed.metric, _NAME - 1):<{_NAME}}")
    shown.append(f"{weighed.state:<{_STATE}}", style=style)
    full = row.filled_milli * BAR_CELLS // 1000
    shown.append("█" * full, style="red" if row.filled_milli else "")
    shown.append("·" * (BAR_CELLS - full), style="dim")
    limit = row.rolls_back or row.alerts
    shown.append(f"    {limit}")
    yield shown
    passing = ""
    if weighed.cases_to_pass:
        passing = f", {weighed.cases_to_pass} more good cases to pass"
    figure = row.interval or f"{weighed.bad} of {weighed.total}"
    yield Text(f"  {figure}, {weighed.total} cases{passing}"[:columns], style="dim")


def _fit(text: str, cells: int) -> str:
    return text if len(text) <= cells else f"{text[: cells - 1]}…"


def _stage(look: EvidenceLook) -> Iterator[Text]:
    state = look.state
    stages = state.plan.stages
    if not 0 <= state.alarms.stage < len(stages) or state.cutover_ms is None:
        return
    stage = stages[state.alarms.stage]
    left_ms = state.cutover_ms + stage.until_ms - look.now_ms
    left = format_duration(max(0, left_ms) // 1000 * 1000)
    yield Text(
        f" stage    {state.alarms.stage + 1} of {len(stages)}: {stage.role}, {left} left"
        f"{f': {stage.action}' if stage.action else ''}"
    )
