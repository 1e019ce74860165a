"""What staging still needs before traffic may move, in the order it is brought about."""

from dataclasses import dataclass

from tminus.domain.launch.command import AdmitSlot, CommitRoute, HostRouter, StartJob, StartSlot, StopSlot
from tminus.domain.launch.reading import RouterReading, SlotReading
from tminus.domain.launch.state import LaunchState
from tminus.engine.decide.launch.bounds import METER_LEAD_MS
from tminus.engine.decide.launch.effort import keyed
from tminus.engine.decide.launch.tasks import next_task, staging_tasks
from tminus.engine.decide.launch.turn import is_at_rest_on, rest_on
from tminus.engine.decide.launch.work import (
    MEASURE,
    METER,
    SAMPLER,
    SMOKE,
    WARM,
    measure_job,
    meter_job,
    sampler_job,
    smoke_job,
    warm_job,
)
from tminus.engine.decide.step import Keyed, Observation


@dataclass(frozen=True, slots=True)
class Need:
    """Something that is missing, and the command that brings it about, if one does."""

    what: str
    command: Keyed | None = None


def staging_need(state: LaunchState, seen: Observation) -> Need | None:
    """The first thing that is missing, or None when traffic may move."""
    reading = seen.route_reading
    if seen.hosting is None:
        return Need("the runtime to answer")
    if reading is None or reading.hosting != seen.hosting:
        return Need("the router", keyed(state, HostRouter(seen.hosting)))
    candidate = seen.slot(state.candidate)
    if candidate is None:
        return Need("the runtime to answer")
    return (
        _measure_need(state, seen)
        or _stable_need(state, seen, reading)
        or _task_need(state, seen)
        or _candidate_need(state, candidate)
        or _warm_need(state, candidate)
        or _smoke_need(state, candidate)
        or _router_need(state, candidate, reading)
        or _sampler_need(state, seen)
        or _meter_need(state, seen)
    )


def router_differs(state: LaunchState, reading: RouterReading) -> str:
    """Why the router cannot be the one that this journal has launched with, empty when it can.

    A router that serves a slot of which the journal knows nothing belongs to a journal that was lost or
    left; to put it right would take traffic from whatever serves.
    """
    live = reading.route.live
    if live is None or live is state.stable:
        return ""
    knows = "no launch that serves" if state.stable is None else f"{state.stable.value} as the stable slot"
    return f"the router serves {live.value}, and this journal knows {knows}: restore the journal"


def _stable_need(state: LaunchState, seen: Observation, reading: RouterReading) -> Need | None:
    if state.stable is None:
        return None
    stable = seen.slot(state.stable)
    if stable is None or not stable.up:
        return Need(f"{state.stable.value}, the stable slot, to be healthy")
    if state.stable not in reading.admitted:
        return Need(f"{state.stable.value} to be admitted", keyed(state, AdmitSlot(state.stable)))
    if reading.up.get(state.stable, 0) < stable.expected:
        return Need(f"the router to see all of {state.stable.value} up")
    return None


def _task_need(state: LaunchState, seen: Observation) -> Need | None:
    task = next_task(state, staging_tasks(state, seen))
    return None if task is None else Need(task.what, keyed(state, task.job))


def _warm_need(state: LaunchState, candidate: SlotReading) -> Need | None:
    if not state.plan.warming.paths or WARM in state.jobs:
        return None
    return Need("warm caches", keyed(state, warm_job(state.plan, candidate)))


def _sampler_need(state: LaunchState, seen: Observation) -> Need | None:
    database = state.plan.database
    if database is None or SAMPLER in seen.jobs or SAMPLER in state.jobs:
        return None
    return Need("the database's sampler", keyed(state, sampler_job(state, database)))


def _measure_need(state: LaunchState, seen: Observation) -> Need | None:
    """First of all, so that there is a baseline from before anything changes."""
    if MEASURE in seen.jobs or MEASURE in state.jobs:
        return None
    job = measure_job(state)
    return None if job is None else Need("the metrics' sources", keyed(state, job))


def _candidate_need(state: LaunchState, candidate: SlotReading) -> Need | None:
    if state.artifact is None:
        return Need("the artifact")
    if candidate.digest != state.artifact:
        if not candidate.down:
            return Need(
                f"leftovers on {candidate.slot.value} to stop",
                keyed(state, StopSlot(candidate.slot), "leftover"),
            )
        return Need(
            f"{candidate.slot.value} to start", keyed(state, StartSlot(candidate.slot, state.artifact))
        )
    if not candidate.up:
        what = f"{candidate.slot.value}: {candidate.healthy} of {candidate.expected} instances healthy"
        # A driver that was killed half way through the start left a slot that holds the artifact and runs
        # less than it should; to start it again is harmless where it runs.
        halfway = len(candidate.instances) < candidate.expected
        return Need(what, keyed(state, StartSlot(candidate.slot, state.artifact)) if halfway else None)
    return None


def _smoke_need(state: LaunchState, candidate: SlotReading) -> Need | None:
    if SMOKE in state.jobs:
        return None
    return Need("the smoke suite", keyed(state, smoke_job(state, candidate)))


def _router_need(state: LaunchState, candidate: SlotReading, reading: RouterReading) -> Need | None:
    if candidate.slot not in reading.admitted:
        return Need(f"{candidate.slot.value} to be admitted", keyed(state, AdmitSlot(candidate.slot)))
    if reading.up.get(candidate.slot, 0) < candidate.expected:
        return Need(f"the router to see all of {candidate.slot.value} up")
    if not is_at_rest_on(reading, state.stable) or reading.committed.live is not state.stable:
        return Need(
            "the router to rest on the stable slot", keyed(state, CommitRoute(rest_on(state, state.stable)))
        )
    return None


def _meter_need(state: LaunchState, seen: Observation) -> Need | None:
    # Nobody answers before a first launch; its meter starts once traffic has been sent somewhere.
    if state.stable is None or not (state.plan.meter.rate_per_s and METER not in state.jobs):
        return None
    start = keyed(state, meter_job(state))
    if METER not in seen.jobs:
        return Need("the loss meter", start)
    attempt = state.commands.get(start.key)
    if attempt is not None and seen.now_ms - attempt.last_ms < METER_LEAD_MS:
        return Need("the loss meter to see what is normal")
    return None


def needs_meter(state: LaunchState, seen: Observation) -> bool:
    """Whether the plan wants a loss meter and none was started."""
    return bool(state.plan.meter.rate_per_s) and METER not in seen.jobs and METER not in state.jobs


def is_running_job(seen: Observation, command: object) -> bool:
    """Whether the command starts a job that is known to run or to have ended."""
    if not isinstance(command, StartJob):
        return False
    reading = seen.jobs.get(command.key)
    return reading is not None and reading.phase != "lost"
