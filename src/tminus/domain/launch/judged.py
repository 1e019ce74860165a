"""What the watch concluded about the candidate in one tick, in the words the launch acts upon."""

from dataclasses import dataclass

from tminus.domain.launch.event import ReadingTaken
from tminus.domain.plan.limit import Consequence
from tminus.domain.readiness.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger whose limit is broken now."""

    trigger: str
    consequence: Consequence
    why: str


NOTHING_JUDGED = Verdict("evidence", Outcome.INCONCLUSIVE, "nothing has been measured yet")


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements of one tick.

    Attributes:
        fired: triggers whose limit is broken, in the plan's order.
        safe: the triggers' limits taken as a gate: what a step and a bake need to pass.
        on_target: the plan's targets taken as a gate: what verification needs to pass.
        reading: the candidate's figures over the last window, for the log.
    """

    fired: tuple[Fired, ...] = ()
    safe: Verdict = NOTHING_JUDGED
    on_target: Verdict = NOTHING_JUDGED
    reading: ReadingTaken | None = None
