"""The stages of the first day: who is on duty, how often somebody looks, and what is done. Judges nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.plan.alert import ON_CALL, TEAM
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the watch, from the end of the one before.

    Attributes:
        until_ms: when it ends, counted from when traffic began to move.
        look_every_ms: somebody looks, and a reading is journalled, this often.
        role: who is on duty.
        action: what is done, in a sentence.
        anomalies: every deviation from what was learnt is alerted, not only broken limits.
    """

    until_ms: int
    look_every_ms: int
    role: str
    action: str = ""
    anomalies: bool = False


def handbook_stages() -> tuple[Stage, ...]:
    """Hours 0 to 4, 4 to 12 and 12 to 24."""
    return (
        Stage(4 * HOUR_MS, 5 * MINUTE_MS, TEAM, "fix any issue at once", anomalies=True),
        Stage(12 * HOUR_MS, 30 * MINUTE_MS, ON_CALL, "page on-call if an issue is critical"),
        Stage(24 * HOUR_MS, HOUR_MS, TEAM, "gather feedback from users"),
    )


def stage_at(stages: Sequence[Stage], since_ms: int) -> int | None:
    """Index of the stage `since_ms` after traffic began to move; None after the last."""
    for index, stage in enumerate(stages):
        if since_ms < stage.until_ms:
            return index
    return None


def stage_hours(stages: Sequence[Stage], index: int) -> tuple[int, int]:
    """(begins_ms, ends_ms) of a stage, counted from when traffic began to move."""
    return (stages[index - 1].until_ms if index else 0), stages[index].until_ms
