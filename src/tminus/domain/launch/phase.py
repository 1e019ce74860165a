"""The phases of a launch, in order, and the sets of them that rules speak about."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a launch stands. A hold is no phase: it is a flag that any phase can carry."""

    COUNTDOWN = "countdown"
    POLL = "poll"
    STAGING = "staging"
    CUTOVER = "cutover"
    VERIFYING = "verifying"
    BAKING = "baking"
    PROMOTING = "promoting"
    WATCHING = "watching"
    CLOSED = "closed"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    SCRUBBING = "scrubbing"
    SCRUBBED = "scrubbed"


BEFORE_TRAFFIC = frozenset({Phase.COUNTDOWN, Phase.POLL, Phase.STAGING})
"""The candidate has never been asked to serve."""

PREPARING = frozenset({Phase.COUNTDOWN, Phase.POLL})
"""T-0 has not come: the artifact is made, checks are asked, seats vote."""

TRIAL = frozenset({Phase.CUTOVER, Phase.VERIFYING, Phase.BAKING, Phase.PROMOTING})
"""The candidate serves, the stable slot stands by, and every protection is armed."""

ENDING = frozenset({Phase.ROLLING_BACK, Phase.SCRUBBING})
"""The launch is being taken back; it can only end."""

TERMINAL = frozenset({Phase.CLOSED, Phase.ROLLED_BACK, Phase.SCRUBBED})
"""Nothing will happen any more."""
