"""The live picture of a launch in a terminal, drawn with rich on the alternate screen."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tminus.cli.view_frame import Look, frame
from tminus.domain.launch.event import PhaseEntered, ReadingTaken, decode
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.report.figures import slot_reading
from tminus.domain.report.log import LogLine, Narrator, render
from tminus.domain.report.loss import loss_of, read_meter
from tminus.domain.watch.counts import Sample
from tminus.engine.drive import Tick
from tminus.ports.fault import PortFault
from tminus.ports.journal import Record

DRAW_EVERY_MS = 250
"""Four pictures a second: faster than anybody reads, slow enough to cost the driver nothing."""

COUNT_EVERY_MS = 1_000
"""Counters are sampled each second; reading them more often shows nothing new."""


class LiveView:
    """Draws at most four times a second, and only what has changed.

    When it is left, the terminal is as it was before and the whole log stands in it.

    Args:
        console: of the terminal.
        launch: id of the launch.
        now_ms: the clock, for pictures between ticks.
        samples: counters since a time, oldest first; the default shows the journal's readings only.
    """

    def __init__(
        self,
        console: Console,
        launch: str,
        now_ms: Callable[[], int],
        samples: Callable[[int], Sequence[Sample]] = lambda _: (),
    ) -> None:
        self._console = console
        self._launch = launch
        self._now_ms = now_ms
        self._samples = samples
        self._narrator = Narrator()
        self._lines: list[LogLine] = []
        self._taken: dict[Slot, ReadingTaken] = {}
        self._readings: Mapping[Slot, ReadingTaken] = {}
        self._tick: Tick | None = None
        self._remarks: list[str] = []
        self._staged_ms: int | None = None
        self._drawn_ms: int | None = None
        self._counted_ms: int | None = None
        self._shown: list[Text] = []
        self._live = Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        """Takes the alternate screen."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the terminal back and leaves the log in it."""
        self._live.stop()
        colour = self._console.color_system is not None and not self._console.no_color
        text = render(self._lines, colour=colour, ascii_only=False, width=self._console.width)
        self._console.file.write(text)
        for remark in self._remarks:
            self._console.file.write(f"{remark}\n")
        self._console.file.flush()

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """Takes in a tick, where this process drives, and what was journalled since the last call."""
        self.take(tick, records)
        now_ms = self._now_ms()
        # A clock that was set back draws at once instead of standing still.
        if self._drawn_ms is not None and 0 <= now_ms - self._drawn_ms < DRAW_EVERY_MS:
            return
        self._drawn_ms = now_ms
        self._draw(now_ms)

    def remark(self, text: str) -> None:
        """Shows the last line of something that is not in the journal; all of it once the view is left."""
        self._remarks.append(text.rstrip())

    def take(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """Takes in the same as `update`, and draws nothing."""
        self._tick = tick or self._tick
        for record in records:
            event = decode(record.kind, record.version, record.body)
            self._lines += self._narrator.tell(event, record.at_ms, record.seq)
            if isinstance(event, ReadingTaken):
                self._taken[event.slot] = event
            elif isinstance(event, PhaseEntered) and event.phase is Phase.STAGING:
                self._staged_ms = record.at_ms

    def look(self, state: LaunchState, now_ms: int) -> Look:
        """What there is to see now."""
        self._count(state, now_ms)
        tick = self._tick
        seen = None if tick is None else tick.observation
        return Look(
            launch=self._launch,
            now_ms=now_ms,
            state=state,
            t0_ms=self._staged_ms if state.t0_ms is None else state.t0_ms,
            router=None if seen is None else seen.router,
            slots=None if seen is None else seen.slots,
            waiting=None if tick is None else tick.step.waiting,
            owner=self._narrator.owner,
            readings=self._readings,
            lines=self._lines,
            loss=_loss_so_far(tick),
            fault="" if tick is None else tick.journal_fault,
            remark=self._remarks[-1].splitlines()[-1] if self._remarks else "",
        )

    def _draw(self, now_ms: int) -> None:
        state = self._tick.state if self._tick is not None else self._narrator.state
        if state is None:
            return
        rows = frame(self.look(state, now_ms), self._console.width, self._console.height)
        if rows != self._shown:
            self._shown = rows
            self._live.update(Group(*rows), refresh=True)

    def _count(self, state: LaunchState, now_ms: int) -> None:
        if self._counted_ms is not None and 0 <= now_ms - self._counted_ms < COUNT_EVERY_MS:
            return
        self._counted_ms = now_ms
        if state.phase not in TRIAL and state.phase is not Phase.WATCHING:
            self._readings = {}
            return
        window_ms = state.plan.longest_window_ms
        try:
            samples = self._samples(now_ms - window_ms - 2 * COUNT_EVERY_MS)
        except PortFault:
            samples = ()
        self._readings = _readings(state, samples, window_ms) or dict(self._taken)


def _readings(state: LaunchState, samples: Sequence[Sample], window_ms: int) -> Mapping[Slot, ReadingTaken]:
    candidate_bp = FULL_BP if state.promoted else state.share_bp
    readings = {}
    for slot in (state.candidate, state.stable):
        if slot is None:
            continue
        share_bp = candidate_bp if slot is state.candidate else FULL_BP - candidate_bp
        reading = slot_reading(samples, slot, state.generation, share_bp, window_ms)
        if reading is not None and (reading.requests or slot is state.candidate):
            readings[slot] = reading
    return readings


def _loss_so_far(tick: Tick | None) -> str:
    """What the meter's job says while it runs, where its reading carries that."""
    jobs = {} if tick is None else tick.observation.jobs
    job = jobs.get("meter-cold", jobs.get("meter"))
    if tick is None or job is None or not isinstance(job.result, dict):
        return ""
    try:
        return loss_of([read_meter(job.result)], tick.state.cutover_ms).text()
    except ValueError:
        return ""
