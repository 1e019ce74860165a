"""Asks every probe in a thread of its own until told to stop, so that none waits for another."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tminus.adapters.measure.board import Board
from tminus.domain.canonical import Json
from tminus.domain.watch.measurement import Arm, MeasuredState, Missed, Taken, measurement_of
from tminus.domain.watch.probe import Probe
from tminus.ports.fault import PortFault
from tminus.ports.metrics import Source

MOST_PROBES = 64
"""Threads: 32 metrics of two versions."""

_NOTE_S = 0.5  # the progress is written no more often
_OVER_S = 0.5  # a source may answer a moment after its limit
_FINISH_LIMIT_S = 3.0  # of the job's grace of 5 s, for what is under way at the end


@dataclass(slots=True)
class _Asking:
    """One probe and the look at it that is under way, if one is."""

    probe: Probe
    open: Callable[[], Source]
    lock: threading.Lock = field(default_factory=threading.Lock)
    since: float | None = None
    began_ms: int = 0
    told_at: float = 0.0

    @property
    def key(self) -> tuple[str, Arm]:
        return self.probe.metric.name, self.probe.arm

    def begin(self) -> int:
        with self.lock:
            self.since = self.told_at = time.monotonic()
            self.began_ms = time.time_ns() // 1_000_000
            return self.began_ms

    def end(self) -> bool:
        """Ends the look; False when it was too late to count."""
        limit_s = self.probe.metric.limit_ms / 1000 + _OVER_S
        with self.lock:
            late = self.since is not None and time.monotonic() - self.since > limit_s
            self.since = None
            return not late

    def overdue_ms(self) -> int | None:
        """When a look began that should have ended, told again at the metric's own pace; else None."""
        metric, now = self.probe.metric, time.monotonic()
        with self.lock:
            if self.since is None or now - self.since <= metric.limit_ms / 1000 + _OVER_S:
                return None
            if self.told_at > self.since and now - self.told_at < metric.every_ms / 1000:
                return None
            self.told_at = now
            return time.time_ns() // 1_000_000


def collect(
    probes: Sequence[tuple[Probe, Callable[[], Source]]], directory: Path, stop: threading.Event
) -> Json:
    """Measures until told to stop.

    A source that hangs beyond its limit is told as slow while it does, and delays nobody. One that fails
    unseen is told too: silence would look calm.

    Args:
        probes: what to measure, each with how its source is opened.
        directory: of the job; `progress.json` in it is what was measured so far.
        stop: ends it.

    Returns:
        How many measurements counted, by metric; see `Board.figures`.
    """
    askings = [_Asking(probe, open_source) for probe, open_source in probes]
    board = Board([asking.key for asking in askings])
    threads = [
        threading.Thread(
            target=_ask_on, args=(asking, board, stop), name=asking.probe.metric.name, daemon=True
        )
        for asking in askings
    ]
    for thread in threads:
        thread.start()
    while True:
        for asking in askings:
            _tell_overdue(asking, board)
        # A full disk must not end the measuring.
        with suppress(OSError):
            _write(directory / "progress.json", board.body())
        if stop.wait(_NOTE_S):
            break
    finish_at = time.monotonic() + _FINISH_LIMIT_S
    for thread in threads:
        thread.join(max(0.0, finish_at - time.monotonic()))
    return {"measured": board.figures()}


def _ask_on(asking: _Asking, board: Board, stop: threading.Event) -> None:
    """Asks at the metric's pace; looks that fall due while one is under way are left out."""
    metric = asking.probe.metric
    source: Source | None = None
    due_at = time.monotonic()
    while not stop.wait(max(0.0, due_at - time.monotonic())):
        at_ms = asking.begin()
        try:
            source = source or asking.open()
            found: Taken | Missed = source.read(metric.limit_ms)
        except PortFault as fault:
            found = Missed(MeasuredState.INVALID, fault.why)
        except Exception as error:  # noqa: BLE001 - a source that ends unseen would look calm
            found = Missed(MeasuredState.INVALID, f"its source failed: {type(error).__name__}")
        if not asking.end():
            found = Missed(MeasuredState.SLOW, f"it answered after more than {metric.limit_ms} ms")
        before = board.newest(asking.key)
        board.add(metric.name, measurement_of(metric, found, at_ms, asking.probe.arm, before))
        due_at = max(due_at + metric.every_ms / 1000, time.monotonic())
    if source is not None:
        with suppress(PortFault, OSError):
            source.close()


def _tell_overdue(asking: _Asking, board: Board) -> None:
    at_ms = asking.overdue_ms()
    if at_ms is not None:
        metric = asking.probe.metric
        slow = Missed(MeasuredState.SLOW, f"it has not answered within {metric.limit_ms} ms")
        board.add(metric.name, measurement_of(metric, slow, at_ms, asking.probe.arm))


def _write(path: Path, body: Json) -> None:
    """Renamed but not synced: it is for readers after a crash of this process, not of the machine."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)
