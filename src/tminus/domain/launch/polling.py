"""What the seats of a launch vote on, from its state. Must not judge votes."""

from tminus.domain.canonical import digest_of
from tminus.domain.codec import to_json
from tminus.domain.launch.ready import verdicts_of, waivers_of
from tminus.domain.launch.state import LaunchState
from tminus.domain.readiness.ballot import Ballot, pairs_of
from tminus.domain.readiness.standing import Standing, standing_of


def ballot_of(state: LaunchState) -> Ballot | None:
    """The present ballot; None while there is no artifact, and so nothing to vote on, or no policy."""
    if state.artifact is None or state.poll.policy is None:
        return None
    return Ballot(
        plan=state.plan_digest,
        artifacts=(("candidate", state.artifact),),
        verdicts=pairs_of(verdicts_of(state)),
        waivers=pairs_of({item: digest_of(to_json(excused)) for item, excused in waivers_of(state).items()}),
        policy=state.poll.policy_digest,
    )


def standing_now(state: LaunchState, now_ms: int) -> Standing | None:
    """How the poll stands; None where there is nothing to vote on."""
    ballot = ballot_of(state)
    return None if ballot is None else standing_of(state.poll, ballot, now_ms)
