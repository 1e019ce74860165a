"""What scanners wrote is played by a script here, as they document it: neither is installed with tminus."""

import json
from pathlib import Path

import pytest

from tests.probes.repository import LIMIT_MS, Repository, ask, made, said
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.secrets import SECRETS, SecretsScanner, SecretsSettings

pytestmark = pytest.mark.req("R14")
UNREAD = "what gitleaks wrote cannot be read: "
VALUE = "AKIA-made-up-value"


def leak(file: str, line: int = 3) -> dict[str, object]:
    return {"RuleID": "aws-access-token", "File": file, "StartLine": line, "Secret": VALUE, "Match": VALUE}


def scanner(directory: Path, body: str) -> str:
    program = directory / "scanner"
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def judge(
    repository: Repository, tmp_path: Path, body: str, limit_ms: int = LIMIT_MS, **settings: object
) -> Answer:
    asked = made(SecretsSettings, program=scanner(tmp_path, body), **settings)
    return ask(SECRETS, asked, repository.around(), limit_ms)


def writes(*found: object) -> str:
    """As `gitleaks dir --report-path FILE` does; the file's name is the eighth argument."""
    return f"cat >\"$7\" <<'END'\n{json.dumps(list(found))}\nEND"


def test_a_tree_in_which_nothing_is_found_passes(repository: Repository, tmp_path: Path) -> None:
    answer = judge(repository, tmp_path, writes())
    assert said(answer) == (Outcome.PASS, "no secret in 1 file")


def test_what_is_found_fails_by_its_place_and_not_by_its_value(
    repository: Repository, tmp_path: Path
) -> None:
    answer = judge(repository, tmp_path, writes(leak("shop/a.py"), leak("./b.py", 9)))
    assert said(answer) == (
        Outcome.FAIL,
        "2 secrets: aws-access-token in shop/a.py:3, aws-access-token in b.py:9",
    )
    assert VALUE not in repr(answer)


def test_what_is_found_in_allowed_places_is_counted_alone(repository: Repository, tmp_path: Path) -> None:
    answer = judge(repository, tmp_path, writes(leak("tests/data/key.pem")), allowed=("tests/data/*",))
    assert said(answer) == (Outcome.PASS, "no secret in 1 file; 1 allowed")


def test_the_other_scanner_tells_the_same_on_its_output(repository: Repository, tmp_path: Path) -> None:
    found = {"results": {"a.py": [{"type": "AWS Access Key", "filename": "a.py", "line_number": 1}]}}
    body = f"echo '{json.dumps(found)}'"
    answer = judge(repository, tmp_path, body, scanner=SecretsScanner.DETECT_SECRETS)
    assert said(answer) == (Outcome.FAIL, "1 secret: AWS Access Key in a.py:1")
    fine = judge(repository, tmp_path, """echo '{"results": {}}'""", scanner=SecretsScanner.DETECT_SECRETS)
    assert fine.outcome is Outcome.PASS


def test_the_files_of_the_release_are_looked_at_and_no_others(repository: Repository, tmp_path: Path) -> None:
    repository.write("later.py", "x = 1\n")
    repository.commit("later")
    repository.write("untracked.py", "x = 1\n")
    seen = tmp_path / "seen"
    judge(repository, tmp_path, f"ls >{seen}\n{writes()}")
    assert seen.read_text(encoding="utf-8").split() == ["readme.md"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 2", "gitleaks ended with 2"),
        ("true", "what gitleaks wrote cannot be read: No such file or directory"),
        ('echo "{" >"$7"', "what gitleaks wrote cannot be read: its 2 bytes are not JSON"),
        (
            'echo "{}" >"$7"',
            "what gitleaks wrote cannot be read: it is no report of gitleaks or detect-secrets",
        ),
        ('echo "[{}]" >"$7"', "what gitleaks wrote cannot be read: what was found has no file"),
    ],
)
def test_a_scanner_that_fails_or_garbles_tells_nothing(
    repository: Repository, tmp_path: Path, body: str, why: str
) -> None:
    assert said(judge(repository, tmp_path, body)) == (Outcome.INCONCLUSIVE, why)


@pytest.mark.slow
def test_a_scanner_that_hangs_tells_nothing(repository: Repository, tmp_path: Path) -> None:
    answer = judge(repository, tmp_path, "sleep 600", limit_ms=4_000)
    assert said(answer) == (Outcome.INCONCLUSIVE, "gitleaks did not end in time")


def test_without_a_scanner_or_a_commit_nothing_is_learnt(repository: Repository, tmp_path: Path) -> None:
    missing = ask(SECRETS, SecretsSettings(program="no-such-scanner"), repository.around())
    assert said(missing) == (Outcome.INCONCLUSIVE, "no-such-scanner is not installed")
    asked = SecretsSettings(program=scanner(tmp_path, writes()))
    unknown = ask(SECRETS, asked, repository.around(commit="0" * 40))
    assert unknown.outcome is Outcome.INCONCLUSIVE
    assert "000000" in unknown.why


def test_what_an_archive_would_leave_out_and_where_links_lead_is_looked_at_too(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write(".gitattributes", "hidden.py export-ignore\n*.py filter=other\n")
    repository.write("hidden.py", "x = 1\n")
    repository.write("large.bin", b"\0\n" * 1_500_000)
    (repository.path / "link").symlink_to("/etc/passwd")
    commit = repository.commit("more")
    seen = tmp_path / "seen"
    body = f"cat hidden.py link >{seen}; wc -c <large.bin >>{seen}\n{writes()}"
    asked = made(SecretsSettings, program=scanner(tmp_path, body))
    answer = ask(SECRETS, asked, repository.around(commit=commit))
    assert said(answer) == (Outcome.PASS, "no secret in 5 files")
    assert seen.read_text(encoding="utf-8") == "x = 1\n/etc/passwd3000000\n"
