"""The evidence on one metric so far: blocks that are open, blocks that are closed, what they add up to.

Must not decide what follows from it. Memory does not grow with the launch.
"""

import math
from dataclasses import dataclass, replace

from tminus.domain.watch.evidence.detector import log_mean
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import SLOW_SHARE, Scale, Scales
from tminus.domain.watch.evidence.tally import EMPTY, Arm, Both, Reading, Tally

WATERMARK_MS = 2000
"""How long a block stays open for readings that are late. Later ones are dropped and counted."""

BURN_IN_CASES = 200
"""Latency counts from when these and the metric's burn-in have passed: compilers are no regression."""

NOTHING = Both()

GAUGE_WINDOW_MS = 120_000
GAUGE_BIN_MS = 5_000
GAUGE_BINS = 20
GAUGE_SHARE = 0.8
"""A gauge breaks its limit when this share of its samples is above it and they cover most of the window."""


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """A block that may still get readings.

    Attributes:
        number: milliseconds since the epoch divided by the block's length.
        seen: what both arms did so far.
        candidate_ms: time of the candidate's last reading; -1 before the first.
        stable_ms: time of stable's last reading; -1 before the first.
    """

    number: int
    seen: Both = NOTHING
    candidate_ms: int = -1
    stable_ms: int = -1


@dataclass(frozen=True, slots=True)
class Episode:
    """What happened since the evidence last stood at nothing: the cases that a verdict rests on.

    Attributes:
        since_ms: when it began, milliseconds since the epoch.
        candidate: the candidate's cases in it.
        stable: stable's cases in it.
    """

    since_ms: int = 0
    candidate: Tally = EMPTY
    stable: Tally = EMPTY


Span = tuple[int, int]  # numbers of the block before and of this one, counted from the first

NO_EPISODE = Episode()


@dataclass(frozen=True, slots=True)
class Mass:
    """What one scale holds.

    Attributes:
        logs: logarithms of the mixture's parts.
        log_e: natural logarithm of the evidence, made from `logs`.
        peak: highest logarithm of the evidence that has counted.
        episode: what the evidence rests on.
    """

    logs: tuple[float, ...]
    log_e: float
    peak: float = -math.inf
    episode: Episode = NO_EPISODE


@dataclass(frozen=True, slots=True)
class Bin:
    """Samples of a gauge within a few seconds."""

    number: int
    over_limit: int
    over_alert: int
    samples: int


@dataclass(frozen=True, slots=True)
class Track:
    """One metric's state.

    Attributes:
        rollback: against the limit; None without one.
        alert: against the alert limit.
        passing: for the target.
        began: number of the first block; None before it.
        closed: number of the last block that was closed.
        open: blocks that may still get readings, in order.
        newest_ms: time of the newest reading; -1 before the first.
        candidate: the candidate's cases in closed blocks.
        stable: stable's.
        exposed_ms: end of the candidate's first block with cases; None before it.
        seen_ms: time of the candidate's last reading with cases; -1 before it.
        stable_ms: time of stable's last reading with cases; -1 before it.
        bins: the gauge's samples in its window.
        late: readings that were dropped because their block was closed: too late, or given before.
        invalid: readings that say what cannot be: negative, not a number, more bad ones than cases.
        repeated: readings that were given before.
    """

    rollback: Mass | None = None
    alert: Mass | None = None
    passing: Mass | None = None
    began: int | None = None
    closed: int | None = None
    open: tuple[OpenBlock, ...] = ()
    newest_ms: int = -1
    candidate: Tally = EMPTY
    stable: Tally = EMPTY
    exposed_ms: int | None = None
    seen_ms: int = -1
    stable_ms: int = -1
    bins: tuple[Bin, ...] = ()
    late: int = 0
    invalid: int = 0
    repeated: int = 0


def begin(scales: Scales) -> Track:
    """A metric of which nothing has been read."""
    return Track(_empty(scales.rollback), _empty(scales.alert), _empty(scales.passing))


