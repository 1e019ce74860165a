"""What the watch concluded about the candidate in one tick, in the words the launch acts upon."""

from dataclasses import dataclass

from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.evidence import EvidenceWeighed, TermsFixed, Weighed
from tminus.domain.plan.limit import Consequence
from tminus.domain.readiness.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger whose limit is broken now. `weighed` holds the evidence, where it is judged by some."""

    trigger: str
    consequence: Consequence
    why: str
    weighed: tuple[Weighed, ...] = ()


NOTHING_JUDGED = Verdict("evidence", Outcome.INCONCLUSIVE, "nothing has been measured yet")


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements of one tick.

    Attributes:
        fired: triggers whose limit is broken, in the plan's order.
        safe: the triggers' limits taken as a gate: what a step and a bake need to pass.
        on_target: the plan's targets taken as a gate: what verification needs to pass.
        reading: the candidate's figures over the last window, for the log.
        terms: what the candidate would be judged by from now on, where that is not fixed yet.
        weighed: the evidence behind `safe`, per metric; empty where nothing is weighed.
        sealed: the evidence as it was last put aside for a later driver.
        underpowered: nothing speaks against a pass but too little traffic for one.
    """

    fired: tuple[Fired, ...] = ()
    safe: Verdict = NOTHING_JUDGED
    on_target: Verdict = NOTHING_JUDGED
    reading: ReadingTaken | None = None
    terms: TermsFixed | None = None
    weighed: tuple[Weighed, ...] = ()
    sealed: EvidenceWeighed | None = None
    underpowered: bool = False
