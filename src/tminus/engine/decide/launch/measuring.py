"""The jobs that measure while a launch is on trial and watched: started again where one is lost."""

from collections.abc import Iterator

from tminus.domain.launch.command import StartJob
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.reading import JobPhase
from tminus.domain.launch.state import LaunchState
from tminus.engine.decide.launch.work import MEASURE, SAMPLER, measure_job, sampler_job
from tminus.engine.decide.step import Observation


def is_watched(state: LaunchState, now_ms: int) -> bool:
    """Whether what is measured still decides something."""
    return state.phase in TRIAL or (state.phase is Phase.WATCHING and now_ms < state.watch_ends_ms)


def lost_measuring(state: LaunchState, seen: Observation) -> Iterator[StartJob]:
    """Those of these jobs whose process is gone: the limits that need them would stay without evidence."""
    if not is_watched(state, seen.now_ms):
        return
    lost = {key for key in (SAMPLER, MEASURE) if key not in state.jobs and _is_lost(seen, key)}
    if SAMPLER in lost and state.plan.database is not None:
        yield sampler_job(state, state.plan.database)
    job = measure_job(state) if MEASURE in lost else None
    if job is not None:
        yield job


def _is_lost(seen: Observation, key: str) -> bool:
    reading = seen.jobs.get(key)
    return reading is not None and reading.phase is JobPhase.LOST
