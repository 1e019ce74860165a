"""Three-valued verdicts and gates. Must not know how a verdict was reached.

Missing evidence is `inconclusive`, which is neither good nor bad news, and a gate without verdicts fails.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The three answers a judgement can have."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with the sentence that explains it, its numbers included."""

    subject: str
    outcome: Outcome
    why: str


def all_of(subject: str, verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for a gate: fail if any fails, else inconclusive if any is, else pass; empty fails."""
    judged = tuple(verdicts)
    if not judged:
        return Verdict(subject, Outcome.FAIL, "nothing was checked, and an empty gate does not open")
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        found = tuple(verdict for verdict in judged if verdict.outcome is outcome)
        if found:
            return Verdict(subject, outcome, "; ".join(verdict.why for verdict in found))
    return Verdict(subject, Outcome.PASS, "; ".join(verdict.why for verdict in judged))
