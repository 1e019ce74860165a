"""What a probe answered when it was asked. Must not know how it asked, nor what follows."""

from dataclasses import dataclass

from tminus.domain.readiness.verdict import Outcome

EXCERPT_LIMIT = 2_000
"""Characters of an answer that are kept as evidence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one probe; it quotes no secret.

    Attributes:
        outcome: `inconclusive` where nothing could be learnt: unreachable, slow, or an answer that makes no
            sense. Only what was seen to be wrong is `fail`.
        why: one sentence with the numbers it rests on.
        source: what was asked, as a person would repeat it: `GET https://…/healthz`, `pg_stat_replication`.
        excerpt: of what was answered, at most `EXCERPT_LIMIT` characters.
        facts: whole numbers that were measured, by name with their unit, such as `("rto_ms", 41000)`.
    """

    outcome: Outcome
    why: str
    source: str
    excerpt: str = ""
    facts: tuple[tuple[str, int], ...] = ()


def passed(why: str, source: str, excerpt: str = "", **facts: int) -> Answer:
    """What was asked for holds."""
    return Answer(Outcome.PASS, why, source, excerpt[:EXCERPT_LIMIT], tuple(sorted(facts.items())))


def failed(why: str, source: str, excerpt: str = "", **facts: int) -> Answer:
    """What was asked for was seen not to hold."""
    return Answer(Outcome.FAIL, why, source, excerpt[:EXCERPT_LIMIT], tuple(sorted(facts.items())))


def unknown(why: str, source: str, excerpt: str = "", **facts: int) -> Answer:
    """Nothing could be learnt."""
    return Answer(Outcome.INCONCLUSIVE, why, source, excerpt[:EXCERPT_LIMIT], tuple(sorted(facts.items())))
