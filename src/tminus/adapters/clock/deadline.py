"""What is left of a time limit that several calls share. Must not wait."""

import time


class Deadline:
    """A time limit that began to run when this was made."""

    def __init__(self, limit_ms: int) -> None:
        """`limit_ms` is for everything that follows."""
        self._began_s = time.monotonic()
        self._limit_s = limit_ms / 1000

    @property
    def left_ms(self) -> int:
        """Milliseconds that are left, never less than 1: a limit of 0 means none in many places."""
        return max(1, int((self._limit_s - (time.monotonic() - self._began_s)) * 1000))

    @property
    def over(self) -> bool:
        """Nothing is left."""
        return time.monotonic() - self._began_s >= self._limit_s

    @property
    def taken_ms(self) -> int:
        """Milliseconds since it began."""
        return int((time.monotonic() - self._began_s) * 1000)
