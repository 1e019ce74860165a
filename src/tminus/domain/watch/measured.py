"""Verdicts from measurements of the plan's own metrics. A measurement that is missing is no evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tminus.domain.plan.limit import Against, Limit, Side
from tminus.domain.plan.metric import MICRO, PERCENT, MetricDefinition, MetricKind
from tminus.domain.plan.times import SECOND_MS, format_duration
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.judge import PPM, STALE_MS, enough_to_fail, percent_of
from tminus.domain.watch.measurement import Arm, Measurement
from tminus.domain.watch.relative import Share, factor_text, judge_shares

FEWEST_SAMPLES = 3
"""A gauge is called neither fine nor broken on fewer samples: one may be a spike, two a coincidence."""

MISSES = 2
"""So many looks in a row may fail before a metric has no evidence any more."""

LASTING_PERCENT = 80
"""A gauge lasts beyond its limit when so many of the window's samples do: one dip between two peaks of a
busy machine is no recovery."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a limit on a metric is judged by.

    Attributes:
        metric: its definition.
        found: its measurements, oldest first.
        now_ms: of the tick.
        cutover_ms: when traffic began to move; None before.
    """

    metric: MetricDefinition
    found: Sequence[Measurement]
    now_ms: int
    cutover_ms: int | None = None

    @property
    def own(self) -> tuple[Measurement, ...]:
        """Of the candidate, or of both versions where the source cannot tell them apart."""
        return tuple(each for each in self.found if each.counts and each.arm is not Arm.STABLE)

    def reference(self, against: Against) -> tuple[Measurement, ...]:
        """Of what the limit compares with."""
        if against is Against.STABLE:
            return tuple(each for each in self.found if each.counts and each.arm is Arm.STABLE)
        before_ms = self.now_ms if self.cutover_ms is None else self.cutover_ms
        early = [each for each in self.found if each.counts and each.at_ms < before_ms]
        stable = [each for each in early if each.arm is Arm.STABLE]
        return tuple(stable or [each for each in early if each.arm is Arm.WHOLE])

    @property
    def fresh_ms(self) -> int:
        """How old the newest evidence may be."""
        return max(STALE_MS, MISSES * self.metric.every_ms + self.metric.limit_ms)

    @property
    def is_fresh(self) -> bool:
        """There is evidence, or none to be expected: people enter what they have to say."""
        own = self.own
        return self.metric.by_person or bool(own and self.now_ms - own[-1].at_ms <= self.fresh_ms)


def judge_measured(limit: Limit, watched: Watched) -> Verdict:
    """Whether a metric keeps `limit`, three-valued."""
    own = watched.own
    if not own:
        return _inconclusive(limit, _why_missing(watched))
    age_ms = watched.now_ms - own[-1].at_ms
    if not watched.metric.by_person and age_ms > watched.fresh_ms:
        newest = f"the newest measurement that counts is {format_duration(age_ms)} old"
        return _inconclusive(limit, f"{newest}; {_why_missing(watched)}")
    if watched.metric.counted is MetricKind.RATIO:
        return _judge_ratio(limit, watched)
    if limit.against is not Against.LIMIT:
        return _judge_relative(limit, watched)
    if watched.metric.counted is MetricKind.GAUGE and not watched.metric.by_person:
        return _judge_lasting(limit, watched)
    value = _count(limit, watched, own)
    why = f"{limit.name}: {amount(value, watched.metric.unit)}, limit {limit_text(limit, watched.metric)}"
    outcome = Outcome.FAIL if _is_beyond(limit, value) else Outcome.PASS
    return Verdict(limit.name, outcome, why)


def amount(micro: int, unit: str) -> str:
    """`82.5 %` or `312 ms`: at most three decimals."""
    thousandths = (abs(micro) + 500) // 1_000
    whole, part = divmod(thousandths, 1_000)
    digits = f"{part:03d}".rstrip("0")
    sign = "-" if micro < 0 and thousandths else ""
    number = f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
    return f"{number} {unit}" if unit else number


def limit_text(limit: Limit, metric: MetricDefinition) -> str:
    """`above 80 % for 2m`, as it is said behind a value."""
    if limit.against is not Against.LIMIT:
        return f"{factor_text(limit.at_most)} {limit.against.value}"
    if metric.counted is MetricKind.RATIO:
        return f"{limit.side.value} {percent_of(limit.at_most)}"
    text = f"{limit.side.value} {amount(limit.at_most, metric.unit)}"
    lasting = metric.counted is MetricKind.GAUGE and not metric.by_person
    return f"{text} for {format_duration(limit.window_ms)}" if lasting else text


def _judge_ratio(limit: Limit, watched: Watched) -> Verdict:
    own = _share(limit, watched, watched.own)
    if limit.against is not Against.LIMIT:
        return judge_shares(limit, own, _share(limit, watched, watched.reference(limit.against)))
    why = f"{limit.name}: {own.text}, limit {limit_text(limit, watched.metric)}"
    # A share of good cases that must not fall is a share of the others that must not rise.
    below = limit.side is Side.BELOW
    bad = own.total - own.bad if below else own.bad
    allowed_ppm = PPM - limit.at_most if below else limit.at_most
    if own.total and bad * PPM > allowed_ppm * own.total:
        outcome = Outcome.FAIL if enough_to_fail(limit, own.total, bad) else Outcome.INCONCLUSIVE
        return Verdict(limit.name, outcome, why)
    if own.total < max(limit.min_requests, 1):
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{why}; too few to judge")
    return Verdict(limit.name, Outcome.PASS, why)


def _share(limit: Limit, watched: Watched, found: Sequence[Measurement]) -> Share:
    if not found:
        return Share(0, 0)
    if not watched.metric.cumulative:
        return Share(found[-1].bad or 0, found[-1].total or 0)
    bad = total = 0
    for earlier, later in pairwise(_window(limit, watched, found)):
        was, now = (earlier.bad or 0, earlier.total or 0), (later.bad or 0, later.total or 0)
        # A counter that fell was reset, and counts from zero.
        reset = now[0] < was[0] or now[1] < was[1]
        bad += now[0] if reset else now[0] - was[0]
        total += now[1] if reset else now[1] - was[1]
    return Share(bad, total)


def _count(limit: Limit, watched: Watched, found: Sequence[Measurement]) -> int:
    """Cases within the window: people's notes add up, a counter is compared with itself."""
    values = [each.value_micro or 0 for each in _window(limit, watched, found)]
    if watched.metric.counted is MetricKind.COUNT and watched.metric.by_person:
        start_ms = watched.now_ms - limit.window_ms
        return sum(each.value_micro or 0 for each in found if each.at_ms > start_ms)
    if watched.metric.cumulative:
        return sum(now if now < was else now - was for was, now in pairwise(values))
    return found[-1].value_micro or 0


