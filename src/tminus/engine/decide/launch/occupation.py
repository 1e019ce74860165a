"""Whether a launch has the service's database, so that scheduled work stays away from it. Pure."""

from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.timeline import PREPARE_AHEAD_MS
from tminus.domain.plan.times import MINUTE_MS, format_relative
from tminus.engine.decide.launch.contract import contract_job

LEAD_MS = 5 * MINUTE_MS
"""Scheduled work ends so long before the launch's own backup: longer than a stop takes, and short enough to
cost one run at most."""


def occupied_by(state: LaunchState, now_ms: int) -> str:
    """Why the database is the launch's now, without naming the launch; empty when it is not.

    From just before its own backup until the stable slot is retired, and while a contract migration is
    ordered: in the rest of the watch nothing of the launch writes there.
    """
    plan, phase = state.plan, state.phase
    if plan.database is None or plan.adopt or phase in TERMINAL:
        return ""
    if phase is Phase.COUNTDOWN:
        ahead_ms = PREPARE_AHEAD_MS + LEAD_MS
        if state.t0_ms is not None and now_ms < state.t0_ms - ahead_ms:
            return ""
        return "it is ready to begin" if state.t0_ms is None else f"it is past {format_relative(-ahead_ms)}"
    if phase is Phase.POLL:
        return "its seats are polled"
    if phase is not Phase.WATCHING:
        return f"it is {phase.value}"
    if state.stable is not None and not state.retired:
        return "the former stable slot is being retired"
    return "" if contract_job(state) is None else "its contract migration is ordered"
