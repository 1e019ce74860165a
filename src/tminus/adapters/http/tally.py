"""The meter's count while it runs: every number begun has exactly one fate. Must not send anything."""

import threading
from collections import Counter

from tminus.adapters.http.connection import Exchange, Fate
from tminus.domain.report.loss import (
    LaneCount,
    MeterCell,
    MeterFailure,
    MeterReading,
    latency_key,
    merge_cells,
)

FIRST_CELL_MS = 1_000
CELLS_LIMIT = (
    600  # ten minutes by the second, then coarser: a reading stays below 200 kB however long it runs
)
FAILURES_LIMIT = 100  # enough to see a pattern; the counts stay exact


class Tally:
    """Counts for several lanes at once; every method may be called from any thread."""

    def __init__(self, lanes: tuple[str, ...], started_ms: int) -> None:
        """Takes the names of the lanes and the time of the start, milliseconds since the epoch."""
        self._lock = threading.Lock()
        self._started_ms = started_ms
        self._sent = dict.fromkeys(lanes, 0)
        self._fates: dict[str, Counter[Fate]] = {lane: Counter() for lane in lanes}
        self._skipped = 0
        self._closed: tuple[MeterCell, ...] = ()
        self._cell_ms = FIRST_CELL_MS
        self._open: dict[int, _Cell] = {}
        self._failures: list[MeterFailure] = []

    def begin(self, lane: str) -> int:
        """The number of a request that is about to be sent; rising over all lanes from 1."""
        with self._lock:
            self._sent[lane] += 1
            return sum(self._sent.values())

    def skip(self, count: int) -> None:
        """Notes requests that were due and not sent."""
        with self._lock:
            self._skipped += count

    def end(self, lane: str, number: int, at_ms: int, exchange: Exchange) -> None:
        """Notes the fate of request `number`, begun at `at_ms`."""
        served = exchange.fate is Fate.ANSWERED
        with self._lock:
            self._fates[lane][exchange.fate] += 1
            cell = self._cell(at_ms)
            cell.sent += 1
            cell.not_served += not served
            if not exchange.why:
                cell.latencies[latency_key(exchange.duration_us // 100)] += 1
            if not served and len(self._failures) < FAILURES_LIMIT:
                status = exchange.answer.status
                self._failures.append(
                    MeterFailure(number, lane, at_ms, exchange.fate.value, status, exchange.why)
                )

    def reading(self, now_ms: int) -> MeterReading:
        """Everything counted so far; what is under way is `unfinished`."""
        with self._lock:
            lanes = {lane: _lane_count(self._sent[lane], self._fates[lane]) for lane in self._sent}
            sent = sum(self._sent.values())
            fates: Counter[Fate] = sum(self._fates.values(), Counter())
            cells = tuple(sorted((*self._closed, *self._opened()), key=lambda cell: cell.at_ms))
            failures = tuple(self._failures)
            skipped = self._skipped
        return MeterReading(
            self._started_ms, now_ms, _lane_count(sent, fates), lanes, skipped, cells, failures
        )

    def _cell(self, at_ms: int) -> "_Cell":
        at = self._started_ms + (at_ms - self._started_ms) // self._cell_ms * self._cell_ms
        if at not in self._open and len(self._closed) + len(self._open) >= CELLS_LIMIT:
            self._coarsen()
            at = self._started_ms + (at_ms - self._started_ms) // self._cell_ms * self._cell_ms
        return self._open.setdefault(at, _Cell())

    def _coarsen(self) -> None:
        """Halves the number of cells; those that come are twice as long."""
        self._closed = merge_cells(
            tuple(sorted((*self._closed, *self._opened()), key=lambda cell: cell.at_ms))
        )
        self._open = {}
        self._cell_ms *= 2

    def _opened(self) -> tuple[MeterCell, ...]:
        return tuple(
            MeterCell(at, self._cell_ms, cell.sent, cell.not_served, tuple(sorted(cell.latencies.items())))
            for at, cell in self._open.items()
        )


class _Cell:
    """A span that still counts."""

    __slots__ = ("latencies", "not_served", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.not_served = 0
        self.latencies: Counter[int] = Counter()


def _lane_count(sent: int, fates: Counter[Fate]) -> LaneCount:
    return LaneCount(
        sent,
        fates[Fate.ANSWERED],
        fates[Fate.FAILED],
        fates[Fate.LOST],
        fates[Fate.CUT],
        sent - sum(fates.values()),
    )
