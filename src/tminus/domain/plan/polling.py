"""How a launch is polled, as its plan says. Who may vote stands in the policy, which is another file."""

from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.plan.times import HOUR_MS


class OnDeadline(StrEnum):
    """What follows when the seats have not said GO in time. To go on is not among the choices."""

    HOLD = "hold"
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Polling:
    """The go/no-go poll of a launch.

    Attributes:
        policy: path of the policy file, relative to the plan.
        deadline_ms: how long votes are waited for, from T-0 or from the begin of the poll if that is later.
        on_deadline: what follows then.
    """

    policy: str = "policy.yaml"
    deadline_ms: int = HOUR_MS
    on_deadline: OnDeadline = OnDeadline.HOLD
