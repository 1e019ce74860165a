"""One event of each kind of the poll, with everything in it that an event can hold."""

from tests.unit.polling.polls import a_policy, signed, statement
from tests.unit.polling.polls import polled as a_poll
from tminus.domain.launch.polling import ballot_of
from tminus.domain.readiness import poll as pl
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import digest_of_policy
from tminus.domain.readiness.statement import Choice
from tminus.testing.signatures import named_key

POLICY = a_policy()
STATE = a_poll()
GO, RECALL, OVERRIDE = (
    statement(STATE, "ana", choice) for choice in (Choice.GO_WITH_CONDITIONS, Choice.RECALL, Choice.OVERRIDE)
)
MARK = fingerprint(named_key("ana"))
BALLOT = ballot_of(STATE)
assert BALLOT is not None

POLL_EVENTS: tuple[pl.PollEvent, ...] = (
    pl.PolicyAdopted(
        POLICY, digest_of_policy(POLICY), "ana", "shop-2.0.0", "signed", (pl.PolicySignature(MARK, "s"),)
    ),
    pl.BallotPresented(BALLOT.digest, BALLOT),
    pl.VoteCast(GO, MARK, signed(GO).signature),
    pl.VoteRecalled(RECALL, MARK, signed(RECALL).signature),
    pl.VoteVoided("pm", "ana", "the plan was changed"),
    pl.OverrideGiven(OVERRIDE, MARK, signed(OVERRIDE).signature),
    pl.ConditionClosed("pm/1", "ben", "it is reviewed"),
    pl.ConditionOverdue("pm/1", "ben", 1),
    pl.PollOverdue("sponsor (eve) has not voted"),
    pl.PollDecided(BALLOT.digest, (("pm", "ana", "go"),), ("ana", "ben"), "agreed"),
)