def fits(scales: Scales, track: Track) -> bool:
    """Whether a track holds as much as its scales need."""
    return all(
        (scale is None) == (mass is None)
        and (scale is None or mass is None or len(mass.logs) == scale.detector.size)
        for scale, mass in (
            (scales.rollback, track.rollback),
            (scales.alert, track.alert),
            (scales.passing, track.passing),
        )
    )


def read(metric: Metric, scales: Scales, track: Track, reading: Reading) -> Track:
    """The track with one more reading: in its block, and blocks closed whose time is over by it."""
    if not _is_sound(metric, reading):
        return replace(track, invalid=track.invalid + 1)
    number = reading.at_ms // scales.block_ms
    if track.closed is not None and number <= track.closed:
        return replace(track, late=track.late + 1)
    block = next((block for block in track.open if block.number == number), OpenBlock(number))
    last_ms = block.candidate_ms if reading.arm is Arm.CANDIDATE else block.stable_ms
    if reading.at_ms <= last_ms:
        return replace(track, repeated=track.repeated + 1)
    if metric.kind is Kind.GAUGE:
        track = replace(track, bins=_binned(metric, track.bins, reading))
        reading = replace(reading, bad=0, total=1)
    others = (other for other in track.open if other.number != number)
    seen_ms, stable_ms = track.seen_ms, track.stable_ms
    if reading.total and reading.arm is Arm.CANDIDATE:
        seen_ms = max(seen_ms, reading.at_ms)
    elif reading.total:
        stable_ms = max(stable_ms, reading.at_ms)
    added = _added(scales, block, reading)
    track = replace(
        track,
        open=tuple(sorted((*others, added), key=lambda block: block.number)),
        newest_ms=max(track.newest_ms, reading.at_ms),
        seen_ms=seen_ms,
        stable_ms=stable_ms,
    )
    return close(metric, scales, track, track.newest_ms)


def close(metric: Metric, scales: Scales, track: Track, now_ms: int) -> Track:
    """The track with every block closed that ended more than the watermark before `now_ms`."""
    while track.open and (track.open[0].number + 1) * scales.block_ms + WATERMARK_MS <= now_ms:
        track = replace(_fold(metric, scales, track, track.open[0]), open=track.open[1:])
    return track


def ahead(metric: Metric, scales: Scales, track: Track) -> Track:
    """The track as it would be if its open blocks were closed now.

    Looking before a block has ended is allowed: what follows in it can only multiply by factors whose mean
    is at most 1. Not so where a block is one bet as a whole, or where one arm has been read further.
    """
    if metric.strict:
        return track
    for block in track.open:
        if metric.needs_stable and block.candidate_ms != block.stable_ms:
            continue
        track = _fold(metric, scales, track, block)
    return track


def log_e(mass: Mass | None) -> float:
    """Natural logarithm of the evidence; minus infinity where none is gathered."""
    return -math.inf if mass is None else mass.log_e


def counts_above_floor(metric: Metric, scale: Scale, episode: Episode) -> bool:
    """Whether the candidate is bad enough by itself for a comparison with stable to roll it back."""
    if metric.floor is None:
        return True
    tally = episode.candidate
    if scale.floor_place is not None:
        return tally.bad_at(scale.floor_place) > SLOW_SHARE * tally.total
    return tally.bad * 1_000_000 > metric.floor * tally.total


def _empty(scale: Scale | None) -> Mass | None:
    if scale is None:
        return None
    logs = scale.detector.begin()
    return Mass(logs, log_mean(logs))


def _is_sound(metric: Metric, reading: Reading) -> bool:
    if metric.kind is Kind.GAUGE:
        value = reading.value
        return _is_whole(reading.at_ms) and isinstance(value, int | float) and math.isfinite(value)
    numbers = (reading.at_ms, reading.bad, reading.total, *reading.within)
    if not all(map(_is_whole, numbers)) or (reading.weight_ppm is not None and reading.weight_ppm < 0):
        return False
    if metric.kind is not Kind.COUNT and reading.bad > reading.total:
        return False
    if not metric.has_histogram:
        return not reading.within
    edges = (0, *reading.within, reading.total)
    return len(reading.within) == len(metric.edges_ms) and all(map(int.__le__, edges, edges[1:]))


def _is_whole(number: object) -> bool:
    return type(number) is int and number >= 0


