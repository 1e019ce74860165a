"""Checks while a launch counts down: they are asked, what changes is journalled, and the gate is judged."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob, StopJob
from tminus.domain.launch.job import is_check
from tminus.domain.launch.phase import ENDING, PREPARING, TERMINAL
from tminus.domain.launch.reading import JobPhase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.checklist import CheckItem, Checks, GateAction, Probed, Worked
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.readiness.checked import (
    MOST_NAMED,
    CheckAnswered,
    CheckExcuseEnded,
    CheckLapsed,
    GateOpened,
    GateWaiting,
    Proof,
    answered,
    proof_of,
)
from tminus.domain.readiness.gate import (
    ItemVerdict,
    Standing,
    blocking,
    digest_of_verdicts,
    gate_text,
    is_open,
    judge_items,
    newest,
)
from tminus.engine.decide.launch.turn import Turn
from tminus.engine.decide.launch.work import BACKUP, RESTORE, backup_path, failure_of
from tminus.engine.decide.step import Observation, Waiting

CHECK = "check"
"""Work and key of the job that asks; whatever runs after one that has ended is `check-2` and so on."""

CHECK_DEADLINE_MS = 30 * DAY_MS
"""A countdown of a week, slipped three times; a longer one gets another job."""

MOST_CHECK_JOBS = 20
"""Jobs that ask, one after the other. What ends so often has a cause that no further start removes."""

SOONEST_RENEWAL_MS = 5 * MINUTE_MS
"""Evidence that says what it said before enters the journal no more often."""

FAR_MS = DAY_MS
FAR_RENEWAL_MS = 6 * HOUR_MS
"""Further than a day before T-0 evidence is renewed in the journal this often: 30 days are 120 entries."""


@dataclass(frozen=True, slots=True)
class Look:
    """The checks at one moment.

    Attributes:
        checks: of the plan.
        fresh: newest answers by item, those the journal has among them.
        verdicts: on all items, in the order of the plan.
    """

    checks: Checks
    fresh: Mapping[str, CheckAnswered]
    verdicts: tuple[ItemVerdict, ...]


def look_at_checks(state: LaunchState, answers: Mapping[str, CheckAnswered], now_ms: int) -> Look | None:
    """What the checks come to at `now_ms`, with the newest `answers` by item; None for a plan without any."""
    checks = state.plan.checks
    if checks is None:
        return None
    fresh = {**answers, **_worked(checks, state, now_ms)}
    proofs = {name: proof_of(answer) for name, answer in fresh.items()}
    return Look(checks, fresh, judge_items(checks, state.readiness, now_ms, proofs))


def _worked(checks: Checks, state: LaunchState, now_ms: int) -> dict[str, CheckAnswered]:
    """What the launch's own jobs answer; an item whose jobs have not all ended has no answer."""
    found = {}
    for item in checks.items:
        if isinstance(item.asks, Worked):
            answer = _work_answer(item.asks, state)
            if answer is not None:
                found[item.item] = answered(item.item, answer, now_ms, item.keeps_ms)
    return found


def _work_answer(asks: Worked, state: LaunchState) -> Answer | None:
    source = f"this launch's {' and '.join(asks.jobs)}"
    if not asks.jobs:
        return unknown("no work is named", source)
    for key in asks.jobs:
        ended = state.jobs.get(key)
        if ended is None and key == RESTORE and BACKUP in state.jobs and not backup_path(state):
            return passed("the database was empty: there was nothing to back up", source)
        if ended is None:
            return None
        why = failure_of(ended)
        if why:
            return failed(f"{key}: {why}", source)
    return passed(f"{' and '.join(asks.jobs)} ended well", source)


def _look(turn: Turn) -> Look | None:
    return look_at_checks(turn.state, turn.observation.checked, turn.now_ms)


def note_checks(turn: Turn) -> None:
    """Journals what changed: a verdict, evidence that is due to be renewed, what expired.

    While a launch counts down, held or not; afterwards the gate has been passed.
    """
    if turn.state.phase not in PREPARING:
        return
    look = _look(turn)
    if look is None:
        return
    for verdict in look.verdicts:
        _note_excuse(turn, verdict.item.item)
        _note_answer(turn, verdict, look.fresh.get(verdict.item.item))
        _note_late(turn, verdict)


