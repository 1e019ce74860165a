"""When the steps of a plan fall, as offsets from T-0. Must not read a clock or know how a launch went."""

from dataclasses import dataclass

from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.times import DAY_MS

BUILD_DUE_MS = -DAY_MS  # the handbook: final build by T-24 h


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step of a launch.

    Attributes:
        offset_ms: expected, milliseconds from T-0; negative before.
        phase: name of the launch's phase.
        what: one line on what happens.
        latest_ms: when it falls if every deadline before it is used up; equal where nothing varies.
    """

    offset_ms: int
    phase: str
    what: str
    latest_ms: int


def compile_timeline(plan: Plan) -> tuple[TimelineEntry, ...]:
    """Every step of the plan in order of time.

    A launch that is to start `now` has its build at T-0: it begins when that is done.
    """
    return (_build(plan), *_moving(plan), *_after(plan))


def forecast_end_ms(plan: Plan) -> int:
    """Offset from T-0 at which the launch is expected to be verified, its boot deadline used up.

    This is what must fit into the deployment window; bake and watch follow outside of it.
    """
    return _shift_end_ms(plan) + plan.verify.for_ms


def _build(plan: Plan) -> TimelineEntry:
    tag = plan.source.tag
    if plan.t0_ms is None:
        return _fixed(0, "countdown", f"build {tag} and record its digest")
    return _fixed(BUILD_DUE_MS, "countdown", f"{tag} is built and its digest recorded, at the latest")


def _moving(plan: Plan) -> tuple[TimelineEntry, ...]:
    count = plan.run.instances
    instances = "1 instance" if count == 1 else f"{count} instances"
    entries = [_fixed(0, "staging", f"start {instances} of {plan.version} and send {_suite(plan)}")]
    expected_ms = latest_ms = plan.run.boot_deadline_ms
    for share_bp in plan.shift.steps_bp:
        share = f"{share_bp // 100} %" if share_bp % 100 == 0 else f"{share_bp / 100:g} %"
        what = "move all traffic" if share_bp == FULL_BP else f"move {share} of the traffic"
        entries.append(TimelineEntry(expected_ms, "cutover", what, latest_ms))
        expected_ms += plan.shift.step_min_ms
        latest_ms += plan.shift.step_deadline_ms
    return tuple(entries)


def _suite(plan: Plan) -> str:
    count = len(plan.smoke)
    return "1 smoke request" if count == 1 else f"{count} smoke requests"


def _after(plan: Plan) -> tuple[TimelineEntry, ...]:
    """Verification and bake may each last one step's deadline longer, when their evidence comes slowly."""
    shifted_ms, latest_ms = _shift_end_ms(plan), _latest_shift_end_ms(plan)
    slack_ms = plan.shift.step_deadline_ms
    verified_ms, latest_verified_ms = (
        each + plan.verify.for_ms for each in (shifted_ms, latest_ms + slack_ms)
    )
    retire_ms, latest_retire_ms = (
        each + plan.bake.for_ms for each in (verified_ms, latest_verified_ms + slack_ms)
    )
    close_ms, latest_close_ms = (max(plan.watch.for_ms, each) for each in (retire_ms, latest_retire_ms))
    return (
        TimelineEntry(shifted_ms, "verifying", "check the targets and the critical paths", latest_ms),
        TimelineEntry(verified_ms, "baking", "verified; stable stays warm for rollback", latest_verified_ms),
        TimelineEntry(
            retire_ms, "watching", "retire stable; rollback is cold from here on", latest_retire_ms
        ),
        TimelineEntry(close_ms, "closed", "the watch ends, the launch closes", latest_close_ms),
    )


def _shift_end_ms(plan: Plan) -> int:
    return plan.run.boot_deadline_ms + len(plan.shift.steps_bp) * plan.shift.step_min_ms


def _latest_shift_end_ms(plan: Plan) -> int:
    return plan.run.boot_deadline_ms + len(plan.shift.steps_bp) * plan.shift.step_deadline_ms


def _fixed(offset_ms: int, phase: str, what: str) -> TimelineEntry:
    return TimelineEntry(offset_ms, phase, what, offset_ms)
