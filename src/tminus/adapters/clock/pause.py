"""A short wait between two looks at the same thing. Must not know what is looked at."""

import time

from tminus.adapters.clock.deadline import Deadline


def pause(duration_ms: int, deadline: Deadline) -> bool:
    """Waits so long, or until nothing is left; whether something is."""
    time.sleep(min(duration_ms, deadline.left_ms) / 1000)
    return not deadline.over