def _note_excuse(turn: Turn, name: str) -> None:
    excused = turn.state.readiness.excuses.get(name)
    if excused is not None and turn.now_ms >= excused.until_ms:
        turn.record(CheckExcuseEnded(name, "", f"{excused.excuse.value} by {excused.by} has run out"))


def _note_answer(turn: Turn, verdict: ItemVerdict, fresh: CheckAnswered | None) -> None:
    name, readiness = verdict.item.item, turn.state.readiness
    kept = readiness.proofs.get(name)
    if fresh is not None and _is_news(turn, kept, fresh, lapsed=name in readiness.lapsed):
        turn.record(fresh)
        kept = turn.state.readiness.proofs.get(name)
    newer = newest(kept, None if fresh is None else proof_of(fresh))
    if newer is not None and turn.now_ms >= newer.expires_ms and name not in turn.state.readiness.lapsed:
        turn.record(CheckLapsed(name, f"nothing newer than what was found then: {newer.why}"))


def _is_news(turn: Turn, kept: Proof | None, fresh: CheckAnswered, *, lapsed: bool) -> bool:
    """Whether an answer belongs into the journal: another outcome, after a lapse, or due to be renewed."""
    if turn.now_ms >= fresh.expires_ms or (kept is not None and fresh.asked_ms <= kept.asked_ms):
        return False
    if kept is None or lapsed or kept.outcome is not fresh.outcome:
        return True
    return turn.now_ms - kept.noted_ms >= _renewal_ms(turn, fresh.expires_ms - fresh.asked_ms)


