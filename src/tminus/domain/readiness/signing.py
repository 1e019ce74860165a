"""What of an order must be checked for its signatures, before anything is decided from it."""

import json
from dataclasses import dataclass

from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.readiness.policy import Policy
from tminus.domain.readiness.statement import VOTE_NAMESPACE, Signed, read_signed
from tminus.domain.readiness.trust import POLICY_NAMESPACE, Version, policy_links

VOTE = "vote"
"""The order that brings a signed statement."""

POLICY = "policy"
"""The order that brings a policy and its signed versions."""

CLOSE_CONDITION = "close-condition"
"""The order that closes a condition."""

MOST_TEXTS = 500
"""Signatures that are looked at in one order; a check takes a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class SignedText:
    """A signature, and what it is said to be over and for."""

    namespace: str
    content: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class PolicyOffer:
    """A policy, and the signed versions that lead to it, oldest first."""

    policy: Policy
    chain: tuple[Version, ...] = ()

    def text(self) -> str:
        """The argument of the order that brings it."""
        return canonical_bytes(to_json(self)).decode()


def read_offer(argument: str) -> PolicyOffer | None:
    """The offer in an order's argument; None where it is none."""
    try:
        return from_json(PolicyOffer, json.loads(argument))
    except (ValueError, RecursionError, DecodeError):
        return None


def text_of(signed: Signed) -> SignedText:
    """The signature under a statement."""
    return SignedText(VOTE_NAMESPACE, signed.statement.content(), signed.signature)


def signed_texts(verb: str, argument: str) -> tuple[SignedText, ...]:
    """Every signature in an order; none where it brings none, or cannot be read."""
    if verb == VOTE:
        signed = read_signed(argument)
        return () if signed is None else (text_of(signed),)
    offer = read_offer(argument) if verb == POLICY else None
    if offer is None:
        return ()
    links = policy_links(offer.chain)
    texts = [SignedText(POLICY_NAMESPACE, content, each) for content, given in links for each in given]
    return tuple(texts[:MOST_TEXTS])
