"""Taking a slot away for good: traffic gone, nothing in flight, then stop. Proof is read in the same tick."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from tminus.domain.codec import DecodeError
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import (
    AdmitSlot,
    CommitRoute,
    CutSlot,
    ExpelSlot,
    StartSlot,
    StopJob,
    StopSlot,
    WriteRoute,
)
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL, Phase
from tminus.domain.launch.reading import JobPhase, RouterReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.report.loss import loss_of, read_meter
from tminus.engine.decide.launch.bounds import CAPACITY_WAIT_MS
from tminus.engine.decide.launch.contract import contract_job
from tminus.engine.decide.launch.effort import keyed
from tminus.engine.decide.launch.turn import Turn, has_returned, is_at_rest_on, rest_on
from tminus.engine.decide.launch.work import COLD_METER, MEASURE, METER, METERS, SAMPLER, meter_job
from tminus.engine.decide.step import Keyed, Observation


def way_back(state: LaunchState, seen: Observation) -> WriteRoute | None:
    """The protective route write of a rollback, when it is due and the stable slot can take the traffic."""
    reading = seen.route_reading
    if state.phase is not Phase.ROLLING_BACK or reading is None or has_returned(reading, state):
        return None
    if is_at_rest_on(reading, state.stable):
        return WriteRoute(rest_on(state, state.stable))
    return WriteRoute(rest_on(state, state.stable)) if _can_take_traffic(state, seen, reading) else None


def _can_take_traffic(state: LaunchState, seen: Observation, reading: RouterReading) -> bool:
    if state.stable is None or not reading.up.get(state.candidate, 0):
        return True
    up = reading.up.get(state.stable, 0)
    stable = seen.slot(state.stable)
    expected = stable.expected if stable is not None else state.plan.run.instances
    if up >= max(expected, 1):
        return True
    return up > 0 and seen.now_ms - state.entered_ms >= CAPACITY_WAIT_MS


def removal(state: LaunchState, seen: Observation, leaving: Slot, staying: Slot | None) -> list[Keyed]:
    """The next commands on the way to an empty `leaving` slot, given what serves instead."""
    reading = seen.route_reading
    slot = seen.slot(leaving)
    if slot is None or (slot.down and (reading is None or leaving not in reading.admitted)):
        return []
    if reading is None:
        # Without a router there is nobody to ask what is in flight; a slot that was never admitted
        # cannot have anything, every other waits until the router answers.
        return [] if state.intended(AdmitSlot, leaving) else [keyed(state, StopSlot(leaving))]
    if reading.serves_bp(leaving) or not is_at_rest_on(reading, staying):
        return []
    if leaving in reading.admitted:
        return [keyed(state, ExpelSlot(leaving))]
    if reading.in_flight.get(leaving, 0) == 0:
        return [] if slot.down else [keyed(state, StopSlot(leaving))]
    drained_ms = seen.now_ms - state.entered_ms
    if drained_ms >= drain_deadline_ms(state):
        return [keyed(state, CutSlot(leaving))]
    return [
        keyed(state, CutSlot(leaving, name), name)
        for name in overdue_classes(state.plan, reading.apart.get(leaving, {}), drained_ms)
    ]


def overdue_classes(plan: Plan, in_flight: Mapping[str, int], drained_ms: int) -> tuple[str, ...]:
    """Classes that have requests in flight beyond their own time, in the order of the plan.

    What the router cannot tell apart is not in `in_flight`, and has the time of the slowest.
    """
    return tuple(
        entry.name
        for entry in plan.route_classes
        if in_flight.get(entry.name, 0) and drained_ms >= entry.drain_ms
    )


def drain_deadline_ms(state: LaunchState) -> int:
    """When everything that is left is cut: the plan's deadline, or a class's own where it is longer."""
    return max((state.plan.drain_deadline_ms, *(entry.drain_ms for entry in state.plan.route_classes)))


def _return_of_stable(state: LaunchState, seen: Observation) -> Iterator[Keyed]:
    """Starts a stable slot that was retired, probes it, and only then lets the router send it requests."""
    reading = seen.route_reading
    if reading is None or state.stable is None or state.stable in reading.admitted:
        return
    stable = seen.slot(state.stable)
    if stable is None:
        return
    # A driver that was killed half way through the start left a slot that runs less than it should.
    halfway = stable.digest == state.stable_digest and len(stable.instances) < stable.expected
    gone = stable.digest is None and stable.down
    if (gone or halfway) and state.stable_digest is not None and state.stable_run:
        yield keyed(state, StartSlot(state.stable, state.stable_digest))
    elif stable.up:
        yield keyed(state, AdmitSlot(state.stable))


def is_untouched(state: LaunchState) -> bool:
    """Whether the launch ends before it has started anything: what slots and router hold is not its own."""
    return state.phase is Phase.SCRUBBING and not state.intended(StartSlot, state.candidate)


def ending_commands(state: LaunchState, seen: Observation) -> list[Keyed]:
    """Brings the stable slot back into its place and removes the candidate."""
    if is_untouched(state):
        return list(_stops(state, seen))
    commands: list[Keyed] = list(_return_of_stable(state, seen))
    reading = seen.route_reading
    at_rest = reading is not None and is_at_rest_on(reading, state.stable)
    if reading is not None and at_rest and reading.committed.live is not state.stable:
        commands.append(keyed(state, CommitRoute(rest_on(state, state.stable))))
    if reading is None or at_rest:
        commands.extend(removal(state, seen, state.candidate, state.stable))
    candidate = seen.slot(state.candidate)
    if candidate is not None and candidate.down:
        commands.extend(_stops(state, seen))
    elif reading is not None and _is_measured_anew(state) and COLD_METER not in {*seen.jobs, *state.jobs}:
        commands.append(keyed(state, meter_job(state, COLD_METER)))
    return commands


def _stops(state: LaunchState, seen: Observation) -> Iterator[Keyed]:
    for key, job in sorted(seen.jobs.items()):
        if job.phase is JobPhase.RUNNING:
            yield keyed(state, StopJob(key))


def watching_commands(state: LaunchState, seen: Observation) -> list[Keyed]:
    """Retires the stable slot once the candidate, now stable itself, is seen healthy."""
    commands: list[Keyed] = []
    reading = seen.route_reading
    held = state.hold is not None
    if reading is not None and not is_at_rest_on(reading, state.candidate):
        return [keyed(state, CommitRoute(rest_on(state, state.candidate)))]
    if state.stable is not None and not state.retired and not held:
        serving = seen.slot(state.candidate)
        if reading is not None and serving is not None and serving.up and reading.up.get(state.candidate, 0):
            commands.extend(removal(state, seen, state.stable, state.candidate))
    contract = contract_job(state)
    if contract is not None:
        commands.append(keyed(state, contract))
    if seen.now_ms >= state.watch_ends_ms:
        running = (seen.jobs.get(key) for key in (SAMPLER, MEASURE))
        commands.extend(
            keyed(state, StopJob(job.key)) for job in running if job and job.phase is JobPhase.RUNNING
        )
    meter = seen.jobs.get(METER)
    if (state.retired or state.stable is None) and meter is not None and meter.phase is JobPhase.RUNNING:
        commands.append(keyed(state, StopJob(METER)))
    return commands


def measure_loss(turn: Turn) -> None:
    """Journals the loss meter's figure once the meter has ended; nothing sent where there was none."""
    state, seen = turn.state, turn.observation
    if state.loss is not None or any(key in seen.jobs and key not in state.jobs for key in METERS):
        return
    candidate = seen.slot(state.candidate)
    if _is_measured_anew(state) and (candidate is None or not candidate.down):
        return
    ended = [state.jobs[key] for key in METERS if key in state.jobs]
    done = [job for job in ended if job.phase is JobPhase.DONE]
    if done:
        turn.record(_figure(state, done, seen.replayed))
    elif (ended or seen.jobs_read) and state.phase not in BEFORE_TRAFFIC | TRIAL:
        turn.record(ev.LossMeasured(0, 0, 0, 0, 0, None, None))


