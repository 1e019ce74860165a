"""Whether one version does worse than a reference by more than a factor. Must not fetch either of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES, Against, Limit, Metric
from tminus.domain.plan.metric import MICRO
from tminus.domain.plan.times import format_duration
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.counts import Counts, Sample
from tminus.domain.watch.judge import FEWEST_BAD, PPM, SLOW_SHARE_PPM, STALE_MS, counts_in_window, percent_of

_P95 = 950  # per mille


@dataclass(frozen=True, slots=True)
class Share:
    """Bad of all cases."""

    bad: int
    total: int

    @property
    def text(self) -> str:
        """`3 of 200 (1.5 %)`."""
        shown = percent_of(self.bad * PPM // self.total) if self.total else "nothing to count"
        return f"{self.bad} of {self.total} ({shown})"


def factor_text(factor_micro: int) -> str:
    """`1.5x` for 1 500 000."""
    whole, part = divmod(factor_micro, MICRO)
    digits = f"{part:06d}".rstrip("0")
    return f"{whole}.{digits}x" if digits else f"{whole}x"


def judge_shares(limit: Limit, own: Share | None, reference: Share | None) -> Verdict:
    """Whether the share of `own` exceeds that of `reference` by more than the limit's factor.

    The reference is given one bad case more than it had, so that three failures beside a spotless
    reference are not a catastrophe; its share is then never zero.
    """
    than = limit.against.value
    if own is None or reference is None:
        what = "the candidate" if own is None else than
        return _inconclusive(limit, f"nothing was counted for {what}")
    factor = factor_text(limit.at_most)
    why = f"{limit.name}: {own.text} against {reference.text} of {than}, limit {factor}"
    if min(own.total, reference.total) < max(limit.min_requests, 1):
        return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{why}; too few to judge")
    if own.bad * reference.total * MICRO <= limit.at_most * (reference.bad + 1) * own.total:
        return Verdict(limit.name, Outcome.PASS, why)
    outcome = Outcome.FAIL if own.bad >= FEWEST_BAD else Outcome.INCONCLUSIVE
    return Verdict(limit.name, outcome, why)


def judge_routed(
    limit: Limit, samples: Sequence[Sample], slot: Slot, stable: Slot | None, generation: int, now_ms: int
) -> Verdict:
    """As `judge.judge_limit`, for a limit against stable or against the baseline."""
    if stable is None:
        return _inconclusive(limit, "a first launch has no stable version to compare with")
    if not samples:
        return _inconclusive(limit, "no counters were read")
    age_ms = now_ms - samples[-1].at_ms
    if age_ms > STALE_MS:
        return _inconclusive(limit, f"the newest counters are {format_duration(age_ms)} old")
    own = counts_in_window(samples, slot, generation, limit.route_class, limit.window_ms) or Counts()
    reference = (
        counts_in_window(samples, stable, generation, limit.route_class, limit.window_ms) or Counts()
        if limit.against is Against.STABLE
        else baseline_counts(samples[-1], stable, generation, limit.route_class)
    )
    if limit.metric is Metric.ERROR_RATE:
        shares = [Share(each.failures, each.requests) for each in (own, reference)]
        return judge_shares(limit, shares[0], shares[1])
    return _judge_p95(limit, own, reference)


def baseline_counts(sample: Sample, stable: Slot, generation: int, route_class: str) -> Counts:
    """What stable did before the trial: under every generation that the router still knows of it."""
    classes = None if route_class == ALL_CLASSES else frozenset({route_class})
    generations = {each.generation for each in sample.classes if each.slot is stable} - {generation}
    return sum((sample.total(stable, each, classes) for each in sorted(generations)), Counts())


def _judge_p95(limit: Limit, own: Counts, reference: Counts) -> Verdict:
    than = limit.against.value
    if min(own.answers, reference.answers) < max(limit.min_requests, 1):
        why = f"{own.answers} answers against {reference.answers} of {than}; too few to judge"
        return _inconclusive(limit, why)
    normal_ms = reference.quantile_ms(_P95)
    if normal_ms is None:
        return _inconclusive(limit, f"p95 of {than} is beyond what is measured")
    allowed_ms = normal_ms * limit.at_most // MICRO
    slower = own.slower_than(allowed_ms)
    why = (
        f"{limit.name}: {slower} of {own.answers} slower than {allowed_ms} ms, which is "
        f"{factor_text(limit.at_most)} the {normal_ms} ms of {than}; limit 5 %"
    )
    if slower * PPM <= SLOW_SHARE_PPM * own.answers:
        return Verdict(limit.name, Outcome.PASS, why)
    outcome = Outcome.FAIL if slower >= FEWEST_BAD else Outcome.INCONCLUSIVE
    return Verdict(limit.name, outcome, why)


def _inconclusive(limit: Limit, why: str) -> Verdict:
    return Verdict(limit.name, Outcome.INCONCLUSIVE, f"{limit.name}: {why}")
