"""Whether the arrays say what the domain says: the same random series through both, number by number."""

import math

import numpy as np
from judging.vector import Array, Counts, Fleet, seen

from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.metric import Group, Kind, Metric
from tminus.domain.watch.evidence.rules import PPM, Rules
from tminus.domain.watch.evidence.tally import Arm, Reading

START_MS = 1_700_000_000_000
EDGES_MS = (100, 200, 300, 500)

METRICS = (
    Metric("rate", Kind.RATE, 10_000, 5_000),
    Metric("payments", Kind.RATE, 5_000, group=Group.PAYMENT, deduplicated=True),
    Metric("strict rate", Kind.RATE, 10_000, strict=True),
    Metric("against", Kind.AGAINST_STABLE, 1_500, 1_000, group=Group.RELATIVE, floor=5_000),
    Metric("strict against", Kind.AGAINST_STABLE, 1_500, group=Group.RELATIVE, strict=True),
    Metric(
        "latency against",
        Kind.LATENCY_AGAINST_STABLE,
        1_500,
        group=Group.LATENCY,
        edges_ms=EDGES_MS,
        cuts_ms=EDGES_MS,
    ),
    Metric(
        "baseline",
        Kind.AGAINST_BASELINE,
        1_500,
        group=Group.RELATIVE,
        baseline_bad=50,
        baseline_total=100_000,
    ),
)


def largest_difference(rng: np.random.Generator, seconds: int = 120) -> float:
    """The largest difference, relative above 1, of any logarithm that both hold after any block."""
    rules = Rules(METRICS)
    total, others = (rng.poisson(rng.choice([0.3, 20, 100]), seconds) for _ in range(2))
    share = np.where(np.arange(seconds) < seconds // 2, 0.002, 0.2)
    bad, other_bad = rng.binomial(total, share), rng.binomial(others, 0.002)
    slow = np.minimum(total[:, None], np.sort(rng.poisson(total[:, None] * [0.4, 0.2, 0.1, 0.05]))[:, ::-1])
    other_slow = np.minimum(
        others[:, None], np.sort(rng.poisson(others[:, None] * [0.4, 0.2, 0.1, 0.05]))[:, ::-1]
    )
    judge = Judge.start(rules)
    for second in range(seconds):
        at_ms = START_MS + 1000 * second + 500
        readings = []
        for metric in METRICS:
            for arm, k, n, above in (
                (Arm.CANDIDATE, bad, total, slow),
                (Arm.STABLE, other_bad, others, other_slow),
            ):
                within = tuple((n[second] - above[second]).tolist()) if metric.has_histogram else ()
                readings.append(Reading(metric.name, arm, at_ms, int(k[second]), int(n[second]), within))
        judge = judge.feed(*readings)
    judge = judge.tick(START_MS + 1000 * seconds + 2000, PPM)
    worst = 0.0
    for index, (metric, scales) in enumerate(zip(METRICS, rules.scales, strict=True)):
        track = judge.tracks[index]
        for scale, mass in ((scales.rollback, track.rollback), (scales.alert, track.alert)):
            if scale is None or mass is None:
                continue
            length = scales.block_ms // 1000
            fleet = Fleet(scale, 1, floor_ppm=metric.floor)
            latency = metric.has_histogram
            _run(
                fleet,
                slow if latency else bad,
                total,
                other_slow if latency else other_bad,
                others,
                length,
                burn_in=latency,
            )
            worst = max(
                worst, _difference(fleet.logs[0], mass.logs), _difference(fleet.log_e(), (mass.log_e,))
            )
    return worst


def _run(
    fleet: Fleet, bad: Counts, total: Counts, other_bad: Counts, others: Counts, length: int, *, burn_in: bool
) -> None:
    """As the domain does: cases before the end of the burn-in say nothing."""
    first = int(np.argmax(total > 0))
    for number in range(len(total) // length):
        part = slice(number * length, (number + 1) * length)
        ripe = not burn_in or (number > first + 30 and total[: part.start].sum() >= 200)
        block = [
            counts[part].sum(axis=0, keepdims=True) * int(ripe) for counts in (bad, total, other_bad, others)
        ]
        fleet.step(seen(*block), number)


def _difference(mine: Array, others: tuple[float, ...]) -> float:
    pairs = zip(mine.tolist(), others, strict=True)
    return max(
        abs(one - other) / max(1.0, abs(other)) if math.isfinite(other) else math.inf for one, other in pairs
    )
