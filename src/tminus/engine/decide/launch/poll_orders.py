"""What people say in the poll: votes, recalls, overrides, closed conditions, another policy.

Who has signed is observed; whether it is taken is decided here, whatever was checked before.
"""

from tminus.domain.launch.phase import ENDING, PREPARING, TERMINAL, Phase
from tminus.domain.launch.polling import ballot_of
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.poll import (
    BallotPresented,
    ConditionClosed,
    OverrideGiven,
    PolicyAdopted,
    VoteCast,
    VoteRecalled,
)
from tminus.domain.readiness.refusal import refusal_of
from tminus.domain.readiness.signing import SignedText, read_offer, text_of
from tminus.domain.readiness.statement import Choice, Signed, read_signed
from tminus.domain.readiness.trust import chain_after, distrust_of
from tminus.engine.decide.launch.answer import refuse, taken
from tminus.engine.decide.launch.polling import escalate
from tminus.engine.decide.launch.turn import Turn
from tminus.ports.journal import Order


def say(turn: Turn, order: Order) -> None:
    """Takes a signed statement: `argument` is a `Signed` as JSON."""
    signed = read_signed(order.argument)
    state = turn.state
    if state.plan.polling is None:
        refuse(turn, order, "poll-off", "this launch is not polled: its plan has no `poll`")
    elif signed is None:
        refuse(turn, order, "bad-vote", "it holds no signed statement")
    elif signed.statement.by != order.by:
        refuse(turn, order, "bad-vote", f"{order.by} brings what {signed.statement.by} has signed")
    elif state.phase in PREPARING:
        _vote(turn, order, signed)
    elif state.phase in ENDING | TERMINAL | {Phase.WATCHING}:
        refuse(turn, order, "poll-closed", f"the launch is {state.phase.value}; the seats were asked before")
    elif signed.statement.choice is not Choice.RECALL:
        why = f"the launch is {state.phase.value}; a recall, or `tminus hold`, keeps it where it is"
        refuse(turn, order, "poll-closed", why)
    else:
        _recall_late(turn, order, signed)


def _vote(turn: Turn, order: Order, signed: Signed) -> None:
    said, ballot = signed.statement, ballot_of(turn.state)
    if ballot is None:
        refuse(turn, order, "poll-not-open", "there is no artifact yet, and so nothing to vote on")
        return
    key = _key(turn, signed)
    refusal = refusal_of(turn.state.poll, ballot, said, key, turn.now_ms)
    if refusal is not None:
        refuse(turn, order, refusal.code, refusal.why)
        return
    taken(turn, order)
    mark = fingerprint(key)
    if said.choice is Choice.RECALL:
        turn.record(VoteRecalled(said, mark, signed.signature))
        return
    if ballot.digest not in turn.state.poll.ballots:
        turn.record(BallotPresented(ballot.digest, ballot))
    if said.choice is Choice.OVERRIDE:
        turn.record(OverrideGiven(said, mark, signed.signature))
    else:
        turn.record(VoteCast(said, mark, signed.signature))
    if said.choice is Choice.NO_GO:
        escalate(turn, f"{said.seat} ({said.by}) says NO-GO: {said.reason}")


def _recall_late(turn: Turn, order: Order, signed: Signed) -> None:
    """After the poll a recall is a hold: the launch goes no further by itself."""
    said, ballot = signed.statement, ballot_of(turn.state)
    key = _key(turn, signed)
    if ballot is None:
        refuse(turn, order, "poll-closed", "nothing was voted on")
        return
    refusal = refusal_of(turn.state.poll, ballot, said, key, turn.now_ms)
    if refusal is not None:
        refuse(turn, order, refusal.code, refusal.why)
        return
    taken(turn, order)
    turn.record(VoteRecalled(said, fingerprint(key), signed.signature))
    turn.hold(said.by, f"{said.seat or said.by} recalls: {said.reason}")


def close_condition(turn: Turn, order: Order) -> None:
    """`argument` is the id of a condition, and the reason says how it came about."""
    poll, name = turn.state.poll, order.argument
    pending = poll.conditions.get(name)
    if turn.state.phase in TERMINAL:
        refuse(turn, order, "launch-ended", f"the launch is {turn.state.phase.value}")
    elif pending is None:
        known = ", ".join(poll.conditions) or "none"
        refuse(turn, order, "no-such-condition", f"there is no condition {name!r}; there are {known}")
    elif pending.closed_by:
        refuse(turn, order, "condition-closed", f"{pending.closed_by} has closed it")
    elif not order.reason.strip():
        refuse(turn, order, "condition-without-reason", "say how it came about")
    else:
        taken(turn, order)
        turn.record(ConditionClosed(name, order.by, order.reason))


def adopt_policy(turn: Turn, order: Order) -> None:
    """`argument` is a `PolicyOffer` as JSON: what its signers have made of the policy in force."""
    known = turn.state.poll.policy
    offer = read_offer(order.argument)
    if known is None or turn.state.phase not in PREPARING:
        why = "no policy is in force" if known is None else f"the launch is {turn.state.phase.value}"
        refuse(turn, order, "policy-late", f"{why}: a policy is changed before the launch begins to stage")
        return
    if offer is None:
        refuse(turn, order, "bad-policy", "it holds no policy")
        return
    signers = turn.observation.signers
    distrust = distrust_of(
        offer.policy, offer.chain, known, lambda *signed: signers.get(SignedText(*signed), "")
    )
    if distrust is not None:
        refuse(turn, order, distrust.code, distrust.why)
        return
    taken(turn, order)
    for version in chain_after(offer.chain, known):
        adopted = PolicyAdopted(
            version.policy, version.digest, order.by, turn.state.poll.launch, "signed", version.signatures
        )
        turn.record(adopted)


def _key(turn: Turn, signed: Signed) -> str:
    return turn.observation.signers.get(text_of(signed), "")
