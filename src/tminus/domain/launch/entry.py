"""What a person enters for a metric, as the argument of an order and as an event. Must not judge it."""

import json
from dataclasses import dataclass
from typing import ClassVar

from tminus.domain.codec import DecodeError, from_json

NOTE = "note"
"""The order that enters a value."""

_LARGEST = 2**53 - 1  # what JSON keeps exactly


@dataclass(frozen=True, slots=True)
class Entry:
    """A metric and its value, in millionths of its unit."""

    metric: str
    value_micro: int

    def text(self) -> str:
        """The argument of the order."""
        return json.dumps({"metric": self.metric, "value_micro": self.value_micro})


def read_entry(argument: str) -> Entry | None:
    """The entry in an order's argument; None where it is none."""
    try:
        entry = from_json(Entry, json.loads(argument))
    except (ValueError, RecursionError, DecodeError):
        return None
    return entry if abs(entry.value_micro) <= _LARGEST else None


@dataclass(frozen=True, slots=True)
class NoteTaken:
    """A person entered a value of a metric, in millionths of its unit."""

    kind: ClassVar[str] = "note-taken"
    metric: str
    value_micro: int
    by: str
    text: str
