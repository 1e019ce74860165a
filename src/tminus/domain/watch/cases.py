"""Cases of a plan's own metric, each given to a judge exactly once. Must not judge them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.watch.evidence.tally import Tally
from tminus.domain.watch.measurement import Arm, Measurement


@dataclass(frozen=True, slots=True)
class Cases:
    """A cumulative count as far as it was given.

    Attributes:
        at_ms: when it was measured, milliseconds since the epoch.
        bad: bad cases since the source began.
        total: all cases.
    """

    at_ms: int
    bad: int
    total: int


def since(
    before: Cases | None, found: Sequence[Measurement], began_ms: int
) -> tuple[Cases | None, tuple[tuple[int, Tally], ...]]:
    """The count after these measurements, and what each of them added, with its time.

    Where nothing was given before, the newest measurement that is older than the trial is where counting
    begins, else the first one. A count that fell was reset, and counts from zero.

    Args:
        before: what was given so far; None before the first.
        found: measurements, oldest first; those of stable and those that are no evidence are left out.
        began_ms: when traffic began to move.
    """
    own = [each for each in found if each.counts and each.arm is not Arm.STABLE and each.total is not None]
    added = []
    if before is None:
        early = [each for each in own if each.at_ms <= began_ms][-1:] or own[:1]
        if not early:
            return None, ()
        before = _cases(early[0])
    for each in own:
        if each.at_ms <= before.at_ms:
            continue
        now = _cases(each)
        if now.bad < before.bad or now.total < before.total:
            before = Cases(before.at_ms, 0, 0)
        bad, total = now.bad - before.bad, now.total - before.total
        # A case that is judged later than it is counted may be bad without a new one.
        added.append((each.at_ms, Tally(min(bad, total), total)))
        before = now
    return before, tuple(added)


def _cases(each: Measurement) -> Cases:
    return Cases(each.at_ms, each.bad or 0, each.total or 0)
