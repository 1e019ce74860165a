"""What people say about checks, as an order carries it. Must not take or refuse it."""

import json
from dataclasses import dataclass

from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json

ATTEST, WAIVE, NOT_APPLICABLE = "attest", "waive", "na"
"""Verbs: a statement, going on without an item, and an item that there is nothing to ask of."""


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """What an order says besides verb, person and reason.

    Attributes:
        items: ids of the items that all of it is said of.
        role: for which a statement is made.
        file: name of an attached file; empty for none.
        digest: `sha256:` of it; empty for none.
        until_ms: when an excuse ends, milliseconds since the epoch; 0 lifts it.
    """

    items: tuple[str, ...]
    role: str = ""
    file: str = ""
    digest: str = ""
    until_ms: int = 0

    def text(self) -> str:
        """As an order's argument."""
        return canonical_bytes(to_json(self)).decode()


def read_check_order(text: str) -> CheckOrder | None:
    """What `text` wrote; None where it says something else."""
    try:
        return from_json(CheckOrder, json.loads(text))
    except (ValueError, DecodeError, RecursionError):
        return None
