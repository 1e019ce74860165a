"""Time as a port, so that a launch of eight days can be simulated in a millisecond."""

from typing import Protocol


class Clock(Protocol):
    """Wall clock and waiting."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def wait_ms(self, duration_ms: int) -> None:
        """Returns after the duration, or earlier when somebody called for attention."""
        ...
