"""What a launch waits for, since when, what happens by itself and when, and what to run to go on."""

from tminus.domain.launch.phase import BEFORE_TRAFFIC, TERMINAL, Phase
from tminus.domain.launch.polling import standing_now
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc
from tminus.engine.decide.launch.bounds import CONFIRM_DEADLINE_MS
from tminus.engine.decide.launch.checking import gate_waiting
from tminus.engine.decide.launch.ending import drain_deadline_ms
from tminus.engine.decide.launch.polling import missing_text, polled_by_ms
from tminus.engine.decide.launch.progress import (
    baked_by_ms,
    intended_since_ms,
    promoted_by_ms,
    staging_deadline_ms,
    stepped_by_ms,
    task_deadline_ms,
    verified_by_ms,
)
from tminus.engine.decide.launch.staging import staging_need
from tminus.engine.decide.launch.tasks import countdown_tasks, next_task, task_due_ms, task_late_ms
from tminus.engine.decide.launch.turn import Turn, is_at_rest_on
from tminus.engine.decide.launch.work import CRITICAL_PATHS
from tminus.engine.decide.step import Waiting


def waiting(turn: Turn) -> Waiting:
    """The answer for the state at the end of `turn`."""
    state = turn.state
    if state.phase in TERMINAL:
        return Waiting(f"nothing: the launch is {state.phase.value}", state.entered_ms, None, "nothing")
    if not turn.observation.journal_open:
        return Waiting(
            "the journal to take events again",
            turn.now_ms,
            turn.now_ms,
            "protection stays armed, nothing goes forward",
            "free disk space where the journal lies",
        )
    if state.hold is not None:
        ends = "scrub" if state.phase in BEFORE_TRAFFIC else "rollback"
        return Waiting(
            f"somebody to lift the hold of {state.hold.by}: {state.hold.why}",
            state.hold.since_ms,
            state.hold.expires_ms,
            "the hold is released" if state.phase is Phase.WATCHING else ends,
            "tminus resume, or tminus abort",
        )
    return _WAITS[state.phase](turn)


def _countdown(turn: Turn) -> Waiting:
    state = turn.state
    task = next_task(state, countdown_tasks(state))
    if task is not None:
        due_ms = task_due_ms(state, task)
        if turn.now_ms < due_ms:
            return Waiting(
                f"the time for {task.what}",
                state.entered_ms,
                due_ms,
                f"{task.what} begins",
                "tminus slip, or tminus scrub",
            )
        late_ms = task_late_ms(state, task)
        late = "" if late_ms is None or turn.now_ms <= late_ms else f", due by {format_utc(late_ms)}"
        return Waiting(
            f"{task.what}{late}",
            max(due_ms, state.entered_ms),
            task_deadline_ms(state, task, turn.now_ms),
            "scrub",
            "tminus scrub",
        )
    window = state.plan.window
    opens_ms = max(state.t0_ms or 0, window.opens_ms if window is not None else 0)
    gate = gate_waiting(turn) if turn.now_ms >= opens_ms else None
    if gate is not None:
        return gate
    return Waiting(
        "T-0", state.entered_ms, max(opens_ms, turn.now_ms), "staging begins", "tminus slip, or tminus scrub"
    )


def _poll(turn: Turn) -> Waiting:
    """The seats; or T-0, once they have said GO."""
    state = turn.state
    standing, begins_ms = standing_now(state, turn.now_ms), state.t0_ms or 0
    if standing is not None and standing.may_go:
        gate = gate_waiting(turn) if turn.now_ms >= begins_ms else None
        if gate is not None:
            return gate
        unblock = "tminus slip, or tminus vote recall"
        return Waiting("T-0", state.entered_ms, max(begins_ms, turn.now_ms), "staging begins", unblock)
    polling = state.plan.polling
    then = "nothing" if polling is None else polling.on_deadline.value
    until_ms = max(turn.now_ms, polled_by_ms(state))
    what = f"the seats to say GO: {missing_text(standing)}"
    unblock = "tminus vote go --seat SEAT, or two people with tminus override"
    return Waiting(what, state.entered_ms, until_ms, then, unblock)


