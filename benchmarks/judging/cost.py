"""What watching costs: time per metric and block, bytes of a dump."""

import time
from dataclasses import dataclass

import numpy as np
from judging.agreement import METRICS, START_MS

from tminus.domain.watch.counts import BUCKETS_MS
from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.metric import Group, Kind, Metric
from tminus.domain.watch.evidence.rules import PPM, Rules
from tminus.domain.watch.evidence.tally import Arm, Reading

CASES = {
    "rate, rollback and alert": METRICS[0],
    "against stable, rollback and alert": METRICS[3],
    "95th percentile, rollback and alert": Metric("p95", Kind.P95, 500, 300, group=Group.LATENCY),
    "latency against stable, rollback and alert": Metric(
        "latency",
        Kind.LATENCY_AGAINST_STABLE,
        1_500,
        1_000,
        group=Group.LATENCY,
        floor=300,
        cuts_ms=(50, 100, 200, 300, 500),
    ),
}
TICKS_PER_S = 4


@dataclass(frozen=True)
class Cost:
    """Of one metric: microseconds of processor time per second of a launch, per judgement; a dump's bytes."""

    watched_us: float
    judged_us: float
    dumped_bytes: int


def cost(metric: Metric, rng: np.random.Generator, seconds: int) -> Cost:
    """Of a metric that is fed each second and ticked four times a second."""
    rules = Rules((metric,))
    judge = Judge.start(rules)
    readings = [_readings(metric, rng, second) for second in range(seconds)]
    began = time.process_time_ns()
    for second, these in enumerate(readings):
        judge = judge.feed(*these)
        for tick in range(TICKS_PER_S):
            judge = judge.tick(START_MS + 1000 * second + 510 + 240 * tick, PPM)
    watched_us = (time.process_time_ns() - began) / 1000 / seconds
    began = time.process_time_ns()
    for _ in range(200):
        judge.judgement()
    judged_us = (time.process_time_ns() - began) / 1000 / 200
    return Cost(watched_us, judged_us, len(judge.dump().encode()) - len(Judge.start(Rules(())).dump()))


def _readings(metric: Metric, rng: np.random.Generator, second: int) -> list[Reading]:
    arms = (Arm.CANDIDATE, Arm.STABLE) if metric.needs_stable else (Arm.CANDIDATE,)
    readings = []
    for arm in arms:
        total = int(rng.poisson(100))
        times = np.sort(60 * np.exp(0.8 * rng.standard_normal(total)))
        within = tuple(int(np.searchsorted(times, edge, "right")) for edge in BUCKETS_MS)
        bad = int(rng.binomial(total, 0.0005))
        at_ms = START_MS + 1000 * second + 500
        readings.append(Reading(metric.name, arm, at_ms, bad, total, within if metric.has_histogram else ()))
    return readings
