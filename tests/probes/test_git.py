import subprocess
from pathlib import Path

import pytest

from tests.probes.repository import GIT_LIMIT_S, Repository, ask, made, said
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.git import GIT, GitSettings

pytestmark = pytest.mark.req("R3", "R4")


def judge(repository: Repository, tag: str = "v1.4.0", **settings: object) -> Answer:
    commit = str(settings.pop("commit", ""))
    return ask(GIT, made(GitSettings, **settings), repository.around(tag=tag, commit=commit))


def annotate(repository: Repository, *more: str) -> None:
    repository.git("tag", "--annotate", "--message", "release", *more, "v1.4.0")


def key(directory: Path, name: str) -> Path:
    path = directory / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)],
        check=True,
        timeout=GIT_LIMIT_S,
    )
    return path


def sign(repository: Repository, private: Path) -> None:
    settings = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={private}")
    repository.git(*settings, "tag", "--sign", "--force", "--message", "release", "v1.4.0")


def test_an_annotated_tag_on_the_branch_with_nothing_after_it_passes(repository: Repository) -> None:
    annotate(repository)
    answer = judge(repository, commit=repository.first)
    why = f"v1.4.0 is at {repository.first[:12]} on main, nothing was added since that may not be"
    assert said(answer) == (Outcome.PASS, why)


def test_what_is_wrong_is_said_all_at_once(repository: Repository) -> None:
    repository.git("tag", "v1.4.0")
    repository.write("shop.py", "x = 1\n")
    late = repository.commit("a late change")[:7]
    answer = judge(repository, commit="0" * 40)
    assert answer.outcome is Outcome.FAIL
    assert answer.why.split("; ") == [
        "v1.4.0 is a lightweight tag, which says neither who made it nor when",
        f"v1.4.0 is at {repository.first[:12]}, and what is launched at 000000000000",
        f"1 commit on main since the tag: {late} a late change",
    ]
    assert answer.facts == (("commits_since", 1),)


def test_a_freeze_lets_through_what_it_allows_alone(repository: Repository) -> None:
    annotate(repository)
    repository.write("docs/faq.md", "hello\n")
    repository.commit("faq")
    assert judge(repository, allowed=("docs/*",)).outcome is Outcome.PASS
    assert judge(repository, frozen=False).outcome is Outcome.PASS
    assert judge(repository).outcome is Outcome.FAIL
    repository.write("docs/more.md", "hello\n")
    repository.write("shop.py", "x = 1\n")
    repository.commit("docs and code")
    answer = judge(repository, allowed=("docs/*",))
    assert answer.outcome is Outcome.FAIL
    assert answer.facts == (("commits_since", 1),)


def test_what_a_merge_brings_counts(repository: Repository) -> None:
    annotate(repository)
    repository.git("checkout", "--quiet", "-b", "side", repository.first)
    repository.write("shop.py", "x = 1\n")
    repository.commit("aside")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "merged", "side")
    answer = judge(repository, allowed=("docs/*",))
    assert answer.outcome is Outcome.FAIL
    assert answer.why.endswith("merged")


def test_a_tag_beside_the_branch_fails(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    commit = repository.commit("aside")
    annotate(repository)
    answer = judge(repository, frozen=False)
    assert said(answer) == (Outcome.FAIL, f"its commit {commit[:12]} is not on main")


@pytest.mark.parametrize(
    ("tag", "settings", "outcome", "why"),
    [
        ("", {}, Outcome.INCONCLUSIVE, "the release has no tag yet"),
        ("--all", {}, Outcome.INCONCLUSIVE, "the release has no tag yet"),
        ("v9", {}, Outcome.FAIL, "there is no tag v9 that names a commit"),
        ("v1.4.0", {"branch": "trunk"}, Outcome.INCONCLUSIVE, "there is no branch trunk"),
        ("v1.4.0", {"signers": "none"}, Outcome.INCONCLUSIVE, "there is no file of signers none"),
    ],
)
def test_what_is_not_there(
    repository: Repository, tag: str, settings: dict[str, object], outcome: Outcome, why: str
) -> None:
    annotate(repository)
    assert said(judge(repository, tag, **settings)) == (outcome, why)


def test_without_a_repository_nothing_is_learnt(repository: Repository) -> None:
    (repository.path / ".git").rename(repository.directory / "gone")
    assert judge(repository).outcome is Outcome.INCONCLUSIVE


def test_a_signature_counts_of_an_allowed_key_alone(repository: Repository, tmp_path: Path) -> None:
    anna, mallory = key(tmp_path, "anna"), key(tmp_path, "mallory")
    public = anna.with_suffix(".pub").read_text(encoding="utf-8")
    signers = tmp_path / "signers"
    signers.write_text(f"anna@example.org {public}", encoding="utf-8")
    annotate(repository)
    assert said(judge(repository, signers=str(signers))) == (Outcome.FAIL, "v1.4.0 is not signed")
    sign(repository, anna)
    answer = judge(repository, signers=str(signers))
    assert answer.outcome is Outcome.PASS
    assert "signed by anna@example.org" in answer.why
    sign(repository, mallory)
    assert said(judge(repository, signers=str(signers))) == (
        Outcome.FAIL,
        "v1.4.0 is not signed by one of signers",
    )


def test_a_tag_whose_text_was_changed_after_it_was_signed_fails(
    repository: Repository, tmp_path: Path
) -> None:
    anna = key(tmp_path, "anna")
    signers = tmp_path / "signers"
    signers.write_text(
        f"anna@example.org {anna.with_suffix('.pub').read_text(encoding='utf-8')}", encoding="utf-8"
    )
    sign(repository, anna)
    other = repository.commit("other")
    text = repository.git("cat-file", "tag", "v1.4.0").replace(repository.first, other)
    forged = repository.write("../forged", f"{text}\n")
    made_up = repository.git("hash-object", "-t", "tag", "-w", str(forged))
    repository.git("update-ref", "refs/tags/v1.4.0", made_up)
    answer = judge(repository, signers=str(signers))
    assert said(answer) == (Outcome.FAIL, "v1.4.0 is not signed by one of signers")
