"""policy.yaml as models: its keys, kinds and defaults. Must not judge how they fit together."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from tminus.domain.plan.times import DAY_MS
from tminus.domain.readiness.key import normal_key
from tminus.domain.readiness.policy import EVERY_CHECK, Policy
from tminus.plan.kinds import ClassName, Duration
from tminus.plan.parse import count_of, flag_of
from tminus.plan.scalar import Scalar
from tminus.plan.section import TMINUS, Section, default_of, given, usual
from tminus.plan.tree import Text

MOST_SIGNERS = 20


def _pattern(noun: str, example: str, pattern: str) -> Scalar:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{str(text)[:80]!r} is not {noun}")
        return str(text)

    return Scalar(
        noun, example, parse, code="policy-bad-value", schema={"type": "string", "pattern": pattern}
    )


PersonName = Annotated[
    str,
    _pattern(
        "a principal id of letters, digits, dots, hyphens and underscores",
        "ana",
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    ),
]
CheckName = Annotated[
    str, _pattern("the id of a check", "pre-deployment/backups-restored", r"[a-z0-9][a-z0-9./_-]{0,99}")
]
PublicKey = Annotated[
    str,
    Scalar(
        "a line of an OpenSSH public key file",
        "ssh-ed25519 AAAA…",
        normal_key,
        code="policy-bad-key",
    ),
]
YesNo = Annotated[bool, Scalar("yes or no", "yes", flag_of, code="policy-bad-value")]
Count = Annotated[
    int, Scalar("a whole number", "2", lambda text: count_of(text, MOST_SIGNERS), code="policy-bad-value")
]


class PersonSection(Section):
    """A person."""

    keys: Annotated[list[PublicKey], Field(min_length=1)] = given("public keys that sign for this person")


class SeatSection(Section):
    """A seat: a person's, or a machine's."""

    holder: PersonName | None = given("who votes", default=None)
    delegates: list[PersonName] = given("who votes in the holder's place", default=[])
    machine: Annotated[
        list[CheckName], BeforeValidator(lambda value: [value] if isinstance(value, Text) else value)
    ] = given(f"checks that vote by their verdicts; `{EVERY_CHECK}` for every one", default=[])


class SignersSection(Section):
    """Who may change the policy."""

    people: Annotated[list[PersonName], Field(min_length=1)] = given("who may sign a change of this file")
    required: Count = usual(1, TMINUS, "how many of them must")


class PolicyFile(Section):
    """Who may vote, override, waive, and who may change that."""

    people: Annotated[dict[PersonName, PersonSection], Field(min_length=1)] = given("everybody named below")
    seats: Annotated[dict[ClassName, SeatSection], Field(min_length=1)] = given(
        "all of which must say GO, in their order"
    )
    in_order: YesNo = usual(
        default_of(Policy, "in_order"), TMINUS, "a seat says GO only after those above it"
    )
    expires: Duration = usual(DAY_MS, TMINUS, "a vote counts so long at most")
    override: list[PersonName] = given("who may override the poll; two of them are needed", default=[])
    waive: list[PersonName] = given("who may waive a check", default=[])
    signers: SignersSection = given("who may change this file")
    escalate_to: ClassName = usual(
        default_of(Policy, "escalate_to"), TMINUS, "role that is told of a NO-GO and of missing votes"
    )
