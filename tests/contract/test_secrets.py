"""Secrets by reference: the port's contract, and what each source can get wrong."""

import shlex
import sys
from pathlib import Path

import pytest

from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.plan.secret import SecretRef, SecretSource, parse_secret_ref
from tminus.ports.fault import Refused
from tminus.testing.contract.secrets import SecretsContract, SecretsHarness


class ReferenceHarness(SecretsHarness):
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment: dict[str, str] = {}

    def secrets(self) -> ReferenceSecrets:
        return ReferenceSecrets(self.environment, self.directory, command_limit_s=20)

    def hold(self, value: str) -> list[SecretRef]:
        self.environment["HELD"] = value
        (self.directory / "held").write_text(f"{value}\n", encoding="utf-8")
        program = "import pathlib; print(pathlib.Path('held').read_text(encoding='utf-8'), end='')"
        command = shlex.join([sys.executable, "-X", "utf8", "-c", program])
        return [
            SecretRef(SecretSource.ENV, "HELD"),
            SecretRef(SecretSource.FILE, "held"),
            SecretRef(SecretSource.COMMAND, command),
        ]

    def missing(self) -> list[SecretRef]:
        return [
            SecretRef(SecretSource.ENV, "NOT_SET"),
            SecretRef(SecretSource.FILE, "not/there"),
            SecretRef(SecretSource.COMMAND, "no-such-program-anywhere"),
        ]


class TestReferenceSecrets(SecretsContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> SecretsHarness:
        return ReferenceHarness(tmp_path)


PYTHON = shlex.quote(sys.executable)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("env:NOT_SET", "it is empty or not set"),
        ("file:not/there", "the file cannot be read (FileNotFoundError)"),
        ("file:.", "the file cannot be read (IsADirectoryError)"),
        ("file:long", "it has more than 65536 bytes"),
        ("file:binary", "it is not UTF-8 text"),
        ("command:no-such-program-anywhere", "the command cannot be run (FileNotFoundError)"),
        ("command:echo 'open", "the command line has an open quote"),
        (f'command:{PYTHON} -c "raise SystemExit(3)"', "the command ended with 3"),
        (f'command:{PYTHON} -c "input()" ', "the command ended with 1"),
    ],
)
def test_why_a_value_is_missing_is_told_without_a_value(tmp_path: Path, reference: str, why: str) -> None:
    (tmp_path / "long").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    with pytest.raises(Refused) as refusal:
        ReferenceSecrets({}, tmp_path).resolve(parse_secret_ref(reference))
    assert refusal.value.why == f"secret {reference}: {why}"
    assert refusal.value.__context__ is None or "hunter2" not in repr(vars(refusal.value.__context__))


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    reference = f'command:{PYTHON} -c "import time; time.sleep(60)"'
    with pytest.raises(Refused) as refusal:
        ReferenceSecrets({}, tmp_path, command_limit_s=0.2).resolve(parse_secret_ref(reference))
    assert refusal.value.why == f"secret {reference}: the command took longer than 0.2 s"


def test_no_shell_reads_a_command(tmp_path: Path) -> None:
    program = "import sys; print(sys.argv[1:])"
    ref = SecretRef(SecretSource.COMMAND, f"{PYTHON} -c {shlex.quote(program)} $HOME; touch hole")
    assert ReferenceSecrets({"HOME": "x"}, tmp_path).resolve(ref) == "['$HOME;', 'touch', 'hole']"
    assert not (tmp_path / "hole").exists()


def test_a_command_sees_only_the_environment_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    program = "import os; print('AWS_SECRET_ACCESS_KEY' in os.environ, os.environ['VAULT'])"
    ref = SecretRef(SecretSource.COMMAND, f"{PYTHON} -c {shlex.quote(program)}")
    assert ReferenceSecrets({"VAULT": "v"}, tmp_path).resolve(ref) == "False v"
