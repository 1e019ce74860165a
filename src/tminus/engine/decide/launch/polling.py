"""How a launch waits for its seats: votes become void, the deadline passes, the poll lets it go on."""

from tminus.domain.launch.alarm import AlertFired, AlertResolved, Cause
from tminus.domain.launch.phase import PREPARING, Phase
from tminus.domain.launch.polling import ballot_of, standing_now
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.alert import Severity
from tminus.domain.plan.polling import OnDeadline
from tminus.domain.readiness.poll import ConditionOverdue, PollDecided, PollOverdue, VoteVoided
from tminus.domain.readiness.standing import Standing, void_votes
from tminus.engine.decide.launch.checking import pass_gate
from tminus.engine.decide.launch.turn import Turn

GO_NO_GO = "go/no-go"
"""The rule under which the poll asks for somebody above it."""


def note_votes(turn: Turn) -> None:
    """Journals every vote that has become void, once, and every condition that is late."""
    state, ballot = turn.state, ballot_of(turn.state)
    if ballot is not None and state.phase in PREPARING:
        for seat, person, why in tuple(void_votes(state.poll, ballot, turn.now_ms)):
            turn.record(VoteVoided(seat, person, why))
    for name, pending in tuple(turn.state.poll.conditions.items()):
        condition = pending.condition
        if not pending.closed_by and not pending.overdue and turn.now_ms >= condition.due_ms:
            turn.record(ConditionOverdue(name, condition.owner, condition.due_ms))


def polled_by_ms(state: LaunchState) -> int:
    """When a poll that does not let the launch go on is decided by the plan's `on_deadline`.

    Whoever lifts the hold that follows gives it its whole time again.
    """
    polling = state.plan.polling
    deadline_ms = 0 if polling is None else polling.deadline_ms
    return max(state.entered_ms, state.t0_ms or 0, state.resumed_ms) + deadline_ms


def poll(turn: Turn) -> None:
    """Waits for the seats, and for T-0; a vote that becomes void until then closes the way again."""
    state, window = turn.state, turn.state.plan.window
    standing = standing_now(state, turn.now_ms)
    if window is not None and turn.now_ms >= window.closes_ms:
        turn.take_back("the deployment window closed before the seats said GO")
    elif standing is not None and standing.may_go:
        begin(turn)
    elif turn.now_ms >= polled_by_ms(state):
        _overdue(turn, standing)


def begin(turn: Turn) -> None:
    """Begins to stage at T-0, or when the window opens, if that is later."""
    state, window = turn.state, turn.state.plan.window
    opens_ms = max(state.t0_ms or 0, window.opens_ms if window is not None else 0)
    if turn.now_ms < opens_ms:
        return
    freeze = state.plan.freeze_at(turn.now_ms)
    if freeze is not None:
        turn.take_back(f"a freeze began before the launch could begin: {freeze.why}")
        return
    if not pass_gate(turn):
        return
    # What the checks said in this very moment may have changed the ballot.
    standing = standing_now(turn.state, turn.now_ms)
    polled = ""
    if state.phase is Phase.POLL:
        if standing is None or not standing.may_go:
            return
        polled = f": {_decide(turn, standing)}"
    turn.enter(Phase.STAGING, f"{'T-0' if state.t0_ms is not None else 'ready'}{polled}")


def _decide(turn: Turn, standing: Standing) -> str:
    """Journals by whom the launch was let go, and says it."""
    said = tuple((each.seat.name, each.by, each.says.value) for each in standing.seats)
    by = () if standing.unanimous else standing.overriders
    why = standing.override_why if by else ""
    turn.record(PollDecided(standing.ballot.digest, said, by, why))
    if turn.state.alarms.alarm(GO_NO_GO, "", Cause.POLL) is not None:
        turn.record(AlertResolved(GO_NO_GO, "", Cause.POLL, "the poll was decided"))
    if by:
        return f"OVERRIDE of the poll by {' and '.join(by)}: {why}"
    return f"{len(said)} of {len(said)} seats say GO"


def escalate(turn: Turn, why: str, severity: Severity = Severity.HIGH) -> None:
    """Tells the role above the seats, unless it was told and has not had its answer."""
    policy = turn.state.poll.policy
    if policy is None or turn.state.alarms.alarm(GO_NO_GO, "", Cause.POLL) is not None:
        return
    role = policy.escalate_to
    turn.record(AlertFired(GO_NO_GO, "", Cause.POLL, severity, role, group=role, why=why))


def missing_text(standing: Standing | None) -> str:
    """What keeps the launch in the poll, in a line."""
    if standing is None:
        return "there is nothing to vote on"
    return "; ".join(standing.missing) or "nothing"


def _overdue(turn: Turn, standing: Standing | None) -> None:
    polling = turn.state.plan.polling
    why = missing_text(standing)
    turn.record(PollOverdue(why))
    escalate(turn, f"the seats have not said GO in time: {why}", Severity.CRITICAL)
    said = f"the seats have not said GO by the deadline: {why}"
    if polling is not None and polling.on_deadline is OnDeadline.SCRUB:
        turn.take_back(said)
    else:
        turn.hold("tminus", said)
