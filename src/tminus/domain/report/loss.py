"""What the loss meter counted, and the one line that a launch log ends with. Must not measure anything."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tminus.domain.canonical import Json
from tminus.domain.codec import from_json

_EXACT_TENTHS = 1_000  # below 100 ms a latency keeps its tenth of a millisecond
_P99 = 99


@dataclass(frozen=True, slots=True)
class LaneCount:
    """What became of the requests of one lane, or of all.

    Attributes:
        sent: requests begun; the sum of all that follow.
        answered: complete answers with a status below 500.
        failed: complete answers with 500 or above.
        lost: no complete header: refused, reset, closed before it, or no answer in time.
        cut: the header came, the body ended early or not in time.
        unfinished: under way when the meter ended; neither good nor bad.
    """

    sent: int = 0
    answered: int = 0
    failed: int = 0
    lost: int = 0
    cut: int = 0
    unfinished: int = 0

    @property
    def not_served(self) -> int:
        """Requests that a client would complain about."""
        return self.failed + self.lost + self.cut


@dataclass(frozen=True, slots=True)
class MeterFailure:
    """One request that was not served; `status` is 0 where no header came."""

    number: int
    lane: str
    at_ms: int
    fate: str
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class MeterCell:
    """Requests that began in one span of time.

    Attributes:
        at_ms: start of the span, milliseconds since the epoch.
        length_ms: its length.
        sent: requests that began in it and have ended.
        not_served: those of them that failed, were lost or cut.
        latencies: (tenths of a millisecond as `latency_key` rounds them, count), rising; complete answers
            only.
    """

    at_ms: int
    length_ms: int
    sent: int
    not_served: int
    latencies: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What one run of the meter saw.

    Attributes:
        started_ms: milliseconds since the epoch.
        ended_ms: of this reading; the meter may go on.
        total: all lanes together.
        lanes: by name: `kept` (GET on a kept connection), `new` (a connection for each GET), `post`.
        skipped: requests not sent because an earlier one of their lane took too long.
        cells: rising in time, without gaps where something was sent.
        failures: the first ones, at most a hundred.
    """

    started_ms: int
    ended_ms: int
    total: LaneCount
    lanes: Mapping[str, LaneCount] = field(default_factory=dict)
    skipped: int = 0
    cells: tuple[MeterCell, ...] = ()
    failures: tuple[MeterFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """The figure of a launch.

    Attributes:
        count: all requests of all meters.
        replayed: answers that the router's net gave by asking again, None when it does not count them.
        p99_before_tenths: 99th percentile before traffic moved, tenths of a millisecond; None without data.
        p99_after_tenths: the same from then on.
    """

    count: LaneCount
    replayed: int | None = None
    p99_before_tenths: int | None = None
    p99_after_tenths: int | None = None

    def text(self) -> str:
        """`0 of 1234 lost, 2 replayed, p99 4.1 → 5.2 ms`; says so when nothing was measured."""
        measured = self.count.sent - self.count.unfinished
        if measured == 0:
            return "loss unknown: no request was measured"
        parts = [f"{self.count.not_served} of {measured} lost{self._kinds()}"]
        if self.replayed is not None:
            parts.append(f"{self.replayed} replayed")
        before, after = _shown(self.p99_before_tenths), _shown(self.p99_after_tenths)
        if before or after:
            parts.append(f"p99 {before or 'unknown'} → {after or 'unknown'} ms")
        return ", ".join(parts)

    def _kinds(self) -> str:
        kinds = [
            (self.count.lost, "no answer"),
            (self.count.cut, "cut off"),
            (self.count.failed, "answered 5xx"),
        ]
        named = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
        return f" ({named})" if named else ""


def latency_key(tenths: int) -> int:
    """A latency in tenths of a millisecond as histograms keep it: exact below 100 ms, three digits above."""
    scale = 1
    while tenths // scale >= _EXACT_TENTHS:
        scale *= 10
    return tenths // scale * scale


def read_meter(body: Json) -> MeterReading:
    """The reading that a meter's job left as its result, or as its progress.

    Raises:
        DecodeError: it is something else.
    """
    return from_json(MeterReading, body)


def loss_of(readings: Sequence[MeterReading], cutover_ms: int | None, replayed: int | None = None) -> Loss:
    """The figure over all runs of the meter.

    Args:
        readings: in any order; none is no data.
        cutover_ms: when traffic first moved. The cell that holds this moment counts as after it, so that
            what the move itself cost is seen. None counts everything as before.
        replayed: as the router's own counters tell.
    """
    cells = [cell for reading in readings for cell in reading.cells]
    before = [cell for cell in cells if cutover_ms is None or cell.at_ms + cell.length_ms <= cutover_ms]
    after = [cell for cell in cells if cutover_ms is not None and cell.at_ms + cell.length_ms > cutover_ms]
    return Loss(
        _sum(reading.total for reading in readings),
        replayed,
        percentile_tenths(before, _P99),
        percentile_tenths(after, _P99),
    )


def percentile_tenths(cells: Iterable[MeterCell], percent: int) -> int | None:
    """The smallest latency that at least `percent` of the complete answers did not exceed (nearest rank).

    Tenths of a millisecond; None where no answer was complete.
    """
    counts: Counter[int] = Counter()
    for cell in cells:
        for latency, count in cell.latencies:
            counts[latency] += count
    rank = -(-sum(counts.values()) * percent // 100)
    for latency in sorted(counts):
        rank -= counts[latency]
        if rank <= 0:
            return latency
    return None


def merge_cells(cells: Sequence[MeterCell]) -> tuple[MeterCell, ...]:
    """Neighbours put together two by two: half as many cells, none forgotten."""
    return tuple(_pairs(cells))


def _pairs(cells: Sequence[MeterCell]) -> Iterator[MeterCell]:
    for first, second in zip(cells[::2], cells[1::2], strict=False):
        latencies = Counter(dict(first.latencies))
        latencies.update(dict(second.latencies))
        yield MeterCell(
            first.at_ms,
            second.at_ms + second.length_ms - first.at_ms,
            first.sent + second.sent,
            first.not_served + second.not_served,
            tuple(sorted(latencies.items())),
        )
    if len(cells) % 2:
        yield cells[-1]


def _sum(counts: Iterable[LaneCount]) -> LaneCount:
    known = tuple(counts)
    return LaneCount(
        sum(count.sent for count in known),
        sum(count.answered for count in known),
        sum(count.failed for count in known),
        sum(count.lost for count in known),
        sum(count.cut for count in known),
        sum(count.unfinished for count in known),
    )


def _shown(tenths: int | None) -> str:
    return "" if tenths is None else f"{tenths // 10}.{tenths % 10}"
