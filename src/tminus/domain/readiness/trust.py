"""How a policy comes to be believed: the first at first use, every later one by signers of the one before.

Pure: who has made a signature is told by the caller.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tminus.domain.canonical import canonical_bytes
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import Policy, digest_of_policy
from tminus.domain.readiness.poll import PolicySignature

POLICY_NAMESPACE = "tminus-policy@v1"
"""What such a signature is for; see `statement.VOTE_NAMESPACE`."""

KeyOf = Callable[[str, bytes, str], str]
"""From namespace, content and armoured signature to the key that made it; empty where it does not hold."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a policy, and who has signed for it."""

    policy: Policy
    signatures: tuple[PolicySignature, ...] = ()

    @property
    def digest(self) -> str:
        """Of the policy."""
        return digest_of_policy(self.policy)


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a policy is not believed: a code and a sentence."""

    code: str
    why: str


def policy_content(digest: str, before: str) -> bytes:
    """What is signed to make a policy the one after another; digests of both."""
    return canonical_bytes({"tminus": "policy", "version": 1, "digest": digest, "after": before})


def policy_links(chain: Sequence[Version]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """What is signed, and the signatures over it, from each version to the next."""
    for before, after in pairwise(chain):
        content = policy_content(after.digest, before.digest)
        yield content, tuple(each.signature for each in after.signatures)


def signers_of(version: Version, before: Policy, key_of: KeyOf) -> tuple[str, ...]:
    """Who of those who may has signed the version as the one after `before`; each once, sorted."""
    content = policy_content(version.digest, digest_of_policy(before))
    found = set()
    for each in version.signatures:
        key = key_of(POLICY_NAMESPACE, content, each.signature)
        owner = before.owner_of(key) if key else ""
        if owner in before.signers and fingerprint(key) == each.fingerprint:
            found.add(owner)
    return tuple(sorted(found))


def distrust_of(
    policy: Policy, chain: Sequence[Version], known: Policy | None, key_of: KeyOf
) -> Distrust | None:
    """Why a policy is not believed; None where it is.

    Args:
        policy: as its file has it.
        chain: every version that was signed, oldest first; empty while nobody has signed anything.
        known: of the service's newest launch that had one; None is a first use.
        key_of: who made a signature.
    """
    digest = digest_of_policy(policy)
    if known is not None and digest == digest_of_policy(known):
        return None
    if not chain:
        if known is None:
            return None
        why = "the policy differs from that of the last launch, and nobody has signed it"
        return Distrust("policy-not-signed", why)
    if chain[-1].digest != digest:
        return Distrust("policy-not-signed", "the policy was changed after it was signed the last time")
    begin = 0
    if known is not None:
        digests = [each.digest for each in chain]
        if digest_of_policy(known) not in digests:
            why = "the signed versions do not lead here from the policy of the last launch"
            return Distrust("policy-from-elsewhere", why)
        begin = len(digests) - 1 - digests[::-1].index(digest_of_policy(known))
    return _broken_link(chain[begin:], key_of)


def _broken_link(chain: Sequence[Version], key_of: KeyOf) -> Distrust | None:
    for before, after in pairwise(chain):
        signers = signers_of(after, before.policy, key_of)
        required = before.policy.required
        if len(signers) < required:
            who = ", ".join(signers) or "nobody who may"
            why = (
                f"the version {after.digest[:19]} was signed by {who}; "
                f"the one before wants {required} of {', '.join(before.policy.signers)}"
            )
            return Distrust("policy-not-signed", why)
    return None


def chain_after(chain: Sequence[Version], known: Policy) -> tuple[Version, ...]:
    """The versions after the newest that is `known`; all where it is not among them."""
    digests = [each.digest for each in chain]
    digest = digest_of_policy(known)
    if digest not in digests:
        return tuple(chain)
    return tuple(chain[len(digests) - digests[::-1].index(digest) :])
