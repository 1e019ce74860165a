"""How a launch goes forward: from phase to phase, on evidence, each wait with a deadline."""

from collections.abc import Iterator
from dataclasses import replace

from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.job import LASTING, is_check
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL, Phase
from tminus.domain.launch.reading import Distrust, JobPhase, JobReading
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.adoption import ADOPTION_EVIDENCE
from tminus.domain.plan.plan import OnInconclusive, Plan
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.engine.decide.launch.bounds import (
    CONFIRM_DEADLINE_MS,
    PROMOTE_DEADLINE_MS,
    SMOKE_DEADLINE_MS,
    STAGING_SLACK_MS,
)
from tminus.engine.decide.launch.contract import contract_job
from tminus.engine.decide.launch.effort import given_up, keyed
from tminus.engine.decide.launch.ending import has_ended, measure_loss
from tminus.engine.decide.launch.evidence import fix_terms, is_decided, lacks_traffic, reached
from tminus.engine.decide.launch.measuring import is_watched
from tminus.engine.decide.launch.polling import begin, poll
from tminus.engine.decide.launch.protection import trial_route
from tminus.engine.decide.launch.staging import router_differs, staging_need
from tminus.engine.decide.launch.tasks import (
    Task,
    countdown_tasks,
    failed_task,
    next_task,
    staging_tasks,
    task_due_ms,
    task_late_ms,
)
from tminus.engine.decide.launch.turn import Turn, has_returned, is_at_rest_on
from tminus.engine.decide.launch.work import BUILD, CRITICAL_PATHS, INTEGRITY, SMOKE, WARM, failure_of


def note_readings(turn: Turn) -> None:
    """Journals what readings show that a later decision depends on: ended jobs, a slot that came up."""
    # A lost job is started again while the launch goes forward; afterwards it has ended as it is.
    ended = {JobPhase.DONE, JobPhase.FAILED}
    if turn.state.phase not in BEFORE_TRAFFIC | TRIAL:
        ended.add(JobPhase.LOST)
    for key, reading in sorted(turn.observation.jobs.items()):
        if key in LASTING and is_watched(turn.state, turn.now_ms) and reading.phase is JobPhase.LOST:
            continue
        if reading.phase in ended and key not in turn.state.jobs:
            turn.record(_ended(key, reading))
    state = turn.state
    candidate = turn.observation.slot(state.candidate)
    if state.phase is not Phase.STAGING or state.slot_up or candidate is None:
        return
    if candidate.up and candidate.digest == state.artifact:
        turn.record(ev.SlotUp(state.candidate, candidate.healthy))


def _ended(key: str, reading: JobReading) -> ev.JobEnded:
    """The end of a job; a build that names no artifact has failed, whatever it says of itself."""
    # What was cut off leaves its samples, which no journal keeps.
    lasting = key in LASTING or is_check(key)
    result = reading.result if not lasting or reading.phase is JobPhase.DONE else None
    if key == BUILD and reading.phase is JobPhase.DONE:
        named = isinstance(result, dict) and isinstance(result.get("digest"), str)
        if not named:
            why = "its result names no artifact"
            return ev.JobEnded(key, JobPhase.FAILED, None, "no-artifact", why)
    return ev.JobEnded(key, reading.phase, result, reading.code, reading.why)


def go_forward(turn: Turn) -> None:
    """Takes the transitions that are due. A hold stops those that lead on, never those that end."""
    for _ in Phase:  # a bound: no decision passes through more transitions than there are phases
        before = turn.state
        if turn.state.hold is None:
            _give_up(turn)
            _FORWARD.get(turn.state.phase, _stay)(turn)
        if turn.state.phase in (Phase.ROLLING_BACK, Phase.SCRUBBING):
            _end(turn)
        if turn.state is before:
            return


def _stay(turn: Turn) -> None:
    del turn  # terminal phases and those that only `_end` leaves


def _give_up(turn: Turn) -> None:
    attempt = given_up(turn.state)
    if attempt is None:
        return
    why = f"could not {attempt.command.text()}: {attempt.why} [{attempt.code}]"
    if turn.state.phase in BEFORE_TRAFFIC | (TRIAL - {Phase.PROMOTING}):
        turn.take_back(why)
    elif turn.state.phase is Phase.PROMOTING:
        turn.hold("tminus", why)