def _renewal_ms(turn: Turn, keeps_ms: int) -> int:
    t0_ms = turn.state.t0_ms
    far = t0_ms is not None and t0_ms - turn.now_ms > FAR_MS
    return max(FAR_RENEWAL_MS if far else SOONEST_RENEWAL_MS, keeps_ms // 2)


def _note_late(turn: Turn, verdict: ItemVerdict) -> None:
    """Tells once that an item is late: it blocks, and was due while this launch has been counting down."""
    state, item = turn.state, verdict.item
    if state.t0_ms is None or not verdict.blocks:
        return
    due_ms, step = state.t0_ms + item.due_ms, f"check {item.item}"
    if state.planned_ms < due_ms < turn.now_ms and step not in state.late:
        turn.record(ev.StepLate(step, due_ms, gate_by_ms(state, turn.now_ms)))


def gate_by_ms(state: LaunchState, now_ms: int) -> int:
    """When the gate's deadline is over. Whoever lifts a hold gives it its whole time again."""
    checks = state.plan.checks
    deadline_ms = 0 if checks is None else checks.deadline_ms
    waits_ms = state.readiness.waits_ms
    since_ms = max(now_ms, state.t0_ms or 0) if waits_ms is None else waits_ms
    return max(since_ms, state.resumed_ms) + deadline_ms


def pass_gate(turn: Turn) -> bool:
    """Whether every check that blocks holds now; journals that the gate opens, shuts, and its deadline."""
    look = _look(turn)
    if look is None:
        return True
    readiness = turn.state.readiness
    if is_open(look.verdicts):
        _open(turn, look)
        return True
    shut = blocking(look.verdicts)
    if readiness.waits_ms is None:
        named = tuple(verdict.item.item for verdict in shut[:MOST_NAMED])
        until_ms = max(turn.now_ms, turn.state.resumed_ms) + look.checks.deadline_ms
        turn.record(GateWaiting(named, len(shut), until_ms))
    elif turn.now_ms >= gate_by_ms(turn.state, turn.now_ms):
        limit = format_duration(look.checks.deadline_ms)
        why = f"the checks did not hold within {limit}: {gate_text(look.verdicts)}"
        if look.checks.then is GateAction.SCRUB:
            turn.take_back(why)
        else:
            turn.hold("tminus", why)
    return False


def _open(turn: Turn, look: Look) -> None:
    """Journals the evidence that counts at this moment, then that the gate is open on it."""
    for verdict in look.verdicts:
        fresh, kept = look.fresh.get(verdict.item.item), turn.state.readiness.proofs.get(verdict.item.item)
        stale = kept is None or turn.now_ms >= kept.expires_ms
        if fresh is not None and stale and turn.now_ms < fresh.expires_ms:
            turn.record(fresh)
    digest = digest_of_verdicts({each.item.item: each.standing.value for each in look.verdicts})
    readiness = turn.state.readiness
    if readiness.opened_ms is not None and readiness.digest == digest:
        return
    count = Counter(each.standing for each in look.verdicts)
    turn.record(
        GateOpened(
            digest=digest,
            passed=count[Standing.PASS],
            waived=count[Standing.WAIVED],
            not_applicable=count[Standing.NOT_APPLICABLE],
            open=count[Standing.FAIL] + count[Standing.INCONCLUSIVE],
        )
    )


def gate_waiting(turn: Turn) -> Waiting | None:
    """What the gate waits for, once everything else is ready; None while it is open."""
    state = turn.state
    look = _look(turn)
    if look is None or is_open(look.verdicts):
        return None
    why = "".join(f"; the answers cannot be asked for: {fault}" for fault in _faults(state))
    return Waiting(
        f"{gate_text(look.verdicts)}{why}",
        state.readiness.waits_ms or turn.now_ms,
        gate_by_ms(state, turn.now_ms),
        look.checks.then.value,
        f"tminus ready {state.plan.service}",
    )


def _faults(state: LaunchState) -> Iterator[str]:
    for attempt in state.commands.values():
        if isinstance(attempt.command, StartJob) and is_check(attempt.command.key) and attempt.code:
            yield f"{attempt.why} [{attempt.code}]"


def check_commands(state: LaunchState, seen: Observation) -> Iterator[StartJob | StopJob]:
    """Starts the job that asks once there is an artifact to ask about, and stops it when the gate is past."""
    checks = state.plan.checks
    if checks is None:
        return
    if state.phase in PREPARING:
        job = check_job(checks, state, seen) if state.artifact is not None else None
        if job is not None:
            yield job
        return
    if state.phase in ENDING | TERMINAL:
        return  # whatever runs is stopped with everything else
    for key, reading in seen.jobs.items():
        if is_check(key) and reading.phase is JobPhase.RUNNING:
            yield StopJob(key)


def check_job(checks: Checks, state: LaunchState, seen: Observation) -> StartJob | None:
    """The job that asks every item a machine can see; None where there is none, or it ended too often."""
    asked = [item for item in checks.items if isinstance(item.asks, Probed)]
    ended = sum(is_check(key) for key in state.jobs)
    if not asked or ended >= MOST_CHECK_JOBS:
        return None
    secrets = dict.fromkeys(text for item in asked for text in _secrets(item))
    arguments: Json = {
        "items": to_json(tuple(asked)),
        "target": _target(state, seen),
        "repository": state.plan.source.repository,
        "optional_secrets": {f"TMINUS_CHECK_SECRET_{index}": text for index, text in enumerate(secrets)},
    }
    return StartJob(CHECK if not ended else f"{CHECK}-{ended + 1}", CHECK, arguments, CHECK_DEADLINE_MS)


def _secrets(item: CheckItem) -> tuple[str, ...]:
    return item.asks.secrets if isinstance(item.asks, Probed) else ()


def _target(state: LaunchState, seen: Observation) -> Json:
    plan = state.plan
    stable = None if state.stable is None else seen.slot(state.stable)
    serving = () if stable is None else tuple(each.address for each in stable.instances)
    return {
        "service": plan.service,
        "environment": plan.environment,
        "version": plan.version,
        "tag": plan.source.tag,
        "commit": state.commit,
        "digest": state.artifact or "",
        "url": f"http://{plan.listen.host}:{plan.listen.port}",
        "instances": list(serving),
    }
