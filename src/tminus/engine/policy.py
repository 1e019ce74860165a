"""Which policy a launch is entered with: believed at first use, and from then on changed by its signers."""

from collections.abc import Iterator, Sequence

from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem
from tminus.domain.readiness.policy import Policy, digest_of_policy
from tminus.domain.readiness.poll import PolicyAdopted
from tminus.domain.readiness.signing import PolicyOffer
from tminus.domain.readiness.trust import chain_after, distrust_of
from tminus.engine.drive import fold_launch
from tminus.ports.journal import Journal, LaunchRow, Shelf
from tminus.ports.signatures import Signatures


def known_policy(journal: Journal, shelf: Shelf, rows: Sequence[LaunchRow]) -> Policy | None:
    """The policy of the newest launch that had one, of these launches of a service, oldest first.

    Raises:
        PortFault: the journal does not answer or is corrupt.
    """
    for row in reversed(rows):
        state, _ = fold_launch(journal, shelf, row.launch)
        if state.poll.policy is not None:
            return state.poll.policy
    return None


def policy_problems(
    plan: Plan, offer: PolicyOffer | None, known: Policy | None, signatures: Signatures | None
) -> list[Problem]:
    """Why a launch is not entered with the policy that is offered."""
    if plan.polling is None:
        return []
    where = plan.polling.policy
    if offer is None or signatures is None:
        why = "the plan asks for a poll, and nobody has said who votes"
        return [Problem("policy-missing", "there is no policy", where, why, "write one, or set `poll: off`")]
    distrust = distrust_of(offer.policy, offer.chain, known, signatures.key_of)
    if distrust is None:
        return []
    fix = "have it signed by those who may: `tminus policy sign`; or restore the version before"
    why = "a policy is changed by the signers of the version before, and by nobody else"
    return [Problem(distrust.code, distrust.why, where, why, fix)]


def adoptions(offer: PolicyOffer, known: Policy | None, by: str, launch: str) -> Iterator[PolicyAdopted]:
    """The events that put the policy in force: from the known one, version by version."""
    if known is None:
        yield PolicyAdopted(offer.policy, digest_of_policy(offer.policy), by, launch, "first")
        return
    yield PolicyAdopted(known, digest_of_policy(known), by, launch, "known")
    if digest_of_policy(offer.policy) == digest_of_policy(known):
        return
    for version in chain_after(offer.chain, known):
        yield PolicyAdopted(version.policy, version.digest, by, launch, "signed", version.signatures)
