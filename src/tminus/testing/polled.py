"""People with keys of their own for a launch on a stand: they vote, recall, override and sign policies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tminus.adapters.ssh.sign import SshKey
from tminus.domain.launch.polling import ballot_of
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import HOUR_MS
from tminus.domain.readiness.key import fingerprint, normal_key
from tminus.domain.readiness.policy import digest_of_policy
from tminus.domain.readiness.poll import PolicySignature
from tminus.domain.readiness.signing import PolicyOffer
from tminus.domain.readiness.statement import VOTE_NAMESPACE, Choice, Condition, Signed, Statement
from tminus.domain.readiness.trust import POLICY_NAMESPACE, Version, policy_content
from tminus.plan.policy_chain import load_offer, write_chain
from tminus.plan.policy_file import load_policy

_PRIVATE = 0o600


@dataclass
class Team:
    """People by name, each with a key file in `folder`, and the policy that they are in.

    Attributes:
        folder: of the keys and of `policy.yaml`.
        seats: who holds which seat.
    """

    folder: Path
    seats: Mapping[str, str]
    _spoken_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the keys and writes the policy, unless they are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for person in self.people:
            if self.key_path(person).exists():
                continue
            key = Ed25519PrivateKey.generate()
            path = self.key_path(person)
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
            path.chmod(_PRIVATE)
            public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
            path.with_suffix(".pub").write_text(f"{public} {person}\n", encoding="ascii")
        if not self.policy_path.exists():
            self.write_policy()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody, each once."""
        return tuple(dict.fromkeys(self.seats.values()))

    @property
    def policy_path(self) -> Path:
        """Of the policy file."""
        return self.folder / "policy.yaml"

    def key_path(self, person: str) -> Path:
        """Of the private key."""
        return self.folder / person

    def public(self, person: str) -> str:
        """The public key, as the policy has it."""
        return normal_key(self.key_path(person).with_suffix(".pub").read_text(encoding="ascii"))

    def write_policy(self, **more: object) -> None:
        """Writes the policy, with `more` keys over the usual ones."""
        body = {
            "people": {person: {"keys": [self.public(person)]} for person in self.people},
            "seats": {seat: {"holder": person} for seat, person in self.seats.items()},
            "override": list(self.people[:2]),
            "signers": {"people": list(self.people), "required": 1},
            **more,
        }
        self.policy_path.write_text(json.dumps(body, indent=1), encoding="utf-8")

    def revise(self, signer: str) -> PolicyOffer:
        """Writes another policy, signed by one person as the one after that in the file."""
        before = load_offer(self.policy_path)
        self.write_policy(escalate_to=f"board-{len(before.chain)}")
        offer = self.offer(signer, before)
        write_chain(self.policy_path, offer.chain)
        return offer

    def offer(self, signer: str, before: PolicyOffer) -> PolicyOffer:
        """The policy as it is written now, signed by one person as the one after `before`."""
        policy = load_policy(self.policy_path)
        content = policy_content(digest_of_policy(policy), digest_of_policy(before.policy))
        signature = self._key(signer).sign(POLICY_NAMESPACE, content)
        signed = Version(policy, (PolicySignature(fingerprint(self.public(signer)), signature),))
        return PolicyOffer(policy, (*(before.chain or (Version(before.policy),)), signed))

    def say(
        self,
        state: LaunchState,
        launch: str,
        person: str,
        choice: Choice,
        now_ms: int,
        *,
        seat: str = "",
        reason: str = "said in a test",
        due_ms: tuple[int, ...] = (),
    ) -> Signed:
        """A signed statement over the present ballot of a launch."""
        ballot = ballot_of(state)
        assert ballot is not None, "there is nothing to vote on yet"
        at_ms = max(now_ms, self._spoken_ms.get(person, 0) + 1)
        self._spoken_ms[person] = at_ms
        statement = Statement(
            launch=launch,
            ballot=ballot.digest,
            seat=seat,
            choice=choice,
            reason=reason,
            by=person,
            at_ms=at_ms,
            expires_ms=at_ms + HOUR_MS,
            conditions=tuple(Condition("something comes about", person, each) for each in due_ms),
        )
        return Signed(statement, self._key(person).sign(VOTE_NAMESPACE, statement.content()))

    def _key(self, person: str) -> SshKey:
        return SshKey(self.key_path(person), {})
