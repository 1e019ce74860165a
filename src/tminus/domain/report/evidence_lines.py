"""Evidence as the log tells it. Must not judge anything."""

from collections.abc import Iterator

from tminus.domain.launch.evidence import BaselineTaken, EvidenceWeighed, TermsFixed
from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.times import SECOND_MS, format_duration
from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said

_PPM = 1_000_000


def evidence_lines(event: TermsFixed | EvidenceWeighed) -> Iterator[Said]:
    """What the event adds to the log; the evidence itself is told with verdicts, and by `explain`."""
    if isinstance(event, EvidenceWeighed):
        return
    names = ", ".join(subject.metric for subject in event.subjects)
    luck = f"rolled back by luck less than once in {_PPM // event.alpha_ppm} launches"
    yield Said(1, Mark.NONE, f"Judged by evidence, {luck}: {names}")
    for taken in event.baseline:
        if taken.route_class == ALL_CLASSES:
            yield Said(2, Mark.NONE, _baseline(taken))
    for sentence in event.forecast:
        yield Said(2, Mark.NONE, sentence)


def _baseline(taken: BaselineTaken) -> str:
    span = format_duration(taken.seconds * SECOND_MS)
    factor = f"{taken.dispersion_milli // 1000}.{taken.dispersion_milli % 1000 // 100}"
    return (
        f"stable before: {taken.failures} of {taken.requests} failed in {span}, "
        f"varying {factor} times as much as by chance"
    )
