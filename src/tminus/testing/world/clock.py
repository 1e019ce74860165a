"""Virtual time: waiting moves the world, nothing else does."""

from collections.abc import Callable


class VirtualClock:
    """A clock that stands still between waits.

    Args:
        start_ms: the first instant.
        on_move: called with the new instant each time that time has moved.
    """

    def __init__(self, start_ms: int, on_move: Callable[[int], None]) -> None:
        """See the class."""
        self._now_ms = start_ms
        self._on_move = on_move

    def now_ms(self) -> int:
        """The present instant."""
        return self._now_ms

    def wait_ms(self, duration_ms: int) -> None:
        """Moves time forward, and the world with it, in steps short enough for its physics."""
        end_ms = self._now_ms + duration_ms
        while self._now_ms < end_ms:
            self._now_ms = min(end_ms, self._now_ms + PHYSICS_STEP_MS)
            self._on_move(self._now_ms)


PHYSICS_STEP_MS = 250
"""As long as a trial tick: shorter than any lease or deadline the world has."""
