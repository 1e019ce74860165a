"""The policy: who may vote, override and waive, and who may change it. Must not read files.

A policy is changed by those who sign for the one before; see `trust`.
"""

from dataclasses import dataclass

from tminus.domain.canonical import digest_of
from tminus.domain.codec import to_json
from tminus.domain.plan.times import DAY_MS
from tminus.domain.readiness.key import fingerprint

EVERY_CHECK = "all"
"""In a machine's seat: every check of the launch."""


@dataclass(frozen=True, slots=True)
class Person:
    """A principal: an id and the public keys by which it is known, as `key.normal_key` writes them."""

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat of the poll.

    Attributes:
        name: such as `tech-lead`.
        holder: principal id; empty for a seat of a machine.
        delegates: who may vote in the holder's place.
        checks: of a machine: ids of checks that must have passed, or `EVERY_CHECK`. Empty for a person's.
    """

    name: str
    holder: str = ""
    delegates: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def by_machine(self) -> bool:
        """Whether checks vote here, and nobody else."""
        return bool(self.checks)

    @property
    def voters(self) -> tuple[str, ...]:
        """Who may vote here, the holder first."""
        return () if self.by_machine else (self.holder, *self.delegates)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may do what in the launches of a service.

    Attributes:
        people: everybody named below.
        seats: all of which must say GO.
        in_order: a seat may say GO only after those before it.
        valid_for_ms: a vote counts so long at most.
        override: who may override the poll; two of them are needed.
        waive: who may waive a check.
        signers: who may change this policy.
        required: how many of them must sign a change.
        escalate_to: role that is told when the poll needs somebody above it.
    """

    people: tuple[Person, ...]
    seats: tuple[Seat, ...]
    in_order: bool = False
    valid_for_ms: int = DAY_MS
    override: tuple[str, ...] = ()
    waive: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    required: int = 1
    escalate_to: str = "ceo"

    def seat(self, name: str) -> Seat | None:
        """The seat of that name."""
        return next((each for each in self.seats if each.name == name), None)

    def owner_of(self, key: str) -> str:
        """Principal id of whose key it is; empty for nobody's."""
        return next((each.name for each in self.people if key in each.keys), "")

    def key_of(self, mark: str) -> str:
        """The key with that fingerprint; empty where nobody here has it."""
        keys = (key for person in self.people for key in person.keys)
        return next((key for key in keys if fingerprint(key) == mark), "")

    def seats_of(self, person: str) -> tuple[Seat, ...]:
        """Where a person may vote: seats held first, then those stood in for."""
        mine = [each for each in self.seats if person in each.voters]
        return tuple(sorted(mine, key=lambda each: each.holder != person))


def digest_of_policy(policy: Policy) -> str:
    """`sha256:…` of the policy as it is meant, whatever its file looks like."""
    return digest_of(to_json(policy))
