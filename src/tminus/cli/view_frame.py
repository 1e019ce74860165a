"""One picture of a launch for a terminal of a given size. Pure: the same look gives the same rows."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from tminus.cli.view_alarms import alarm_rows
from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TERMINAL, TRIAL, Phase
from tminus.domain.launch.reading import FaultReading, RouterReading, SlotReading
from tminus.domain.launch.route import FULL_BP
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import Hold, LaunchState
from tminus.domain.plan.limit import ALL_CLASSES, Metric
from tminus.domain.plan.times import format_utc_clock
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.figures import judge_reading, loss_of_event, p95_text, rate_text
from tminus.domain.report.forecast import forecast, forecast_text
from tminus.domain.report.log import LogLine, Renderer, seconds
from tminus.domain.watch.judge import percent_of
from tminus.engine.decide.step import Waiting

LEAST_COLUMNS, LEAST_ROWS = 60, 14
"""Below this the picture is cut off at the right and the bottom."""

_SHORT_DIGEST = 8
_LABEL = 10  # columns of the words at the left of what is said
_WAITING_ROWS = _HOLD_ROWS = 2
_FORWARD = (
    Phase.COUNTDOWN,
    Phase.POLL,
    Phase.STAGING,
    Phase.CUTOVER,
    Phase.VERIFYING,
    Phase.BAKING,
    Phase.PROMOTING,
    Phase.WATCHING,
    Phase.CLOSED,
)
_COLOURS = {Slot.BLUE: "blue", Slot.GREEN: "green"}
_BARS = {Slot.BLUE: "█", Slot.GREEN: "▓"}
_NOWHERE = "·"


@dataclass(frozen=True, slots=True)
class Look:
    """Everything one picture shows.

    Attributes:
        launch: its id.
        now_ms: of the picture.
        state: of the launch.
        t0_ms: T-0; of a launch that starts when it is ready, when staging began, and None until then.
        router: its reading, why there is none, or None while somebody else drives.
        slots: the same.
        waiting: what the launch waits for; None while somebody else drives.
        owner: the driver, as the journal names it.
        readings: figures of the slots that have any.
        lines: the log so far.
        loss: the loss meter's figure so far, empty without one.
        fault: why the journal takes no events, mostly empty.
        remark: something to be seen that is not in the journal, mostly empty.
    """

    launch: str
    now_ms: int
    state: LaunchState
    t0_ms: int | None = None
    router: RouterReading | FaultReading | None = None
    slots: Mapping[Slot, SlotReading] | FaultReading | None = None
    waiting: Waiting | None = None
    owner: str = ""
    readings: Mapping[Slot, ReadingTaken] = field(default_factory=dict)
    lines: Sequence[LogLine] = ()
    loss: str = ""
    fault: str = ""
    remark: str = ""


def frame(look: Look, columns: int, rows: int) -> list[Text]:
    """At most `rows` rows of at most `columns` cells, the end of the log last."""
    top = [*_head(look, columns), *_slots(look, columns), *_figures(look), *_words(look, columns)]
    room = rows - len(top) - 1
    if room > 0:
        top.append(Text("─" * columns, style="dim"))
        top.extend(_tail(look.lines, columns, room))
    for row in top:
        if "reverse" not in str(row.style) and " on " not in str(row.style):
            row.rstrip()
        row.truncate(columns, overflow="ellipsis")
    return top[:rows]


def _head(look: Look, columns: int) -> Iterator[Text]:
    state, plan = look.state, look.state.plan
    name = f" {plan.service} {plan.version} → {plan.environment}"
    with_id = f"{name}  {look.launch}"
    clock = f"{format_utc_clock(look.now_ms)} UTC  {_since_t0(look)} "
    name = with_id if len(with_id) + len(clock) < columns else name
    gap = max(1, columns - len(name) - len(clock))
    yield Text(f"{name}{' ' * gap}{clock}", style="bold reverse")
    yield _strip(state)


def _since_t0(look: Look) -> str:
    if look.t0_ms is None:
        return "T-0 when ready"
    offset_s = (look.now_ms - look.t0_ms) // 1000
    minutes, second = divmod(abs(offset_s), 60)
    hours, minute = divmod(minutes, 60)
    return f"T{'-' if offset_s < 0 else '+'}{hours}:{minute:02d}:{second:02d}"


def _strip(state: LaunchState) -> Text:
    strip = Text(" ")
    if state.phase in _FORWARD:
        polled = state.plan.polling is not None
        forward = [phase for phase in _FORWARD if polled or phase is not Phase.POLL]
        here = forward.index(state.phase)
        steps = [(phase.value, index - here) for index, phase in enumerate(forward[:-1])]
        if state.phase is Phase.CLOSED:
            steps = [(phase.value, -1) for phase in forward[:-1]] + [("closed", 0)]
    else:
        begun = "cutover" if state.cutover_ms is not None else "staging"
        steps = [("countdown", -1), (begun, -1), (state.phase.value.upper(), 0)]
    for index, (name, order) in enumerate(steps):
        if index:
            strip.append(" ▸ ", style="dim")
        if order == 0:
            bad = state.phase not in _FORWARD
            strip.append(f"[{name}]", style="bold red" if bad else "bold cyan")
        else:
            strip.append(name, style="green" if order < 0 else "dim")
    return strip


def _slots(look: Look, columns: int) -> Iterator[Text]:
    yield Text("")
    for slot in Slot:
        yield _slot(look, slot)
    yield _bar(look, columns)


def _slot(look: Look, slot: Slot) -> Text:
    state = look.state
    role, version, digest = _role(state, slot)
    up, wanted = "", ""
    if isinstance(look.slots, Mapping):
        reading = look.slots.get(slot, SlotReading(slot))
        digest = reading.digest or ""
        up = "down" if reading.down else f"{reading.healthy}/{reading.expected} up"
        if reading.down:
            version = "–"
        wanted = "" if reading.up or reading.down else "red"
    elif isinstance(look.slots, FaultReading):
        up, wanted = "unknown", "yellow"
    flight = ""
    if isinstance(look.router, RouterReading):
        count = look.router.in_flight.get(slot, 0)
        flight = f"{count} in flight" if count or _share(look, slot) else ""
    row = Text(" ")
    row.append(f"{slot.value:<6}", style=f"bold {_COLOURS[slot]}")
    row.append(f"{role:<10} {version:<12.12} ")
    row.append(f"{_short(digest):<9} ", style="dim")
    row.append(f"{up:<9} ", style=wanted)
    share_bp = _share(look, slot)
    row.append("    ? %  " if share_bp is None else f"{share_bp / 100:>5g} %  ", style="bold")
    row.append(flight)
    return row


def _role(state: LaunchState, slot: Slot) -> tuple[str, str, str]:
    candidate = (state.plan.version, state.artifact or "")
    if slot is state.candidate:
        role = "stable" if state.promoted else "candidate"
        return role, *candidate
    if state.stable is None:
        return "–", "–", ""
    role = "retired" if state.retired else "standby" if state.promoted else "stable"
    return role, state.stable_version or "?", state.stable_digest or ""


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHORT_DIGEST]


def _share(look: Look, slot: Slot) -> int | None:
    """What the router serves from the slot; by the journal while nobody here reads the router."""
    if isinstance(look.router, RouterReading):
        return look.router.serves_bp(slot)
    state = look.state
    if isinstance(look.router, FaultReading):
        return None
    if state.promoted or (state.phase in TRIAL and state.confirmed):
        candidate_bp = FULL_BP if state.promoted else state.share_bp
        return candidate_bp if slot is state.candidate else FULL_BP - candidate_bp
    if state.phase in BEFORE_TRAFFIC or (state.phase in TERMINAL and not state.promoted):
        return FULL_BP if slot is state.stable else 0
    return None


def _bar(look: Look, columns: int) -> Text:
    width = max(10, min(columns - 12, 66))
    bar = Text(" traffic  ")
    shares = {slot: _share(look, slot) for slot in Slot}
    if isinstance(look.router, FaultReading):
        return bar.append(f"unknown: the router cannot be read ({look.router.why})", style="bold yellow")
    used = 0
    for slot, share_bp in shares.items():
        cells = round((share_bp or 0) * width / FULL_BP)
        # A share that is served is seen, however small.
        cells = max(cells, 1) if share_bp else 0
        cells = min(cells, width - used)
        bar.append(_BARS[slot] * cells, style=_COLOURS[slot])
        used += cells
    bar.append(_NOWHERE * (width - used), style="dim")
    if isinstance(look.router, RouterReading) and look.router.distrust:
        bar.append(f"  left the candidate: {look.router.distrust.value}", style="bold red")
    return bar


def _figures(look: Look) -> Iterator[Text]:
    if not look.readings:
        return
    state = look.state
    yield Text("")
    yield Text(f" {'':<14}{'error rate':>12}{'p95':>14}{'traffic':>14}", style="dim")
    limits = tuple(
        each.limit
        for each in state.plan.triggers
        if each.limit.route_class == ALL_CLASSES and each.limit.is_absolute
    )
    for slot, reading in sorted(look.readings.items(), key=lambda item: item[0] is not state.candidate):
        error = "–" if reading.error_ppm is None else percent_of(reading.error_ppm)
        p95 = "–" if reading.error_ppm is None else p95_text(reading.p95_ms).removeprefix("p95 ")
        row = Text(" ")
        row.append(f"{slot.value:<14}", style=_COLOURS[slot])
        row.append(f"{error:>12}{p95:>14}{rate_text(reading.per_s_milli):>14}  ")
        if slot is state.candidate and (sign := _SIGNS[judge_reading(reading, limits)]):
            row.append(*sign)
        yield row
    error_limits = [limit.at_most for limit in limits if limit.metric is Metric.ERROR_RATE]
    p95_limits = [limit.at_most for limit in limits if limit.metric is Metric.LATENCY_P95]
    error = percent_of(min(error_limits)) if error_limits else "–"
    p95 = f"{min(p95_limits)} ms" if p95_limits else "–"
    yield Text(f" {'limit':<14}{error:>12}{p95:>14}", style="dim")


_SIGNS = {
    Outcome.PASS: ("✓ within limits", "green"),
    Outcome.FAIL: ("✗ beyond the limit", "bold red"),
    Outcome.INCONCLUSIVE: ("too few to judge", "yellow"),
}


def _override(look: Look, columns: int) -> Iterator[Text]:
    decided = look.state.poll.decided
    if decided is not None and decided.overridden_by:
        text = f" POLL OVERRIDDEN by {' and '.join(decided.overridden_by)}: {_clean(decided.why)} "
        yield Text(text.ljust(columns), style="bold white on red")


def _words(look: Look, columns: int) -> Iterator[Text]:
    yield Text("")
    hold = look.state.hold
    if hold is not None:
        yield from (Text(row, style="bold black on yellow") for row in _hold(look, hold, columns))
    yield from _override(look, columns)
    if look.fault:
        text = f" THE JOURNAL TAKES NO EVENTS: {_clean(look.fault)} "
        yield Text(text.ljust(columns), style="bold white on red")
    if look.remark:
        yield Text(f" {_clean(look.remark)}", style="bold red")
    if look.waiting is not None and hold is None:
        yield from _waiting(look.waiting, look.now_ms, columns)
    elif look.waiting is not None and look.waiting.unblock:
        yield Text(f" run      {look.waiting.unblock}")
    elif look.waiting is None and look.state.phase not in TERMINAL:
        yield Text(f" driven   by {_clean(look.owner) or 'nobody yet'}; `tminus why` says what it waits for")
    expected = forecast(look.state, look.now_ms, look.t0_ms)
    if expected is not None and hold is None:
        late = expected.late_ms is not None and expected.late_ms > 0
        yield Text(f" forecast {forecast_text(expected)}", style="bold red" if late else "dim")
    yield from alarm_rows(look.state, look.now_ms)
    if look.state.loss is not None and look.state.loss.sent:
        yield Text(f" loss     {loss_of_event(look.state.loss).text()}")
    elif look.loss:
        yield Text(f" loss     {look.loss} so far")


def _hold(look: Look, hold: Hold, columns: int) -> Iterator[str]:
    left = seconds(max(0, hold.expires_ms - look.now_ms))
    then = "" if look.waiting is None else f": {look.waiting.then}"
    since, until = format_utc_clock(hold.since_ms), format_utc_clock(hold.expires_ms)
    rows = [f"HOLD by {_clean(hold.by)} since {since}; at {until} (in {left}){then}"]
    rows += textwrap.wrap(_clean(hold.why), columns - 2, max_lines=_HOLD_ROWS, placeholder=" …")
    for row in rows:
        yield f" {row}".ljust(columns)


def _waiting(waiting: Waiting, now_ms: int, columns: int) -> Iterator[Text]:
    room = max(columns - _LABEL - 1, LEAST_COLUMNS - _LABEL)
    parts = textwrap.wrap(_clean(waiting.what), room, max_lines=_WAITING_ROWS, placeholder=" …")
    for index, part in enumerate(parts):
        yield Text(f" {'' if index else 'waiting':<{_LABEL - 1}}{part}")
    since = f"since {format_utc_clock(waiting.since_ms)} ({seconds(max(0, now_ms - waiting.since_ms))})"
    if waiting.until_ms is None:
        return
    left_ms = waiting.until_ms - now_ms
    when = f"at {format_utc_clock(waiting.until_ms)} (in {seconds(left_ms)})" if left_ms > 0 else "soon"
    both = f"{since}; {when}: {waiting.then}"
    for part in [both] if len(both) <= room else [since, f"{when}: {waiting.then}"]:
        yield Text(f"{'':<{_LABEL}}{part}", style="dim")


def _tail(lines: Sequence[LogLine], columns: int, room: int) -> list[Text]:
    renderer = Renderer(colour=True, ascii_only=False, width=columns)
    # Each line gives at least one row, so that many lines are always enough.
    shown = [row for line in lines[-room:] for row in renderer.rows(line)]
    return [Text.from_ansi(row) for row in shown[-room:]]


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
