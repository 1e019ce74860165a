import json
import subprocess
from pathlib import Path

import pytest

from tests.probes.repository import GIT_LIMIT_S, HOUR_MS, Repository, ask, made, now_ms, said
from tminus.domain.plan.times import Millis, format_utc
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.credentials import CREDENTIALS, NAMESPACE, CredentialsSettings

pytestmark = pytest.mark.req("R17")


NAMES = "a receipt names its holder and the credential, each on one line"


def iso(age_ms: int = 1_000) -> str:
    return format_utc(now_ms() - age_ms).replace(" UTC", "Z").replace(" ", "T")


def receipt(holder: str, credential: str = "shop-db", age_ms: int = 1_000, **more: str) -> dict[str, str]:
    return {"holder": holder, "credential": credential, "received": iso(age_ms), **more}


def judge(repository: Repository, *receipts: object, **settings: object) -> Answer:
    repository.write("receipts.json", json.dumps({"receipts": list(receipts)}))
    asked = made(CredentialsSettings, "receipts.json", ("anna", "ben"), **settings)
    return ask(CREDENTIALS, asked, repository.around())


def test_a_receipt_of_every_holder_passes(repository: Repository) -> None:
    answer = judge(repository, receipt("anna"), receipt("ben"), credential="shop-db")
    assert said(answer) == (Outcome.PASS, "2 holders are said to have signed for shop-db: anna, ben")


def test_what_is_missing_of_another_credential_or_old_fails(repository: Repository) -> None:
    assert said(judge(repository, receipt("anna"))) == (Outcome.FAIL, "no receipt of ben")
    other = judge(repository, receipt("anna"), receipt("ben", "mail"), credential="shop-db")
    assert said(other) == (Outcome.FAIL, "no receipt of ben")
    old = judge(repository, receipt("anna"), receipt("ben", age_ms=HOUR_MS), oldest=Millis(HOUR_MS // 2))
    assert said(old) == (Outcome.FAIL, "older than 30m: ben")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {**receipt("anna"), "password": "hunter2"},
            "a receipt holds holder, credential, received and signature, and nothing else",
        ),
        ("anna", "a receipt holds holder, credential, received and signature, and nothing else"),
        ({**receipt("anna"), "holder": 3}, "a receipt holds texts"),
        ({**receipt("anna"), "received": "2026-01-01"}, "a receipt has no time `received` with its zone"),
        (
            {"holder": "anna", "received": iso()},
            "a receipt names its holder and the credential, each on one line",
        ),
        (receipt("an\nna"), "a receipt names its holder and the credential, each on one line"),
    ],
)
def test_a_file_with_something_else_tells_nothing_and_is_not_quoted(
    repository: Repository, row: object, why: str
) -> None:
    answer = judge(repository, row)
    assert said(answer) == (Outcome.INCONCLUSIVE, f"receipts.json: {why}")
    assert "hunter2" not in repr(answer)


def test_a_file_that_is_not_there_or_no_json_tells_nothing(repository: Repository) -> None:
    asked = CredentialsSettings("none.json", ("anna",))
    missing = ask(CREDENTIALS, asked, repository.around())
    assert said(missing) == (Outcome.INCONCLUSIVE, "none.json: No such file or directory")
    repository.write("none.json", "{")
    assert ask(CREDENTIALS, asked, repository.around()).outcome is Outcome.INCONCLUSIVE
    later = judge(repository, receipt("anna", age_ms=-HOUR_MS), receipt("ben"))
    assert said(later) == (Outcome.INCONCLUSIVE, "the receipt of anna is of a time that is to come")


def sign(key: Path, row: dict[str, str], namespace: str = NAMESPACE) -> dict[str, str]:
    text = f"{row['holder']}\n{row['credential']}\n{row['received']}\n"
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(key)]
    done = subprocess.run(argv, input=text.encode(), capture_output=True, check=True, timeout=GIT_LIMIT_S)
    return {**row, "signature": done.stdout.decode()}


def test_a_signature_counts_of_the_holders_own_key_and_the_very_receipt(
    repository: Repository, tmp_path: Path
) -> None:
    keys = {name: tmp_path / name for name in ("anna", "ben")}
    lines = []
    for name, path in keys.items():
        made_by = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(made_by, check=True, timeout=GIT_LIMIT_S)
        lines.append(f"{name} {path.with_suffix('.pub').read_text(encoding='utf-8')}")
    signers = tmp_path / "signers"
    signers.write_text("".join(lines), encoding="utf-8")

    def asked(anna: dict[str, str]) -> tuple[Outcome, str]:
        ben = sign(keys["ben"], receipt("ben"))
        return said(judge(repository, anna, ben, signers=str(signers), credential="shop-db"))

    own = sign(keys["anna"], receipt("anna"))
    assert asked(own) == (Outcome.PASS, "2 holders signed for shop-db: anna, ben")
    for forged in (
        receipt("anna"),
        sign(keys["ben"], receipt("anna")),
        sign(keys["anna"], receipt("anna"), namespace="file"),
        {**own, "received": iso(90_000)},
        {**own, "signature": "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"},
    ):
        assert asked(forged) == (Outcome.FAIL, "not signed by anna")
    signers.unlink()
    assert asked(own)[0] is Outcome.INCONCLUSIVE


def test_settings_name_a_holder() -> None:
    with pytest.raises(ValueError, match="at least one holder"):
        CredentialsSettings("receipts.json", ())
