"""How a launch is judged by evidence: what errors it may make, and what follows without enough traffic."""

from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.plan.times import SECOND_MS


class Mode(StrEnum):
    """How failures that come together are treated.

    DEFAULT tempers the evidence by how they clustered before the launch; STRICT weighs spans of 5 seconds as
    wholes, which holds whatever depends on what inside them, and takes longer.
    """

    DEFAULT = "default"
    STRICT = "strict"


class OnUnderpowered(StrEnum):
    """What follows when a step's traffic is too little for a pass. Going on without one is not among them."""

    HOLD = "hold"
    """The launch is held at the step's deadline."""
    ASK = "ask"
    """It is held as soon as it is known."""
    EXTEND = "extend"
    """The step is given more time, four times its deadline at most; then it is held."""


@dataclass(frozen=True, slots=True)
class Judging:
    """The terms that a plan sets for its judge.

    Attributes:
        mode: see `Mode`.
        error_budget_ppm: chance that a launch within its limits is rolled back, parts per million.
        alert_budget_ppm: the same for an alert.
        pass_ppm: chance, per metric, that one at its limit passes.
        relative_milli: a candidate is compared with stable too, and rolled back beyond this many thousandths
            of its odds; None compares nothing.
        bad_seconds: fewest seconds that a rollback must rest on; a blip of a third as long is forgiven.
        burn_in_ms: answer times are not judged for so long after the first request.
        on_underpowered: see `OnUnderpowered`.
    """

    mode: Mode = Mode.DEFAULT
    error_budget_ppm: int = 1_000
    alert_budget_ppm: int = 10_000
    pass_ppm: int = 10_000
    relative_milli: int | None = 1_500
    bad_seconds: int = 10
    burn_in_ms: int = 30 * SECOND_MS
    on_underpowered: OnUnderpowered = OnUnderpowered.HOLD
