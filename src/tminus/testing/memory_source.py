"""A source of metrics in memory, which answers what it was told to."""

from collections.abc import Callable

from tminus.domain.watch.measurement import Missed, Taken


class MemorySource:
    """`ports.metrics.Source` over a function."""

    def __init__(self, answer: Callable[[], Taken | Missed]) -> None:
        """Asks nothing yet."""
        self._answer = answer

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port."""
        del limit_ms
        return self._answer()

    def close(self) -> None:
        """See the port."""
