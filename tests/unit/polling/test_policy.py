"""The policy file: what it says, what is wrong with it and where, and who may change it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.polling.polls import KEYS, a_policy
from tminus.domain.problem import ProblemError
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import Person, Policy, Seat, digest_of_policy
from tminus.domain.readiness.poll import PolicySignature
from tminus.domain.readiness.trust import (
    POLICY_NAMESPACE,
    Version,
    chain_after,
    distrust_of,
    policy_content,
)
from tminus.plan.policy_chain import chain_path, load_chain, write_chain
from tminus.plan.policy_file import load_policy, load_policy_text
from tminus.testing.signatures import NamedSignatures, sign_as

pytestmark = pytest.mark.req("R18")

GOOD = f"""\
people:
  ana: {{keys: ["{KEYS["ana"]} ana@laptop"]}}
  ben: {{keys: ["{KEYS["ben"]}"]}}
seats:
  pm: {{holder: ana}}
  tech-lead: {{holder: ben, delegates: [ana]}}
  robot: {{machine: all}}
in_order: yes
expires: 2h
override: [ana, ben]
waive: [ana]
signers: {{people: [ana, ben], required: 2}}
escalate_to: board
"""


def test_a_policy_is_read() -> None:
    assert load_policy_text(GOOD) == Policy(
        people=(Person("ana", (KEYS["ana"],)), Person("ben", (KEYS["ben"],))),
        seats=(Seat("pm", "ana"), Seat("tech-lead", "ben", ("ana",)), Seat("robot", checks=("all",))),
        in_order=True,
        valid_for_ms=7_200_000,
        override=("ana", "ben"),
        waive=("ana",),
        signers=("ana", "ben"),
        required=2,
        escalate_to="board",
    )


def test_comments_and_spaces_change_no_digest_and_a_key_does() -> None:
    digest = digest_of_policy(load_policy_text(GOOD))
    assert digest_of_policy(load_policy_text(f"# mine\n{GOOD}\n")) == digest
    changed = GOOD.replace("expires: 2h", "expires: 3h")
    assert digest_of_policy(load_policy_text(changed)) != digest


WRONG = (
    ("people:\n  ana", "peple:\n  ana", "policy-unknown-key", "1:1", "did you mean `people`?"),
    ("signers: {people: [ana, ben], required: 2}\n", "", "policy-missing-key", "1:1", "add `signers`"),
    ("{holder: ana}", "{holder: anna}", "policy-stranger", "5:16", "did you mean ana?"),
    ("{holder: ana}", "{holdr: ana}", "policy-unknown-key", "5:8", "did you mean `holder`?"),
    ("{holder: ana}", "ana", "policy-bad-value", "5:3", ""),
    ("{holder: ana}", "{}", "policy-bad-seat", "5:7", "give one of the two"),
    ("{machine: all}", "{machine: all, holder: ben}", "policy-bad-seat", "7:10", "give one of the two"),
    ("{machine: all}", "{machine: all, delegates: [ana]}", "policy-bad-seat", "7:10", "remove `delegates`"),
    ("holder: ben", "holder: ana", "policy-two-seats", "6:23", "name somebody else"),
    ("expires: 2h", "expires: 2", "policy-bad-duration", "9:10", "write it like 30s, 10m, 1h30m or 7d"),
    ("in_order: yes", "in_order: ja", "policy-bad-value", "8:11", "write it like yes"),
    (
        "override: [ana, ben]",
        "override: [ana]",
        "policy-bad-override",
        "10:11",
        "name two or more, or nobody",
    ),
    ("required: 2", "required: 3", "policy-bad-signers", "12:41", "name more people, or require fewer"),
    ("required: 2", "required: no", "policy-bad-value", "12:41", "write it like 2"),
    ("waive: [ana]", "waive: ana", "policy-bad-value", "11:1", ""),
    (
        "waive: [ana]",
        "waive: [ana, zoe]",
        "policy-stranger",
        "11:14",
        "describe them below `people`, with a key",
    ),
    (KEYS["ben"], KEYS["ana"], "policy-shared-key", "3:16", "give each a key of their own"),
    (f'"{KEYS["ben"]}"', "ssh-dss AAAA", "policy-bad-key", "3:16", "write it like ssh-ed25519 AAAA…"),
    ("people: [ana, ben]", "people: []", "policy-bad-value", "12:11", "name at least one"),
    ("pm: {holder: ana}", "PM: {holder: ana}", "policy-bad-name", "5:3", "write it like login"),
    ("in_order: yes", "in_order: yes\nin_order: no", "policy-duplicate-key", "9:1", "keep one of the two"),
    ("in_order: yes", "in_order: [", "policy-not-yaml", "", ""),
)


@pytest.mark.parametrize(("was", "becomes", "code", "at", "fix"), WRONG)
def test_what_is_wrong_is_said_with_its_place(was: str, becomes: str, code: str, at: str, fix: str) -> None:
    assert was in GOOD
    with pytest.raises(ProblemError) as refused:
        load_policy_text(GOOD.replace(was, becomes))
    found = [
        (each.code, each.where.removeprefix("policy.yaml:"), each.fix) for each in refused.value.problems
    ]
    assert code in [each[0] for each in found], found
    if at:
        assert (code, at) in [each[:2] for each in found], found
    if fix:
        assert (code, fix) in [(each[0], each[2]) for each in found], found


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(ProblemError) as refused:
        load_policy_text(GOOD.replace("holder: ana", "holder: zoe").replace("required: 2", "required: 9"))
    assert [each.code for each in refused.value.problems] == ["policy-stranger", "policy-bad-signers"]


def test_a_policy_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as refused:
        load_policy(tmp_path / "policy.yaml")
    assert refused.value.problems[0].code == "policy-not-found"


# Who may change it.

FIRST = a_policy()
SECOND = replace(FIRST, in_order=True)
THIRD = replace(SECOND, signers=("cyn",), required=1)
KEY_OF = NamedSignatures().key_of


def signed(policy: Policy, before: Policy, *people: str) -> Version:
    content = policy_content(digest_of_policy(policy), digest_of_policy(before))
    signatures = tuple(
        PolicySignature(fingerprint(KEYS[name]), sign_as(KEYS[name], POLICY_NAMESPACE, content))
        for name in people
    )
    return Version(policy, signatures)


def code(policy: Policy, chain: tuple[Version, ...], known: Policy | None) -> str:
    found = distrust_of(policy, chain, known, KEY_OF)
    return "" if found is None else found.code


def test_the_first_policy_is_believed_at_first_use_and_no_other_is() -> None:
    assert code(FIRST, (), None) == ""
    assert code(FIRST, (), FIRST) == ""
    assert code(SECOND, (), FIRST) == "policy-not-signed"


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        (("ana", "ben"), ""),
        (("ana",), "policy-not-signed"),
        (("ana", "ana"), "policy-not-signed"),
        (("ana", "cyn"), "policy-not-signed"),
        ((), "policy-not-signed"),
    ],
)
def test_a_change_takes_enough_signers_of_the_version_before(people: tuple[str, ...], expected: str) -> None:
    assert code(SECOND, (Version(FIRST), signed(SECOND, FIRST, *people)), FIRST) == expected


def test_who_may_sign_from_the_next_version_on_does_not_sign_for_it() -> None:
    chain = (Version(FIRST), signed(SECOND, FIRST, "ana", "ben"), signed(THIRD, SECOND, "cyn"))
    assert code(THIRD, chain, FIRST) == "policy-not-signed"


def test_versions_lead_from_the_known_one_to_the_newest() -> None:
    chain = (Version(FIRST), signed(SECOND, FIRST, "ana", "ben"), signed(THIRD, SECOND, "ana", "ben"))
    assert code(THIRD, chain, FIRST) == code(THIRD, chain, SECOND) == code(THIRD, chain, None) == ""
    assert chain_after(chain, FIRST) == chain[1:]
    assert chain_after(chain, SECOND) == chain[2:]


def test_a_chain_from_elsewhere_is_not_believed() -> None:
    other = replace(FIRST, escalate_to="mallory")
    chain = (Version(other), signed(SECOND, other, "ana", "ben"))
    assert code(SECOND, chain, FIRST) == "policy-from-elsewhere"


def test_a_policy_that_was_edited_after_it_was_signed_is_not_believed() -> None:
    chain = (Version(FIRST), signed(SECOND, FIRST, "ana", "ben"))
    assert code(replace(SECOND, waive=("eve",)), chain, FIRST) == "policy-not-signed"


def test_a_signature_for_another_step_is_none() -> None:
    """Signed as the one after another version, it does not lead here."""
    stray = signed(SECOND, THIRD, "ana", "ben")
    assert code(SECOND, (Version(FIRST), stray), FIRST) == "policy-not-signed"


def test_a_chain_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    chain = (Version(FIRST), signed(SECOND, FIRST, "ana", "ben"))
    assert load_chain(path) == ()
    write_chain(path, chain)
    assert load_chain(path) == chain
    assert sorted(each.name for each in tmp_path.iterdir()) == ["policy.yaml.sig"]


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2, "versions": []}', '{"format": 1}', "{"])
def test_a_chain_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "policy.yaml"
    chain_path(path).write_text(content, encoding="utf-8")
    with pytest.raises(ProblemError) as refused:
        load_chain(path)
    assert refused.value.problems[0].code == "policy-chain-unreadable"
