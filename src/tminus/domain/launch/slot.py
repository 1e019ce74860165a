"""Slots are places; stable and candidate are the roles that a launch gives them."""

from enum import StrEnum


class Slot(StrEnum):
    """The two places a version can run in."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Slot":
        """The other place."""
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE
