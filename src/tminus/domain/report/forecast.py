"""When a launch is expected to be verified, and until when taking it back takes seconds. Decides nothing."""

from dataclasses import dataclass

from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.timeline import forecast_end_ms, safe_abort_ms
from tminus.domain.plan.times import format_duration, format_utc_clock


@dataclass(frozen=True, slots=True)
class Forecast:
    """Milliseconds since the epoch.

    Attributes:
        verified_ms: expected, if every step passes as soon as it may; None once it is verified.
        abort_ms: until when an abort is certainly warm.
        late_ms: how long after the end of the window it is verified; negative before, None without a window.
    """

    verified_ms: int | None
    abort_ms: int
    late_ms: int | None


def forecast(state: LaunchState, now_ms: int, t0_ms: int | None) -> Forecast | None:
    """What is to be expected at `now_ms`; None before T-0 is known, and once stable is not warm any more.

    Args:
        state: of the launch.
        now_ms: what has not ended by now ends now at the earliest.
        t0_ms: T-0, or when staging began.
    """
    plan = state.plan
    match state.phase:
        case Phase.COUNTDOWN | Phase.POLL | Phase.STAGING:
            if t0_ms is None:
                return None
            begun_ms = max(t0_ms, now_ms) if state.phase is not Phase.STAGING else t0_ms
            verified_ms: int | None = max(begun_ms + forecast_end_ms(plan), now_ms)
            abort_ms = begun_ms + safe_abort_ms(plan)
        case Phase.CUTOVER:
            left = len(state.steps_bp) - state.step - 1
            moved_ms = max(state.step_ms + plan.shift.step_min_ms, now_ms) + left * plan.shift.step_min_ms
            verified_ms = moved_ms + plan.verify.for_ms
            abort_ms = verified_ms + plan.bake.for_ms
        case Phase.VERIFYING:
            verified_ms = max(state.entered_ms + plan.verify.for_ms, now_ms)
            abort_ms = verified_ms + plan.bake.for_ms
        case Phase.BAKING:
            verified_ms, abort_ms = None, max(state.entered_ms + plan.bake.for_ms, now_ms)
        case _:
            return None
    late_ms = None if plan.window is None or verified_ms is None else verified_ms - plan.window.closes_ms
    return Forecast(verified_ms, abort_ms, late_ms)


def forecast_text(found: Forecast) -> str:
    """`verified by 14:11:30, 48m30s before the window closes; abort is warm until 15:10:30 at least`."""
    parts = []
    if found.verified_ms is not None:
        window = ""
        if found.late_ms is not None:
            side = "after" if found.late_ms > 0 else "before"
            window = f", {format_duration(abs(found.late_ms))} {side} the window closes"
        parts.append(f"verified by {format_utc_clock(found.verified_ms)}{window}")
    parts.append(f"abort is warm until {format_utc_clock(found.abort_ms)} at least")
    return "; ".join(parts)