def _staging(turn: Turn) -> Waiting:
    need = staging_need(turn.state, turn.observation)
    what = "traffic to move" if need is None else need.what
    return Waiting(what, turn.state.entered_ms, staging_deadline_ms(turn), "scrub", "tminus scrub")


def _cutover(turn: Turn) -> Waiting:
    state = turn.state
    if not state.confirmed:
        return _confirmation(turn)
    verdict = turn.observation.judged.safe
    return Waiting(
        f"evidence at {_share(state)}: {verdict.why}",
        state.step_ms,
        max(turn.now_ms, stepped_by_ms(state)),
        state.plan.on_inconclusive.value,
        "tminus rollback",
    )


def _share(state: LaunchState) -> str:
    return f"{state.share_bp // 100} % on {state.candidate.value}"


def _confirmation(turn: Turn) -> Waiting:
    since_ms = intended_since_ms(turn.state)
    until_ms = max(turn.now_ms, since_ms + CONFIRM_DEADLINE_MS)
    what = f"the router to confirm {_share(turn.state)}"
    return Waiting(what, since_ms, until_ms, "rollback", "tminus rollback")


def _verifying(turn: Turn) -> Waiting:
    state = turn.state
    why = turn.observation.judged.on_target.why
    ends_ms = state.entered_ms + state.plan.verify.for_ms
    if turn.now_ms < ends_ms:
        until_ms, then = ends_ms, "the bake begins if every target holds"
    else:
        until_ms, then = max(turn.now_ms, verified_by_ms(state)), state.plan.on_inconclusive.value
        why = why if CRITICAL_PATHS in state.jobs else "the critical paths have not ended"
    return Waiting(f"verification: {why}", state.entered_ms, until_ms, then, "tminus rollback")


def _baking(turn: Turn) -> Waiting:
    state = turn.state
    if not state.confirmed:
        return _confirmation(turn)
    ends_ms = state.entered_ms + state.plan.bake.for_ms
    if turn.now_ms < ends_ms:
        until_ms, then = ends_ms, f"{state.candidate.value} is promoted if every limit holds"
    else:
        until_ms, then = max(turn.now_ms, baked_by_ms(state)), state.plan.on_inconclusive.value
    what = f"the bake to end: {turn.observation.judged.safe.why}"
    return Waiting(what, state.entered_ms, until_ms, then, "tminus rollback")


def _promoting(turn: Turn) -> Waiting:
    return Waiting(
        "the router to commit the route",
        turn.state.entered_ms,
        max(turn.now_ms, promoted_by_ms(turn.state)),
        "hold",
        "tminus rollback",
    )


def _watching(turn: Turn) -> Waiting:
    state = turn.state
    if state.stable is not None and not state.retired:
        return Waiting(
            f"requests in flight on {state.stable.value} to end",
            state.entered_ms,
            max(turn.now_ms, state.entered_ms + drain_deadline_ms(state)),
            "what is left is cut and counted",
        )
    return Waiting(
        "the watch to end",
        state.entered_ms,
        max(turn.now_ms, state.watch_ends_ms),
        "the launch is closed",
    )


def _ending(turn: Turn) -> Waiting:
    state = turn.state
    reading = turn.observation.route_reading
    if reading is None:
        what = "the router to answer"
    elif not is_at_rest_on(reading, state.stable):
        what = f"{state.stable.value if state.stable else 'nobody'} to take all traffic"
    else:
        what = f"{state.candidate.value} to be drained and stopped"
    deadline_ms = max(turn.now_ms, state.entered_ms + drain_deadline_ms(state))
    return Waiting(what, state.entered_ms, deadline_ms, "what is left is cut, and trying goes on")


_WAITS = {
    Phase.COUNTDOWN: _countdown,
    Phase.POLL: _poll,
    Phase.STAGING: _staging,
    Phase.CUTOVER: _cutover,
    Phase.VERIFYING: _verifying,
    Phase.BAKING: _baking,
    Phase.PROMOTING: _promoting,
    Phase.WATCHING: _watching,
    Phase.ROLLING_BACK: _ending,
    Phase.SCRUBBING: _ending,
}
