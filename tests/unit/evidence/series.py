"""Series of readings for tests of the evidence."""

from collections.abc import Iterable, Sequence
from typing import Any

from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.metric import Kind, Metric
from tminus.domain.watch.evidence.rules import Rules
from tminus.domain.watch.evidence.tally import Arm, Reading

START_MS = 1_700_000_000_000
ALL_PPM = 1_000_000


def errors(**changes: Any) -> Metric:  # noqa: ANN401 - the fields of a metric
    """A rate with a limit of 1 % that forgives nothing but chance."""
    fields: dict[str, Any] = {"limit": 10_000, "deduplicated": True, **changes}
    return Metric("errors", Kind.RATE, **fields)


def rules_of(*metrics: Metric, alpha_ppm: int = 1000) -> Rules:
    return Rules(metrics, alpha_ppm=alpha_ppm, candidate="green", stable="blue")


def counted(
    second: int, bad: int, total: int, *, arm: Arm = Arm.CANDIDATE, metric: str = "errors"
) -> Reading:
    """A reading in the middle of a second after the start."""
    return Reading(metric, arm, START_MS + second * 1000 + 500, bad, total)


def watched(judge: Judge, seconds: Iterable[Sequence[Reading]], first: int = 0) -> Judge:
    """The judge after one feed and one tick per second."""
    for second, readings in enumerate(seconds, first):
        judge = judge.feed(*readings).tick(START_MS + second * 1000 + 600, ALL_PPM)
    return judge