def _added(scales: Scales, block: OpenBlock, reading: Reading) -> OpenBlock:
    tally = Tally(reading.bad, reading.total, _kept(scales, reading.within))
    seen = block.seen
    if reading.arm is Arm.STABLE:
        return replace(block, seen=replace(seen, stable=seen.stable + tally), stable_ms=reading.at_ms)
    same = block.candidate_ms < 0 or reading.weight_ppm == seen.weight_ppm
    seen = replace(seen, candidate=seen.candidate + tally, weight_ppm=reading.weight_ppm if same else None)
    return replace(block, seen=seen, candidate_ms=reading.at_ms)


def _kept(scales: Scales, within: tuple[int, ...]) -> tuple[int, ...]:
    return within if scales.kept is None or not within else tuple(within[edge] for edge in scales.kept)


def _binned(metric: Metric, bins: tuple[Bin, ...], reading: Reading) -> tuple[Bin, ...]:
    number = reading.at_ms // GAUGE_BIN_MS
    value = reading.value
    assert value is not None
    over_limit = int(metric.limit is not None and value > metric.limit)
    over_alert = int(metric.alert is not None and value > metric.alert)
    found = {entry.number: entry for entry in bins}
    entry = found.get(number, Bin(number, 0, 0, 0))
    found[number] = Bin(
        number, entry.over_limit + over_limit, entry.over_alert + over_alert, entry.samples + 1
    )
    first = max(found) - GAUGE_WINDOW_MS // GAUGE_BIN_MS
    return tuple(found[key] for key in sorted(found) if key > first)


def persists(bins: tuple[Bin, ...], over: int) -> bool:
    """Whether a gauge with so many samples above a limit is there for good, rather than for a moment."""
    return len(bins) >= GAUGE_BINS and over >= GAUGE_SHARE * sum(entry.samples for entry in bins)


def _fold(metric: Metric, scales: Scales, track: Track, block: OpenBlock) -> Track:
    """The track after one block more."""
    began = block.number if track.began is None else track.began
    closed = began if track.closed is None else track.closed
    span = (closed - began, block.number - began)
    seen = None if _is_burning_in(metric, scales, track, block) else block.seen
    at_ms = block.number * scales.block_ms
    exposed_ms = track.exposed_ms
    if exposed_ms is None and block.seen.candidate.total:
        exposed_ms = at_ms + scales.block_ms
    return replace(
        track,
        rollback=_weighed(metric, scales.rollback, track.rollback, seen, at_ms, span),
        alert=_weighed(metric, scales.alert, track.alert, seen, at_ms, span),
        passing=_weighed(metric, scales.passing, track.passing, seen, at_ms, span),
        began=began,
        closed=block.number,
        candidate=track.candidate + block.seen.candidate,
        stable=track.stable + block.seen.stable,
        exposed_ms=exposed_ms,
    )


def _weighed(
    metric: Metric,
    scale: Scale | None,
    mass: Mass | None,
    seen: Both | None,
    at_ms: int,
    span: Span,
) -> Mass | None:
    """What a scale holds after a block; `seen` is None while nothing counts."""
    if scale is None or mass is None:
        return mass
    detector = scale.detector
    ratios = None if seen is None else scale.kernel.log_ratios(seen)
    logs = detector.step(mass.logs, ratios, detector.restarts_between(*span))
    held = log_mean(logs)
    if seen is None:
        return Mass(logs, held, mass.peak, mass.episode)
    episode = mass.episode if mass.log_e > 0 else Episode(at_ms)
    episode = Episode(episode.since_ms, episode.candidate + seen.candidate, episode.stable + seen.stable)
    counts = not scale.gated or counts_above_floor(metric, scale, episode)
    return Mass(logs, held, max(mass.peak, held) if counts else mass.peak, episode)


def _is_burning_in(metric: Metric, scales: Scales, track: Track, block: OpenBlock) -> bool:
    if not metric.has_histogram:
        return False
    if track.exposed_ms is None or track.candidate.total < BURN_IN_CASES:
        return True
    return block.number * scales.block_ms < track.exposed_ms + metric.burn_in_ms
