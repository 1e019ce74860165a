"""What a step can prove and find at the traffic it gets, before it begins. Must not look at any reading.

Times are those of the mean course of the evidence; a launch's own differ by chance. They count from when the
traffic comes, for latency from the end of the burn-in.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tminus.domain.plan.times import format_duration
from tminus.domain.watch.evidence.clean_run import cases_missing
from tminus.domain.watch.evidence.detector import log_mean
from tminus.domain.watch.evidence.kernel import Linear, TwoArms
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import MILLI, PPM, SLOW_SHARE, Rules, Scale, Scales, target_of
from tminus.domain.watch.evidence.tally import Both, Tally
from tminus.domain.watch.judge import percent_of

_MOST_BLOCKS = 7 * 24 * 3600  # a week of seconds: what takes longer is not found
_TAILS = 9.0  # standard deviations of a count that are summed over
_HALVINGS = 30
_TIMES = (2, 5)


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a regression stays unseen: its share of bad cases, and a time or None for never."""

    share_ppm: int
    after_ms: int | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a step can prove and find.

    Attributes:
        metric: its name.
        per_s_milli: the candidate's cases per second, in thousandths.
        step_ms: length of the step.
        clean_cases: cases without a bad one that pass; None where the metric cannot pass.
        clean_ms: how long they take.
        pass_ms: how long a pass takes a candidate that is as healthy as was assumed; None for never.
        delays: twice the limit, five times the limit, total failure.
        smallest_ppm: the smallest share of bad cases that is found within the step; None where not even a
            total failure is.
        why: one sentence with these numbers.
    """

    metric: str
    per_s_milli: int
    step_ms: int
    clean_cases: int | None
    clean_ms: int | None
    pass_ms: int | None
    delays: tuple[Delay, ...]
    smallest_ppm: int | None
    why: str

    @property
    def underpowered(self) -> bool:
        """Whether the step is too short for a pass, even without a single bad case."""
        return self.clean_ms is not None and self.clean_ms > self.step_ms


def forecast(
    rules: Rules,
    name: str,
    per_s_milli: int,
    step_ms: int,
    healthy_ppm: int = 500,
    stable_per_s_milli: int = 0,
) -> Forecast:
    """What a step can prove and find of one metric.

    Args:
        rules: the launch's rules.
        name: the metric; a rate, a 95th percentile, or errors against stable or against a baseline.
        per_s_milli: the candidate's cases per second in the step, in thousandths.
        step_ms: length of the step.
        healthy_ppm: share of bad (or slow) cases of a healthy candidate, and of stable.
        stable_per_s_milli: stable's cases per second, in thousandths, for a comparison.

    Raises:
        KeyError: there is no metric of that name.
        ValueError: the metric is of a kind that is not foreseen.
    """
    index = rules.index(name)
    metric, scales = rules.metrics[index], rules.scales[index]
    course = _course(metric, scales, per_s_milli / MILLI, stable_per_s_milli / MILLI, healthy_ppm / PPM)
    clean_cases, clean_ms, pass_ms = _pass_times(scales, per_s_milli, healthy_ppm)
    limit = _limit_share(metric, healthy_ppm)
    shares = [min(times * limit, 1.0) for times in _TIMES] + [1.0]
    delays = tuple(
        Delay(round(share * PPM), None if course is None else _delay_ms(scales, course(share)))
        for share in dict.fromkeys(shares)
    )
    smallest = None if course is None else _smallest_ppm(scales, course, limit, step_ms)
    made = Forecast(name, per_s_milli, step_ms, clean_cases, clean_ms, pass_ms, delays, smallest, "")
    return replace(made, why=_said(made))


Course = Callable[[float], tuple[float, ...]]
"""From a share of bad cases to the mean gain per block of each alternative."""


def _course(
    metric: Metric, scales: Scales, per_s: float, stable_per_s: float, healthy: float
) -> Course | None:
    scale = scales.rollback or scales.alert
    if scale is None:
        return None
    kernel, block_s = scale.kernel, scales.block_ms / MILLI
    if isinstance(kernel, Linear) and metric.kind is not Kind.COUNT:
        # The formula counts what lies above an edge; here every bad case does.
        plain = Scale(Linear(kernel.per_bad, kernel.per_case), scale.detector)
        return lambda share: _gains_one(plain, per_s * block_s, share)
    if isinstance(kernel, TwoArms) and kernel.edges == (None,):

        def compared(share: float) -> tuple[float, ...]:
            if metric.floor is not None and share * PPM <= metric.floor:
                return ()
            return _gains_two(scale, per_s * block_s, stable_per_s * block_s, share, healthy)

        return compared
    raise ValueError(f"{metric.name}: a metric of kind {metric.kind.value} cannot be foreseen")


def _gains_one(scale: Scale, cases: float, share: float) -> tuple[float, ...]:
    total = [0.0] * scale.kernel.size
    for chance, whole in _wholes(cases):
        for weight, bad in _counts(whole, share):
            ratios = scale.kernel.log_ratios(Both(Tally(bad, whole)))
            _add(total, scale, ratios, chance * weight)
    return tuple(total)


def _gains_two(
    scale: Scale, cases: float, stable_cases: float, share: float, healthy: float
) -> tuple[float, ...]:
    total = [0.0] * scale.kernel.size
    for chance, whole in _wholes(cases):
        for other_chance, others in _wholes(stable_cases):
            for weight, bad in _counts(whole, share):
                for other_weight, other_bad in _counts(others, healthy):
                    ratios = scale.kernel.log_ratios(Both(Tally(bad, whole), Tally(other_bad, others)))
                    _add(total, scale, ratios, chance * other_chance * weight * other_weight)
    return tuple(total)


def _add(total: list[float], scale: Scale, ratios: tuple[float, ...] | None, weight: float) -> None:
    if ratios is None:
        return
    detector = scale.detector
    for index, ratio in enumerate(ratios):
        total[index] += weight * min(ratio / detector.temper, detector.cap)


def _wholes(cases: float) -> Iterator[tuple[float, int]]:
    """A mean number of cases as the two whole numbers beside it, with their chances."""
    low = math.floor(cases)
    for chance, whole in ((1 - (cases - low), low), (cases - low, low + 1)):
        if chance > 0 and whole > 0:
            yield chance, whole


def _counts(cases: int, share: float) -> Iterator[tuple[float, int]]:
    """Binomial chances of each number of bad cases that has any."""
    if share in (0.0, 1.0):
        yield 1.0, round(cases * share)
        return
    mean = cases * share
    spread = _TAILS * math.sqrt(mean * (1 - share)) + _TAILS
    first, last = max(0, math.floor(mean - spread)), min(cases, math.ceil(mean + spread))
    whole = math.lgamma(cases + 1)
    for bad in range(first, last + 1):
        log = whole - math.lgamma(bad + 1) - math.lgamma(cases - bad + 1)
        yield math.exp(log + bad * math.log(share) + (cases - bad) * math.log1p(-share)), bad


def _delay_ms(scales: Scales, gains: tuple[float, ...]) -> int | None:
    scale = scales.rollback or scales.alert
    assert scale is not None
    detector = scale.detector

    def fires(blocks: int) -> bool:
        return (
            log_mean(tuple(math.log(detector.start) + blocks * gain for gain in gains)) >= detector.threshold
        )

    if max(gains, default=0.0) <= 0 or not fires(_MOST_BLOCKS):
        return None
    return _first(fires, _MOST_BLOCKS) * scales.block_ms


def _first(holds: Callable[[int], bool], most: int) -> int:
    """The smallest whole number up to `most` at which something that stays true becomes so."""
    low, high = 0, most
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _smallest_ppm(scales: Scales, course: Course, limit: float, step_ms: int) -> int | None:
    def found(share: float) -> bool:
        delay_ms = _delay_ms(scales, course(share))
        return delay_ms is not None and delay_ms <= step_ms

    if not found(1.0):
        return None
    low, high = limit, 1.0
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)  # shares lie over orders of magnitude
        low, high = (low, middle) if found(middle) else (middle, high)
        if high < low * 1.01:
            break
    return math.ceil(high * PPM)


def _pass_times(
    scales: Scales, per_s_milli: int, healthy_ppm: int
) -> tuple[int | None, int | None, int | None]:
    """Clean cases for a pass, the time for them, and the time for a candidate with some bad ones."""
    scale = scales.passing
    if scale is None or not isinstance(scale.kernel, Linear):
        return None, None, None
    kernel, detector, begun = scale.kernel, scale.detector, scale.detector.begin()
    clean = cases_missing(kernel, detector, begun)
    if clean is None or not per_s_milli:
        return clean, None, None
    share = healthy_ppm / PPM
    gains = tuple(share * u + v for u, v in zip(kernel.per_bad, kernel.per_case, strict=True))
    cases = cases_missing(Linear(gains, gains), detector, begun)
    return (
        clean,
        -(-clean * MILLI * MILLI // per_s_milli),
        None if cases is None else -(-cases * MILLI * MILLI // per_s_milli),
    )


def _limit_share(metric: Metric, healthy_ppm: int) -> float:
    limit = metric.limit if metric.limit is not None else target_of(metric) or 0
    if metric.kind is Kind.P95:
        return SLOW_SHARE
    if metric.compares:
        odds = healthy_ppm / (PPM - healthy_ppm) * limit / MILLI
        return odds / (1 + odds)
    return limit / PPM


def _said(made: Forecast) -> str:
    rate = f"{made.metric}: at {made.per_s_milli / MILLI:g} per second"
    parts = []
    if made.clean_cases is not None:
        parts.append(
            f"a pass takes {made.clean_cases} clean cases ({_time(made.clean_ms)}), "
            f"{_time(made.pass_ms)} for a healthy candidate"
        )
    found = ", ".join(f"{percent_of(delay.share_ppm)} in {_time(delay.after_ms)}" for delay in made.delays)
    parts.append(f"finds {found}")
    smallest = "nothing" if made.smallest_ppm is None else f"{percent_of(made.smallest_ppm)} or more"
    parts.append(f"a step of {format_duration(made.step_ms)} finds {smallest}")
    return f"{rate}, {'; '.join(parts)}"


def _time(ms: int | None) -> str:
    return "never" if ms is None else format_duration(-(-ms // MILLI) * MILLI)