def _window(limit: Limit, watched: Watched, found: Sequence[Measurement]) -> Sequence[Measurement]:
    """Measurements of the window, and the one before it that bounds it; all of a baseline's."""
    if found and watched.cutover_ms is not None and found[-1].at_ms < watched.cutover_ms:
        return found
    start_ms = watched.now_ms - limit.window_ms
    first = next((index for index in range(len(found) - 1, -1, -1) if found[index].at_ms <= start_ms), 0)
    return found[first:]


def _judge_lasting(limit: Limit, watched: Watched) -> Verdict:
    """A gauge is beyond its limit when nearly every sample of the whole window is."""
    start_ms = watched.now_ms - limit.window_ms
    recent = [each for each in watched.own if each.at_ms > start_ms]
    text = limit_text(limit, watched.metric)
    if len(recent) < FEWEST_SAMPLES:
        return _inconclusive(limit, f"{len(recent)} samples in {format_duration(limit.window_ms)}, {text}")
    beyond = sum(_is_beyond(limit, each.value_micro or 0) for each in recent)
    newest = amount(recent[-1].value_micro or 0, watched.metric.unit)
    why = f"{limit.name}: {newest}, {beyond} of {len(recent)} samples beyond, limit {text}"
    if beyond * 100 < LASTING_PERCENT * len(recent):
        return Verdict(limit.name, Outcome.PASS, why)
    if not _covers(limit, watched, recent):
        spanned = format_duration(max(SECOND_MS, watched.now_ms - recent[0].at_ms))
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{why}; seen for {spanned} only")
    return Verdict(limit.name, Outcome.FAIL, why)


def _covers(limit: Limit, watched: Watched, recent: Sequence[Measurement]) -> bool:
    """Whether the samples show the whole window: neither begun late nor with most of it missing."""
    every_ms = max(watched.metric.every_ms, 1)
    expected = min(limit.window_ms // every_ms, _KEPT)
    begun_ms = recent[0].at_ms - (watched.now_ms - limit.window_ms)
    return begun_ms <= MISSES * every_ms + SECOND_MS and len(recent) * 2 >= expected


_KEPT = 120  # of each metric and version; a window of more samples is judged by these


def _judge_relative(limit: Limit, watched: Watched) -> Verdict:
    own, reference = watched.own, watched.reference(limit.against)
    than = limit.against.value
    if not reference:
        return _inconclusive(limit, f"nothing was measured of {than}")
    if watched.metric.counted is MetricKind.COUNT:
        mine, other = _count(limit, watched, own), _count(limit, watched, reference)
    else:
        start_ms = watched.now_ms - limit.window_ms
        recent = [each for each in own if each.at_ms > start_ms]
        if limit.against is Against.STABLE:
            reference = tuple(each for each in reference if each.at_ms > start_ms)
        if min(len(recent), len(reference)) < FEWEST_SAMPLES:
            why = f"{len(recent)} samples against {len(reference)} of {than}; too few to judge"
            return _inconclusive(limit, why)
        mine, other = _median(recent), _median(reference)
        if not _covers(limit, watched, recent) and _is_worse(limit, mine, other):
            return _inconclusive(limit, f"worse than {than}, and not seen for long enough")
    unit = watched.metric.unit
    why = f"{limit.name}: {amount(mine, unit)} against {amount(other, unit)} of {than}"
    why = f"{why}, limit {factor_text(limit.at_most)}"
    outcome = Outcome.FAIL if _is_worse(limit, mine, other) else Outcome.PASS
    return Verdict(limit.name, outcome, why)


def _is_worse(limit: Limit, mine: int, other: int) -> bool:
    scaled, allowed = mine * MICRO, limit.at_most * other
    return scaled > allowed if limit.side is Side.ABOVE else scaled < allowed


def _median(found: Sequence[Measurement]) -> int:
    ordered = sorted(each.value_micro or 0 for each in found)
    return ordered[len(ordered) // 2]


def _is_beyond(limit: Limit, micro: int) -> bool:
    return micro > limit.at_most if limit.side is Side.ABOVE else micro < limit.at_most


def _why_missing(watched: Watched) -> str:
    missed = [each for each in watched.found if not each.counts and each.arm is not Arm.STABLE]
    if missed:
        return f"{missed[-1].state.value}: {missed[-1].why}"
    return "nobody has entered it" if watched.metric.by_person else "nothing was measured yet"


def _inconclusive(limit: Limit, why: str) -> Verdict:
    return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{limit.name}: {why}")


def is_percent(metric: MetricDefinition) -> bool:
    """Whether its limits are written in percent."""
    return metric.counted is MetricKind.RATIO or metric.unit == PERCENT
