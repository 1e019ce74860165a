"""The decision: orders, protection, progress, then the commands that bring the world to the phase."""

from collections.abc import Iterator

from tminus.domain.launch.command import Command, CommitRoute, RenewLease, StartJob, WriteRoute
from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, PREPARING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.state import LaunchState
from tminus.engine.decide.launch.bounds import REST_TICK_MS, TRIAL_TICK_MS
from tminus.engine.decide.launch.checking import check_commands, note_checks
from tminus.engine.decide.launch.effort import is_due, keyed
from tminus.engine.decide.launch.ending import ending_commands, watching_commands, way_back
from tminus.engine.decide.launch.evidence import seal_evidence
from tminus.engine.decide.launch.measuring import lost_measuring
from tminus.engine.decide.launch.orders import take_orders
from tminus.engine.decide.launch.polling import note_votes
from tminus.engine.decide.launch.progress import go_forward, note_readings
from tminus.engine.decide.launch.protection import protect, trial_route
from tminus.engine.decide.launch.staging import is_running_job, needs_meter, staging_need
from tminus.engine.decide.launch.tasks import countdown_tasks, next_task, task_due_ms
from tminus.engine.decide.launch.turn import Turn, is_at_rest_on, rest_on, with_epoch
from tminus.engine.decide.launch.waiting import waiting
from tminus.engine.decide.launch.work import (
    CRITICAL_PATHS,
    INTEGRITY,
    critical_paths_job,
    integrity_job,
    meter_job,
)
from tminus.engine.decide.step import Keyed, Observation, Step


def decide(state: LaunchState, observation: Observation) -> Step:
    """What to do now. Pure and total: every state and observation has an answer.

    While the journal takes no events, only orders and protection are decided; their events wait with
    the driver, and nothing goes forward.
    """
    turn = Turn(state, observation)
    take_orders(turn)
    protect(turn)
    if observation.journal_open:
        note_readings(turn)
        note_checks(turn)
        note_votes(turn)
        go_forward(turn)
        seal_evidence(turn, with_reading=any(isinstance(event, ReadingTaken) for event in turn.events))
    after = turn.state
    way = way_back(after, observation)
    commands = _commands(after, observation) if observation.journal_open else []
    return Step(
        protect=() if way is None else (way,),
        events=tuple(turn.events),
        commands=tuple(
            entry
            for entry in commands
            if is_due(after, entry, observation.now_ms) and not is_running_job(observation, entry.command)
        ),
        unjournalled=_renewals(after, observation),
        state=after,
        waiting=waiting(turn),
        next_ms=_next_ms(after, observation.now_ms),
    )


def _commands(state: LaunchState, seen: Observation) -> list[Keyed]:
    asking = [keyed(state, command) for command in check_commands(state, seen)]
    return [*asking, *_launch_commands(state, seen)]


def _launch_commands(state: LaunchState, seen: Observation) -> list[Keyed]:
    claims = _claim_router(state, seen)
    if claims:
        return claims
    if state.phase in BEFORE_TRAFFIC and state.hold is not None:
        return []
    if state.phase is Phase.COUNTDOWN:
        task = next_task(state, countdown_tasks(state))
        due = task is not None and seen.now_ms >= task_due_ms(state, task)
        return [keyed(state, task.job)] if task is not None and due else []
    if state.phase is Phase.STAGING:
        need = staging_need(state, seen)
        return [] if need is None or need.command is None else [need.command]
    if state.phase in TRIAL:
        return _trial_commands(state, seen)
    if state.phase in ENDING:
        return ending_commands(state, seen)
    if state.phase is Phase.WATCHING:
        lost = [keyed(state, job) for job in lost_measuring(state, seen)]
        return [*watching_commands(state, seen), *lost]
    return []


def _claim_router(state: LaunchState, seen: Observation) -> list[Keyed]:
    """Raises the router's fence to this driver's epoch without changing where requests go."""
    reading = seen.route_reading
    if reading is None or reading.route.epoch >= state.fence or state.phase in TERMINAL | ENDING:
        return []
    if reading.route.candidate is not None and reading.route.generation != state.generation:
        return []
    if reading.distrust is not Distrust.NONE:
        return []
    return [keyed(state, WriteRoute(with_epoch(reading.route, state.fence)), f"claim-{state.fence}")]


def _trial_commands(state: LaunchState, seen: Observation) -> list[Keyed]:
    reading = seen.route_reading
    if reading is None:
        return []
    route = _route_command(state, reading)
    routes = [] if route is None else [keyed(state, route, f"{state.generation}-{state.step}")]
    return [*routes, *(keyed(state, job) for job in _trial_jobs(state, seen))]


def _route_command(state: LaunchState, reading: RouterReading) -> Command | None:
    if state.phase is Phase.PROMOTING:
        return None if state.hold is not None else CommitRoute(rest_on(state, state.candidate))
    trial = trial_route(state)
    if state.stable is None:
        settled = is_at_rest_on(reading, state.candidate) and reading.committed.live is state.candidate
        return None if settled else CommitRoute(trial)
    return None if state.confirmed or reading.route.same_decision(trial) else WriteRoute(trial)


def _trial_jobs(state: LaunchState, seen: Observation) -> Iterator[StartJob]:
    yield from lost_measuring(state, seen)
    if state.stable is None and state.confirmed and needs_meter(state, seen):
        yield meter_job(state)
    if state.phase is not Phase.VERIFYING:
        return
    if CRITICAL_PATHS not in state.jobs:
        yield critical_paths_job(state)
    database = state.plan.database
    if database is not None and database.integrity and INTEGRITY not in state.jobs:
        yield integrity_job(database)


def _renewals(state: LaunchState, seen: Observation) -> tuple[Command, ...]:
    """A lease is renewed for the trial this launch is in, and while a rollback cannot move traffic yet."""
    reading = seen.route_reading
    if reading is None or not reading.route.watch or reading.distrust is not Distrust.NONE:
        return ()
    if reading.route.candidate is not state.candidate:
        return ()
    own = reading.route.generation == state.generation
    if state.phase in TRIAL and own:
        return (RenewLease(reading.route),)
    waiting_to_return = state.phase is Phase.ROLLING_BACK and way_back(state, seen) is None
    return (RenewLease(reading.route),) if waiting_to_return else ()


def _next_ms(state: LaunchState, now_ms: int) -> int:
    if state.phase in TERMINAL:
        return REST_TICK_MS
    if state.phase in PREPARING and next_task(state, countdown_tasks(state)) is None:
        return REST_TICK_MS if state.t0_ms is None else max(1, min(REST_TICK_MS, state.t0_ms - now_ms))
    if state.phase is Phase.WATCHING and (state.retired or state.stable is None):
        return REST_TICK_MS
    return TRIAL_TICK_MS
