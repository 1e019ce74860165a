"""When the steps of a plan fall, as offsets from T-0. Must not read a clock or know how a launch went."""

from collections.abc import Iterator
from dataclasses import dataclass

from tminus.domain.plan.plan import FULL_BP, ArtifactSmoke, Plan
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS

BUILD_DUE_MS = -DAY_MS
"""The handbook's final build by T-24 h: it has ended, its artifact smoked, or the launch says it is late."""

VERIFY_AHEAD_MS = HOUR_MS
"""The artifact is hashed again an hour before T-0."""

PREPARE_AHEAD_MS = 30 * MINUTE_MS
"""Resources are asked for, and the backup is taken and proven, from half an hour before T-0 on."""


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

    A launch that is to start `now` has its countdown at T-0: it begins when that is done. How long a
    migration, a one-off command, a boot or warming takes nobody knows before; each counts with its deadline.
    """
    return (*_countdown(plan), *_staging(plan), *_moving(plan), *_after(plan))


def forecast_end_ms(plan: Plan) -> int:
    """Offset from T-0 at which the launch is expected to be verified, the deadlines of staging used up.

    This is what must fit into the deployment window; bake and watch follow outside of it.
    """
    return _shift_end_ms(plan) + plan.verify.for_ms


def forecast_promotion_ms(plan: Plan) -> int:
    """Offset at which the candidate is expected to be promoted, and stable to be retired."""
    return forecast_end_ms(plan) + plan.bake.for_ms


def safe_abort_ms(plan: Plan) -> int:
    """Offset until which an abort is certainly warm: no launch is promoted earlier, however fast it boots."""
    return forecast_promotion_ms(plan) - _staging_ms(plan)


def forecast_close_ms(plan: Plan) -> int:
    """Offset at which the launch is expected to close: until then rollback is possible, though cold."""
    return max(plan.watch.for_ms, forecast_promotion_ms(plan))


def latest_start_ms(plan: Plan) -> int:
    """Offset at which staging begins if the backup and its restore test use up their deadline."""
    if plan.database is None or plan.t0_ms is None:
        return 0
    return max(0, plan.database.backups.deadline_ms - PREPARE_AHEAD_MS)


def _countdown(plan: Plan) -> Iterator[TimelineEntry]:
    if plan.adopt:
        return
    tag = plan.source.tag
    timed = plan.t0_ms is not None
    built = f"{tag} is built and its digest recorded, at the latest"
    built = built if timed else f"build {tag} and record its digest"
    yield _fixed(BUILD_DUE_MS if timed else 0, "countdown", built)
    if plan.build.smoke is not ArtifactSmoke.OFF:
        health = plan.build.smoke is ArtifactSmoke.HEALTH
        asked = "ask its health" if health else f"send it {_count(len(plan.smoke), 'smoke request')}"
        alone = f"start the artifact alone, {asked} and stop it{', at the latest' if timed else ''}"
        yield _fixed(BUILD_DUE_MS if timed else 0, "countdown", alone)
    yield _fixed(-VERIFY_AHEAD_MS if timed else 0, "countdown", "compare the artifact with its digest again")
    prepare_ms = -PREPARE_AHEAD_MS if timed else 0
    resources = (
        f"check that {_percent(plan.resources.disk_free_ppm)} of the disk and "
        f"{_percent(plan.resources.memory_free_ppm)} of the memory are free"
    )
    yield _fixed(prepare_ms, "countdown", resources)
    if plan.database is not None:
        yield _fixed(prepare_ms, "countdown", "back the database up, restore the backup and compare")


def _staging(plan: Plan) -> Iterator[TimelineEntry]:
    """What is done at T-0 before traffic moves, in order."""
    late_ms = latest_start_ms(plan)
    at_ms = 0
    for what, takes_ms in _staging_steps(plan):
        yield TimelineEntry(at_ms, "staging", what, late_ms + at_ms)
        at_ms += takes_ms


def _staging_steps(plan: Plan) -> Iterator[tuple[str, int]]:
    """Each step of staging with the time that the plan allows it."""
    migrations = None if plan.database is None else plan.database.migrations
    if not plan.adopt:
        if migrations is not None and migrations.expand:
            yield "run the expand migration, and send stable the smoke requests again", migrations.deadline_ms
        for one_off in plan.run.one_offs:
            yield f"run once: {one_off.name}", one_off.deadline_ms
    start = f"start {_count(plan.run.instances, 'instance')}{_workers(plan)} of {plan.version}"
    smoke = f"send {_count(len(plan.smoke), 'smoke request')}"
    if not plan.warming.paths:
        yield f"{start} and {smoke}", plan.run.boot_deadline_ms
        return
    yield start, plan.run.boot_deadline_ms
    through = f" through {plan.warming.edge}" if plan.warming.edge else " from each instance"
    warm = f"fetch {_count(len(plan.warming.paths), 'path')}{through} to warm caches"
    yield f"{warm}, and {smoke}", plan.warming.deadline_ms


def _workers(plan: Plan) -> str:
    count = sum(worker.instances for worker in plan.run.workers)
    return f" and {_count(count, 'worker')}" if count else ""


def _moving(plan: Plan) -> Iterator[TimelineEntry]:
    expected_ms = _staging_ms(plan)
    latest_ms = latest_start_ms(plan) + expected_ms
    for share_bp in plan.shift.steps_bp:
        share = f"{share_bp // 100} %" if share_bp % 100 == 0 else f"{share_bp / 100:g} %"
        what = "move all traffic" if share_bp == FULL_BP else f"move {share} of the traffic"
        yield TimelineEntry(expected_ms, "cutover", what, latest_ms)
        expected_ms += plan.shift.step_min_ms
        latest_ms += plan.shift.step_deadline_ms


def _after(plan: Plan) -> Iterator[TimelineEntry]:
    """Verification and bake may each last one step's deadline longer, when their evidence comes slowly."""
    latest_ms = _latest_shift_end_ms(plan)
    slack_ms = plan.shift.step_deadline_ms
    latest_verified_ms = latest_ms + slack_ms + plan.verify.for_ms
    latest_retire_ms = latest_verified_ms + slack_ms + plan.bake.for_ms
    close_ms, latest_close_ms = forecast_close_ms(plan), max(plan.watch.for_ms, latest_retire_ms)
    yield TimelineEntry(_shift_end_ms(plan), "verifying", _verification(plan), latest_ms)
    verified = "verified; stable stays warm for rollback"
    yield TimelineEntry(forecast_end_ms(plan), "baking", verified, latest_verified_ms)
    retire = "retire stable; rollback is cold from here on"
    yield TimelineEntry(forecast_promotion_ms(plan), "watching", retire, latest_retire_ms)
    if plan.database is not None and plan.database.migrations.contract:
        contract = (
            "the contract migration, if ordered: no return after it; else the next launch runs it first"
        )
        yield TimelineEntry(close_ms, "watching", contract, latest_close_ms)
    yield TimelineEntry(close_ms, "closed", "the watch ends, the launch closes", latest_close_ms)


def _verification(plan: Plan) -> str:
    integrity = () if plan.database is None else plan.database.integrity
    if not integrity:
        return "check the targets and the critical paths"
    noun = "1 integrity query" if len(integrity) == 1 else f"{len(integrity)} integrity queries"
    return f"check the targets, the critical paths and {noun}"


def _staging_ms(plan: Plan) -> int:
    return sum(takes_ms for _, takes_ms in _staging_steps(plan))


def _shift_end_ms(plan: Plan) -> int:
    return _staging_ms(plan) + len(plan.shift.steps_bp) * plan.shift.step_min_ms


def _latest_shift_end_ms(plan: Plan) -> int:
    steps_ms = len(plan.shift.steps_bp) * plan.shift.step_deadline_ms
    return latest_start_ms(plan) + _staging_ms(plan) + steps_ms


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def _percent(share_ppm: int) -> str:
    return f"{share_ppm / 10_000:g} %"


def _fixed(offset_ms: int, phase: str, what: str) -> TimelineEntry:
    return TimelineEntry(offset_ms, phase, what, offset_ms)
