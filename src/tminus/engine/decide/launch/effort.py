"""When a command is sent again, and when trying has been enough."""

from tminus.domain.launch.command import Command
from tminus.domain.launch.job import LASTING, is_check
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import Attempt, LaunchState
from tminus.domain.plan.times import SECOND_MS
from tminus.engine.decide.launch.bounds import BACKOFF_MS, MOST_ATTEMPTS
from tminus.engine.decide.step import Keyed

SETTLE_MS = 5 * SECOND_MS
"""How long a performed command may take to show its effect before it is sent again."""


def keyed(state: LaunchState, command: Command, purpose: str = "") -> Keyed:
    """The command under a key that is its own in this phase."""
    parts = [state.phase.value, command.kind, getattr(command, "slot", None) or getattr(command, "key", "")]
    return Keyed(":".join(str(part) for part in (*parts, purpose) if part), command)


def is_due(state: LaunchState, entry: Keyed, now_ms: int) -> bool:
    """Whether the command should be sent in this tick, given what became of it before."""
    attempt = state.commands.get(entry.key)
    if attempt is None or attempt.command != entry.command:
        return True
    pause_ms = BACKOFF_MS[min(attempt.attempts, len(BACKOFF_MS)) - 1]
    return now_ms - attempt.last_ms >= (max(pause_ms, SETTLE_MS) if attempt.performed else pause_ms)


def given_up(state: LaunchState) -> Attempt | None:
    """A command of the present phase that was refused, or tried often enough without success."""
    prefix = f"{state.phase.value}:"
    for key, attempt in state.commands.items():
        if not key.startswith(prefix) or attempt.performed:
            continue
        # What is only started again is missed by the limits that need it, and by nothing else.
        if state.phase is not Phase.STAGING and getattr(attempt.command, "key", "") in LASTING:
            continue
        # Checks that are not asked keep their gate shut, which has a deadline of its own.
        if is_check(getattr(attempt.command, "key", "")):
            continue
        if attempt.refused or (attempt.attempts >= MOST_ATTEMPTS and attempt.code):
            return attempt
    return None