def _countdown(turn: Turn) -> None:
    state = turn.state
    if _task_failed(turn, countdown_tasks(state)):
        return
    window = state.plan.window
    if window is not None and turn.now_ms >= window.closes_ms:
        turn.take_back("the deployment window closed before the launch could begin")
        return
    task = next_task(state, countdown_tasks(state))
    if task is not None:
        _note_late(turn, task)
        if turn.now_ms >= task_deadline_ms(state, task, turn.now_ms):
            turn.take_back(f"gave up waiting for {task.what}")
        return
    if state.plan.polling is not None:
        turn.enter(Phase.POLL, "the countdown's work is done")
    else:
        begin(turn)


def _note_late(turn: Turn, task: Task) -> None:
    due_ms = task_late_ms(turn.state, task)
    if due_ms is not None and turn.now_ms > due_ms and task.what not in turn.state.late:
        until_ms = task_deadline_ms(turn.state, task, turn.now_ms)
        turn.record(ev.StepLate(task.what, due_ms, until_ms))


def task_deadline_ms(state: LaunchState, task: Task, turn_ms: int) -> int:
    """When a task of the countdown that has not ended is given up, counted from when it was begun."""
    begun = [
        attempt.last_ms
        for attempt in state.commands.values()
        if isinstance(attempt.command, StartJob) and attempt.command.key == task.job.key
    ]
    since_ms = begun[0] if begun else max(turn_ms, task_due_ms(state, task))
    return since_ms + task.job.deadline_ms + STAGING_SLACK_MS


def staging_deadline_ms(turn: Turn) -> int:
    """When staging that has not come about is taken back."""
    plan = turn.state.plan
    tasks_ms = sum(task.job.deadline_ms for task in staging_tasks(turn.state, turn.observation))
    warming_ms = plan.warming.deadline_ms if plan.warming.paths else 0
    own_ms = plan.run.boot_deadline_ms + SMOKE_DEADLINE_MS + STAGING_SLACK_MS
    return turn.state.entered_ms + tasks_ms + warming_ms + own_ms


def _staging(turn: Turn) -> None:
    tasks = staging_tasks(state := turn.state, turn.observation)
    if _task_failed(turn, tasks) or _job_failed(turn, SMOKE, "the smoke suite failed on the candidate"):
        return
    if _job_failed(turn, WARM, "the caches could not be warmed"):
        return
    reading = turn.observation.route_reading
    differs = "" if reading is None else router_differs(state, reading)
    if differs:
        turn.take_back(differs)
        return
    need = staging_need(turn.state, turn.observation)
    if need is None and not fix_terms(turn):
        return  # the next tick has the terms; what became ready in this one was not known before it
    if need is None:
        turn.enter(Phase.CUTOVER, "the candidate is up, smoke-tested and known to the router")
        turn.record(ev.StepTaken(0, state.steps_bp[0]))
    elif _boot_overdue(turn) or turn.now_ms >= staging_deadline_ms(turn):
        turn.take_back(f"gave up waiting for {need.what}")


def _boot_overdue(turn: Turn) -> bool:
    state = turn.state
    start = state.commands.get(f"staging:start-slot:{state.candidate}")
    if state.slot_up or start is None:
        return False
    return turn.now_ms - max(start.last_ms, state.entered_ms) > state.plan.run.boot_deadline_ms


def intended_since_ms(state: LaunchState) -> int:
    """When the present trial route was decided: with its step, or with a phase that watches differently."""
    return max(state.step_ms, state.entered_ms)


def _confirm(turn: Turn) -> bool:
    """Journals that the router does what was intended; true once it stands."""
    state = turn.state
    reading = turn.observation.route_reading
    if state.confirmed:
        return True
    intended = trial_route(state)
    if reading is not None and reading.distrust is Distrust.NONE and reading.route.same_decision(intended):
        turn.record(ev.RouteConfirmed(intended.text()))
        return True
    if turn.now_ms - intended_since_ms(state) > CONFIRM_DEADLINE_MS:
        turn.take_back("the router does not confirm the route it was given")
    return False


