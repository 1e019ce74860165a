"""When the steps of a plan fall, as offsets from T-0. Must not read a clock or know how a launch went."""

from dataclasses import dataclass

from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS

BUILD_MS = -DAY_MS  # the handbook: final build by T-24 h
RECHECK_MS = -HOUR_MS  # the handbook: code prepared again one hour before
INFRASTRUCTURE_MS = -30 * MINUTE_MS  # the handbook: infrastructure preparation 30 minutes before


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

    A launch that is to start `now` has its preparation at T-0: it begins when that is done.
    """
    return (*_before(plan), *_moving(plan), *_after(plan))


def forecast_end_ms(plan: Plan) -> int:
    """Offset from T-0 at which the launch is expected to be verified, its boot deadline used up.

    This is what must fit into the deployment window; bake and watch follow outside of it.
    """
    return _shift_end_ms(plan) + plan.verify.for_ms


def _before(plan: Plan) -> tuple[TimelineEntry, ...]:
    tag = plan.source.tag
    steps = (
        (BUILD_MS, "countdown", f"build {tag} and record its digest"),
        (RECHECK_MS, "countdown", "verify the artifact's digest again"),
        (INFRASTRUCTURE_MS, "countdown", "check the health of both slots and the resources"),
    )
    now = plan.t0_ms is None
    return tuple(_fixed(0 if now else offset_ms, phase, what) for offset_ms, phase, what in steps)


def _moving(plan: Plan) -> tuple[TimelineEntry, ...]:
    count = plan.run.instances
    instances = "1 instance" if count == 1 else f"{count} instances"
    entries = [_fixed(0, "staging", f"T-0: start {instances} of {plan.version} and send {_suite(plan)}")]
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
    shifted_ms, latest_ms = _shift_end_ms(plan), _latest_shift_end_ms(plan)
    verified_ms = shifted_ms + plan.verify.for_ms
    retire_ms = verified_ms + plan.bake.for_ms
    slack_ms = latest_ms - shifted_ms
    close_ms = max(plan.watch.for_ms, retire_ms)
    return (
        TimelineEntry(shifted_ms, "verifying", "check the targets and the critical paths", latest_ms),
        TimelineEntry(
            verified_ms, "baking", "verified; stable stays warm for rollback", verified_ms + slack_ms
        ),
        TimelineEntry(
            retire_ms, "watching", "retire stable; rollback is cold from here on", retire_ms + slack_ms
        ),
        TimelineEntry(
            close_ms, "closed", "the watch ends, the launch closes", max(close_ms, retire_ms + slack_ms)
        ),
    )


def _shift_end_ms(plan: Plan) -> int:
    return plan.run.boot_deadline_ms + len(plan.shift.steps_bp) * plan.shift.step_min_ms


def _latest_shift_end_ms(plan: Plan) -> int:
    return plan.run.boot_deadline_ms + len(plan.shift.steps_bp) * plan.shift.step_deadline_ms


def _fixed(offset_ms: int, phase: str, what: str) -> TimelineEntry:
    return TimelineEntry(offset_ms, phase, what, offset_ms)
