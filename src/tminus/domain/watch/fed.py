"""What was already given to a judge of a running count, so that nothing is given twice. Must not judge it."""

from dataclasses import dataclass
from itertools import accumulate

from tminus.domain.watch.counts import BUCKETS_MS, Counts
from tminus.domain.watch.evidence.tally import Tally

_NONE = (0,) * len(BUCKETS_MS)


@dataclass(frozen=True, slots=True)
class Fed:
    """The count of one slot and class as far as it was given.

    Requests count when they begin and failures when they end, so that one that began well may fail later.
    Both have a high-water mark of their own: a failure counts once, and never more failures than requests.

    Attributes:
        requests: the router's own number at the last sample.
        good: most requests that had not failed.
        bad: most that had.
        answers: answers whose time was measured.
        within: of these, not slower than each edge of the histogram.
    """

    requests: int = 0
    good: int = 0
    bad: int = 0
    answers: int = 0
    within: tuple[int, ...] = _NONE


@dataclass(frozen=True, slots=True)
class Added:
    """What a sample added: requests with the failed ones, and answers with their times."""

    requests: Tally
    answers: Tally


def add(fed: Fed, counts: Counts) -> tuple[Fed, Added]:
    """The count after one more sample, and what that added; one that fell was reset to zero."""
    if counts.requests < fed.requests or counts.answers < fed.answers:
        fed = Fed()
    bad = max(0, counts.failures - fed.bad)
    good = max(0, counts.requests - counts.failures - fed.good)
    answers = counts.answers - fed.answers
    grown = (min(answers, max(0, now - was)) for now, was in zip(counts.within, fed.within, strict=True))
    within = tuple(accumulate(grown, max))
    after = Fed(
        requests=counts.requests,
        good=fed.good + good,
        bad=fed.bad + bad,
        answers=counts.answers,
        within=tuple(map(int.__add__, fed.within, within)),
    )
    return after, Added(Tally(bad, good + bad), Tally(0, answers, within))