def stepped_by_ms(state: LaunchState) -> int:
    """When a step that lacks its evidence is decided by the plan's `on_inconclusive`.

    Whoever lifts a hold gives it its whole time again, here and below; else it would be held at once again.
    """
    return max(state.step_ms, state.resumed_ms) + state.plan.shift.step_deadline_ms


def _cutover(turn: Turn) -> None:
    if not _confirm(turn):
        return
    shift = turn.state.plan.shift
    elapsed_ms = turn.now_ms - turn.state.step_ms
    verdict = turn.observation.judged.safe
    if elapsed_ms >= shift.step_min_ms and verdict.outcome is Outcome.PASS:
        reached(turn, f"{turn.state.share_bp // 100} %", verdict)
        if turn.state.step + 1 < len(turn.state.steps_bp):
            turn.record(ev.StepTaken(turn.state.step + 1, turn.state.steps_bp[turn.state.step + 1]))
        else:
            turn.enter(Phase.VERIFYING, f"{turn.state.candidate.value} has all traffic")
    elif is_decided(turn, stepped_by_ms(turn.state), shift.step_deadline_ms):
        _undecided(turn, verdict)


def _undecided(turn: Turn, verdict: Verdict) -> None:
    lacks = lacks_traffic(turn, verdict)
    why = f"{'too little traffic' if lacks else 'no passing verdict'} by the deadline: {verdict.why}"
    reached(turn, verdict.subject, verdict)
    if turn.state.plan.on_inconclusive is OnInconclusive.ROLLBACK and not lacks:
        turn.take_back(why)
    else:
        turn.hold("tminus", why)


def _take_reading(turn: Turn, every_ms: int) -> None:
    reading = turn.observation.judged.reading
    if reading is not None and turn.now_ms - turn.state.reading_ms >= every_ms:
        turn.record(reading)


def watch_reading_ms(state: LaunchState) -> int:
    """How often a reading of the watch is journalled: as the plan says, else as its stage does."""
    own_ms, stages = state.plan.watch.reading_every_ms, state.plan.stages
    if own_ms or not stages:
        return own_ms or state.plan.watch.for_ms
    stage = stages[min(max(state.alarms.stage, 0), len(stages) - 1)]
    return min(stage.look_every_ms, state.plan.watch.for_ms)


def verification_keys(plan: Plan) -> tuple[str, ...]:
    """Jobs that must have passed before a launch counts as verified."""
    checks_database = plan.database is not None and plan.database.integrity
    return (CRITICAL_PATHS, INTEGRITY) if checks_database else (CRITICAL_PATHS,)


def verified_by_ms(state: LaunchState) -> int:
    """When verification that lacks its evidence is decided by the plan's `on_inconclusive`."""
    plan = state.plan
    slack_ms = max(plan.shift.step_deadline_ms, SMOKE_DEADLINE_MS)
    return max(state.entered_ms + plan.verify.for_ms, state.resumed_ms) + slack_ms


def baked_by_ms(state: LaunchState) -> int:
    """When a bake that lacks its evidence is decided by the plan's `on_inconclusive`."""
    plan = state.plan
    return max(state.entered_ms + plan.bake.for_ms, state.resumed_ms) + plan.shift.step_deadline_ms


def promoted_by_ms(state: LaunchState) -> int:
    """When a commit that is not seen needs somebody."""
    return max(state.entered_ms, state.resumed_ms) + PROMOTE_DEADLINE_MS


def _verifying(turn: Turn) -> None:
    if _job_failed(turn, CRITICAL_PATHS, "a critical path failed through the router"):
        return
    if _job_failed(turn, INTEGRITY, "the database is not what it should be"):
        return
    plan = turn.state.plan
    _take_reading(turn, plan.verify.reading_every_ms)
    verdict = turn.observation.judged.on_target
    walked = all(key in turn.state.jobs for key in verification_keys(plan))
    if turn.elapsed_ms >= plan.verify.for_ms and walked and verdict.outcome is Outcome.PASS:
        evidence = f"; {ADOPTION_EVIDENCE}" if plan.adopt else ""
        reached(turn, "verification", replace(verdict, why=f"{verdict.why}{evidence}"))
        turn.enter(Phase.BAKING, "verified")
    elif is_decided(turn, verified_by_ms(turn.state), plan.shift.step_deadline_ms):
        _undecided(turn, verdict if walked else Verdict("critical paths", Outcome.INCONCLUSIVE, "no answer"))