def _is_measured_anew(state: LaunchState) -> bool:
    """Whether the meter had ended when a rollback out of the watch began: stable comes back cold then."""
    return state.phase is Phase.ROLLING_BACK and state.promoted and METER in state.jobs


def _figure(state: LaunchState, ended: Sequence[ev.JobEnded], replayed: int) -> ev.LossMeasured:
    """The figure of all meters. One that cannot be read measured nothing."""
    readings = []
    for job in ended:
        with suppress(DecodeError):
            readings.append(read_meter(job.result))
    loss = loss_of(readings, state.cutover_ms)
    return ev.LossMeasured(
        sent=loss.count.sent - loss.count.unfinished,
        lost=loss.count.lost,
        failed=loss.count.failed,
        cut=loss.count.cut,
        replayed=replayed,
        p99_before_tenths=loss.p99_before_tenths,
        p99_after_tenths=loss.p99_after_tenths,
    )


def has_ended(turn: Turn) -> bool:
    """Whether a launch that is being taken back has left nothing behind."""
    state, seen = turn.state, turn.observation
    reading = seen.route_reading
    candidate = seen.slot(state.candidate)
    running = any(job.phase is JobPhase.RUNNING for job in seen.jobs.values())
    if turn.state.loss is None or running or not seen.jobs_read:
        return False
    if is_untouched(state):
        return True
    if candidate is None or not candidate.down:
        return False
    if reading is None:
        return not state.intended(AdmitSlot, state.candidate)
    returned = has_returned(reading, state) if state.phase is Phase.ROLLING_BACK else True
    return (
        returned
        and is_at_rest_on(reading, state.stable)
        and reading.committed.live is state.stable
        and state.candidate not in reading.admitted
    )
