"""What the journal tells of checks: answers, statements, excuses and the gate. A fold and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, TypeVar

from tminus.domain.canonical import digest_of
from tminus.domain.codec import to_json
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome

T = TypeVar("T")


class Excuse(StrEnum):
    """Why an item need not pass."""

    WAIVED = "waived"
    """It should hold and does not; a named person goes on without it."""
    NOT_APPLICABLE = "n/a"
    """There is nothing in this launch that it could be asked of."""


@dataclass(frozen=True, slots=True)
class CheckAnswered:
    """Evidence: what a machine answered to an item.

    Attributes:
        item: id of the item.
        outcome: what the answer comes to.
        why: one sentence with its numbers.
        source: what was asked, as a person would repeat it.
        excerpt: of the answer; quotes no secret.
        facts: whole numbers that were measured, by name with their unit.
        digest: `sha256:` of the answer, see `digest_of_answer`.
        asked_ms: when it was asked, milliseconds since the epoch.
        expires_ms: from when on it does not count any more.
    """

    kind: ClassVar[str] = "check-answered"
    item: str
    outcome: Outcome
    why: str
    source: str
    excerpt: str
    facts: tuple[tuple[str, int], ...]
    digest: str
    asked_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class CheckAttested:
    """Evidence: what a person of the owning role stated.

    Attributes:
        item: id of the item.
        by: principal id.
        role: for which they speak.
        text: what they stated.
        file: name of the file they attached; empty for none.
        digest: `sha256:` of that file; empty for none.
        expires_ms: from when on it does not count any more.
    """

    kind: ClassVar[str] = "check-attested"
    item: str
    by: str
    role: str
    text: str
    file: str
    digest: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class CheckExcused:
    """A person decided that an item need not pass, until `until_ms`."""

    kind: ClassVar[str] = "check-excused"
    item: str
    excuse: Excuse
    by: str
    why: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class CheckExcuseEnded:
    """An excuse ran out, or was lifted by `by`; it is empty where nobody did."""

    kind: ClassVar[str] = "check-excuse-ended"
    item: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class CheckLapsed:
    """The evidence of an item has expired, and there is none that is newer."""

    kind: ClassVar[str] = "check-lapsed"
    item: str
    why: str


@dataclass(frozen=True, slots=True)
class GateWaiting:
    """Everything else is ready and the gate is shut.

    Attributes:
        blocking: ids of items in its way, at most `MOST_NAMED`.
        count: how many they are.
        until_ms: when its deadline is over.
    """

    kind: ClassVar[str] = "gate-waiting"
    blocking: tuple[str, ...]
    count: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class GateOpened:
    """Every item that blocks held at this one moment, with evidence that counted then.

    Attributes:
        digest: `sha256:` over item and verdict of all items.
        passed: how many passed.
        waived: how many were waived.
        not_applicable: how many did not apply.
        open: how many did not hold and do not block.
    """

    kind: ClassVar[str] = "gate-opened"
    digest: str
    passed: int
    waived: int
    not_applicable: int
    open: int


CheckEvent = (
    CheckAnswered | CheckAttested | CheckExcused | CheckExcuseEnded | CheckLapsed | GateWaiting | GateOpened
)

MOST_NAMED = 20
"""Items that an event or a sentence names; the rest is a number."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest evidence of an item, as far as a verdict needs it; the journal has the whole.

    Attributes:
        outcome: what it comes to.
        why: one sentence.
        source: what or who was asked.
        asked_ms: when.
        expires_ms: from when on it does not count.
        digest: of the answer, or of the file that was attached.
        noted_ms: when the journal got it; 0 before.
    """

    outcome: Outcome
    why: str
    source: str
    asked_ms: int
    expires_ms: int
    digest: str = ""
    noted_ms: int = 0


@dataclass(frozen=True, slots=True)
class Excused:
    """An excuse that has not ended."""

    excuse: Excuse
    by: str
    why: str
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """A fold over what the journal tells of checks.

    Attributes:
        proofs: newest evidence by item.
        excuses: by item.
        lapsed: items whose evidence was told to have expired.
        waits_ms: since when everything but the gate is ready; None before, and once it has opened.
        opened_ms: when the gate opened; None while it is shut.
        digest: of the verdicts it opened with.
    """

    proofs: Mapping[str, Proof] = field(default_factory=dict)
    excuses: Mapping[str, Excused] = field(default_factory=dict)
    lapsed: frozenset[str] = frozenset()
    waits_ms: int | None = None
    opened_ms: int | None = None
    digest: str = ""


def digest_of_answer(answer: Answer) -> str:
    """`sha256:…` over everything in the answer."""
    return digest_of(to_json(answer))


def answered(item: str, answer: Answer, asked_ms: int, keeps_ms: int) -> CheckAnswered:
    """The answer as evidence that counts for `keeps_ms` from when it was asked."""
    return CheckAnswered(
        item=item,
        outcome=answer.outcome,
        why=answer.why,
        source=answer.source,
        excerpt=answer.excerpt,
        facts=answer.facts,
        digest=digest_of_answer(answer),
        asked_ms=asked_ms,
        expires_ms=asked_ms + keeps_ms,
    )


def proof_of(event: CheckAnswered, noted_ms: int = 0) -> Proof:
    """What a verdict needs of an answer."""
    return Proof(
        event.outcome, event.why, event.source, event.asked_ms, event.expires_ms, event.digest, noted_ms
    )


def checked(readiness: Readiness, event: CheckEvent, at_ms: int) -> Readiness:
    """The readiness after one more event, decided at `at_ms`."""
    match event:
        case CheckAnswered():
            return _proven(readiness, event.item, proof_of(event, at_ms))
        case CheckAttested():
            proof = Proof(
                Outcome.PASS,
                event.text,
                f"{event.by} for {event.role}",
                at_ms,
                event.expires_ms,
                event.digest,
                at_ms,
            )
            return _proven(readiness, event.item, proof)
        case CheckExcused():
            excused = Excused(event.excuse, event.by, event.why, at_ms, event.until_ms)
            return replace(readiness, excuses={**readiness.excuses, event.item: excused})
        case CheckExcuseEnded():
            return replace(readiness, excuses=_without(readiness.excuses, event.item))
        case CheckLapsed():
            return replace(readiness, lapsed=readiness.lapsed | {event.item})
        case GateWaiting():
            return replace(readiness, waits_ms=at_ms, opened_ms=None, digest="")
        case GateOpened():
            return replace(readiness, waits_ms=None, opened_ms=at_ms, digest=event.digest)


def _proven(readiness: Readiness, item: str, proof: Proof) -> Readiness:
    return replace(readiness, proofs={**readiness.proofs, item: proof}, lapsed=readiness.lapsed - {item})


def _without(entries: Mapping[str, T], key: str) -> Mapping[str, T]:
    return {name: entry for name, entry in entries.items() if name != key}