def _baking(turn: Turn) -> None:
    if not _confirm(turn):
        return
    plan = turn.state.plan
    _take_reading(turn, plan.bake.reading_every_ms)
    verdict = turn.observation.judged.safe
    if turn.elapsed_ms >= plan.bake.for_ms and verdict.outcome is Outcome.PASS:
        reached(turn, "bake", verdict)
        turn.enter(Phase.PROMOTING, "baked")
    elif is_decided(turn, baked_by_ms(turn.state), plan.shift.step_deadline_ms):
        _undecided(turn, verdict)


def _promoting(turn: Turn) -> None:
    reading = turn.observation.route_reading
    candidate = turn.state.candidate
    if reading is None or reading.committed.live is not candidate or not is_at_rest_on(reading, candidate):
        if turn.now_ms >= promoted_by_ms(turn.state):
            turn.hold("tminus", "the router does not show the route that was committed")
        return
    turn.record(ev.RouteConfirmed(reading.route.text()))
    turn.record(ev.Promoted(candidate))
    turn.enter(Phase.WATCHING, f"{candidate.value} is stable now")


def _watching(turn: Turn) -> None:
    state = turn.state
    _take_reading(turn, watch_reading_ms(state))
    if state.stable is not None and not state.retired:
        stable, reading = turn.observation.slot(state.stable), turn.observation.route_reading
        # One that went down by itself is gone as soon as the router can no longer send it anything.
        expelled = reading is not None and state.stable not in reading.admitted
        if stable is not None and stable.down and (state.stable_going or expelled):
            turn.record(ev.SlotRetired(state.stable))
    measure_loss(turn)
    retired = turn.state.retired or state.stable is None
    idle = not any(job.phase is JobPhase.RUNNING for job in turn.observation.jobs.values())
    over = turn.now_ms >= state.watch_ends_ms and turn.observation.jobs_read and not _contract_awaits(turn)
    if over and retired and turn.state.loss is not None and idle:
        turn.enter(Phase.CLOSED, "the watch is over")
        turn.record(ev.LaunchEnded("promoted", f"{state.plan.version} serves from {state.candidate.value}"))


def _contract_awaits(turn: Turn) -> bool:
    """Whether a contract migration was ordered that has not begun; one that is refused is owed instead."""
    job = contract_job(turn.state)
    attempt = None if job is None else turn.state.commands.get(keyed(turn.state, job).key)
    return job is not None and (attempt is None or not attempt.refused)


def _end(turn: Turn) -> None:
    """Confirms that the stable slot has all traffic, and ends once nothing of the candidate is left."""
    state = turn.state
    reading = turn.observation.route_reading
    rolling_back = state.phase is Phase.ROLLING_BACK
    if rolling_back and reading is not None and not state.confirmed and has_returned(reading, state):
        turn.record(ev.RouteConfirmed(reading.route.text()))
    measure_loss(turn)
    if not has_ended(turn):
        return
    why = state.phase_why
    if rolling_back:
        turn.enter(Phase.ROLLED_BACK, why)
        turn.record(ev.LaunchEnded("withdrawn" if state.stable is None else "rolled-back", why))
    else:
        turn.enter(Phase.SCRUBBED, why)
        turn.record(ev.LaunchEnded("scrubbed", why))


def _job_failed(turn: Turn, key: str, what: str) -> bool:
    """Takes the launch back where the job has ended and did not succeed."""
    ended = turn.state.jobs.get(key)
    why = "" if ended is None else failure_of(ended)
    if why:
        turn.take_back(f"{what}: {why}")
    return bool(why)


def _task_failed(turn: Turn, tasks: Iterator[Task]) -> bool:
    failed = failed_task(turn.state, tasks)
    if failed is not None:
        task, why = failed
        turn.take_back(f"{task.failure}: {why}")
    return failed is not None


_FORWARD = {
    Phase.COUNTDOWN: _countdown,
    Phase.POLL: poll,
    Phase.STAGING: _staging,
    Phase.CUTOVER: _cutover,
    Phase.VERIFYING: _verifying,
    Phase.BAKING: _baking,
    Phase.PROMOTING: _promoting,
    Phase.WATCHING: _watching,
}
