"""What a person signs: a vote, its recall, an override. Must not know whether a signature holds."""

import json
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json

VOTE_NAMESPACE = "tminus-vote@v1"
"""What such a signature is for (`ssh-keygen -Y verify -n`): none made for anything else is taken for one."""

MOST_TEXT = 2_000
"""Characters of a reason or a condition; what needs more belongs into a document."""

MOST_CONDITIONS = 20
"""A GO with more conditions than this is a NO-GO."""


class Choice(StrEnum):
    """What somebody says."""

    GO = "go"
    GO_WITH_CONDITIONS = "go-with-conditions"
    NO_GO = "no-go"
    RECALL = "recall"
    """What was said before counts no more."""
    OVERRIDE = "override"
    """Go on although the seats have not said GO; two people must say so."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must come about for a GO to be right.

    Attributes:
        text: what.
        owner: who sees to it.
        due_ms: by when, milliseconds since the epoch.
    """

    text: str
    owner: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed.

    Attributes:
        launch: id of the launch.
        ballot: digest of what it is about.
        seat: for which it is said; empty for an override.
        choice: what is said.
        reason: in the person's words.
        by: principal id of the person.
        at_ms: when it was said, milliseconds since the epoch.
        expires_ms: when it counts no more.
        conditions: of a GO with conditions.
    """

    launch: str
    ballot: str
    seat: str
    choice: Choice
    reason: str
    by: str
    at_ms: int
    expires_ms: int
    conditions: tuple[Condition, ...] = ()

    def content(self) -> bytes:
        """The bytes that are signed: canonical JSON, the same for the same statement everywhere."""
        return canonical_bytes({"tminus": "statement", "version": 1, "said": to_json(self)})


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement and the armoured SSH signature over its content."""

    statement: Statement
    signature: str

    def text(self) -> str:
        """The argument of the order that brings it."""
        return canonical_bytes(to_json(self)).decode()


def read_signed(argument: str) -> Signed | None:
    """The signed statement in an order's argument; None where it is none."""
    try:
        return from_json(Signed, json.loads(argument))
    except (ValueError, RecursionError, DecodeError):
        return None
