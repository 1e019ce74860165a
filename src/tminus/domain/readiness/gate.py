"""What the items of a plan come to at one moment, and whether the gate is open. Must not ask anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.canonical import digest_of
from tminus.domain.plan.checklist import Attested, CheckItem, Checks
from tminus.domain.plan.times import MINUTE_MS, format_utc
from tminus.domain.readiness.checked import MOST_NAMED, Excuse, Excused, Proof, Readiness
from tminus.domain.readiness.verdict import Outcome

CLOCKS_APART_MS = MINUTE_MS
"""Evidence from further ahead than this is none: a clock is wrong, and nothing tells which."""


class Standing(StrEnum):
    """What an item comes to."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    NOT_APPLICABLE = "n/a"


HOLDS = frozenset({Standing.PASS, Standing.WAIVED, Standing.NOT_APPLICABLE})
"""What the gate lets through; what is inconclusive, missing or expired is not among them."""


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What one item comes to.

    Attributes:
        item: it is about.
        standing: its verdict.
        why: one sentence.
        proof: the evidence it rests on, expired or not; None where there is none.
        excused: the excuse it rests on; None for none.
    """

    item: CheckItem
    standing: Standing
    why: str
    proof: Proof | None = None
    excused: Excused | None = None

    @property
    def holds(self) -> bool:
        """Whether the gate lets it through."""
        return self.standing in HOLDS

    @property
    def blocks(self) -> bool:
        """Whether it keeps the gate shut."""
        return self.item.blocks and not self.holds


def judge_item(item: CheckItem, proof: Proof | None, excused: Excused | None, now_ms: int) -> ItemVerdict:
    """The verdict on one item at `now_ms`."""
    if excused is not None and now_ms < excused.until_ms:
        standing = Standing.WAIVED if excused.excuse is Excuse.WAIVED else Standing.NOT_APPLICABLE
        why = f"{excused.by} until {format_utc(excused.until_ms)}: {excused.why}"
        return ItemVerdict(item, standing, why, proof, excused)
    if proof is None:
        who = (
            f"{item.owner} has not stated it" if isinstance(item.asks, Attested) else "there is no answer yet"
        )
        return ItemVerdict(item, Standing.INCONCLUSIVE, who)
    if proof.asked_ms > now_ms + CLOCKS_APART_MS:
        why = f"its evidence is of {format_utc(proof.asked_ms)}, which is still to come"
        return ItemVerdict(item, Standing.INCONCLUSIVE, why, proof)
    if now_ms >= proof.expires_ms:
        why = f"its evidence expired at {format_utc(proof.expires_ms)}: {proof.why}"
        return ItemVerdict(item, Standing.INCONCLUSIVE, why, proof)
    return ItemVerdict(item, Standing(proof.outcome.value), proof.why, proof)


def judge_items(
    checks: Checks, readiness: Readiness, now_ms: int, fresh: Mapping[str, Proof] | None = None
) -> tuple[ItemVerdict, ...]:
    """The verdicts on all items at one moment, in the order of the plan.

    Args:
        checks: of the plan.
        readiness: as the journal has it.
        now_ms: the moment, milliseconds since the epoch.
        fresh: what was answered since; whichever of the two is newer counts.
    """
    newer = fresh or {}
    return tuple(
        judge_item(
            item,
            newest(readiness.proofs.get(item.item), newer.get(item.item)),
            readiness.excuses.get(item.item),
            now_ms,
        )
        for item in checks.items
    )


def newest(kept: Proof | None, fresh: Proof | None) -> Proof | None:
    """The one that was asked later; the one that is kept where both are as old."""
    if kept is None or fresh is None:
        return kept or fresh
    return fresh if fresh.asked_ms > kept.asked_ms else kept


def blocking(verdicts: Sequence[ItemVerdict]) -> tuple[ItemVerdict, ...]:
    """What keeps the gate shut."""
    return tuple(verdict for verdict in verdicts if verdict.blocks)


def is_open(verdicts: Sequence[ItemVerdict]) -> bool:
    """Whether everything that blocks holds; a gate without anything to check is shut."""
    return bool(verdicts) and not blocking(verdicts)


def digest_of_verdicts(verdicts: Mapping[str, str]) -> str:
    """`sha256:…` over item and verdict; neither evidence nor its times are in it."""
    return digest_of(dict(verdicts))


def noted_verdicts(checks: Checks | None, readiness: Readiness) -> Mapping[str, str]:
    """Item id to verdict as the journal has told it, in the order of the plan; empty without checks.

    Expiry is told by events of its own, so no clock is needed.
    """
    return {} if checks is None else {item.item: _noted(item, readiness).value for item in checks.items}


def _noted(item: CheckItem, readiness: Readiness) -> Standing:
    excused = readiness.excuses.get(item.item)
    if excused is not None:
        return Standing.WAIVED if excused.excuse is Excuse.WAIVED else Standing.NOT_APPLICABLE
    proof = readiness.proofs.get(item.item)
    if proof is None or item.item in readiness.lapsed:
        return Standing.INCONCLUSIVE
    return Standing(proof.outcome.value)


def gate_text(verdicts: Sequence[ItemVerdict]) -> str:
    """`3 of 52 checks: a, b and c` for what keeps the gate shut."""
    shut = blocking(verdicts)
    if not verdicts:
        return "nothing is checked, and an empty gate does not open"
    named = ", ".join(verdict.item.item for verdict in shut[:MOST_NAMED])
    more = f" and {len(shut) - MOST_NAMED} more" if len(shut) > MOST_NAMED else ""
    return f"{len(shut)} of {len(verdicts)} checks: {named}{more}"


def outcome_of(standing: Standing) -> Outcome:
    """The standing as one of the three answers."""
    return Outcome.PASS if standing in HOLDS else Outcome(standing.value)
