"""`tminus init` writes a plan that loads, and never over another."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tminus.cli.init import command, plan_yaml, read_tags, write_plan
from tminus.cli.survey import Guess, Survey, Tags
from tminus.domain.problem import ProblemError
from tminus.plan.load import load_plan, load_plan_text
from tminus.plan.parse import SHELL_WORDS


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("from fastapi import FastAPI\napp = FastAPI()\nPATH = '/health'\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "app.py")
    git(tmp_path, "commit", "--message", "first")
    return tmp_path


def test_the_plan_that_is_written_loads_without_notes(repository: Path) -> None:
    write_plan(repository, {"PATH": "/usr/bin:/bin"})
    result = load_plan(repository / "launch.yaml")
    assert result.notes == ()
    assert result.plan.run.command[:4] == ("python3", "-m", "uvicorn", "app:app")
    assert result.plan.run.health_path == "/health"


def test_a_plan_that_is_there_is_left_alone(repository: Path) -> None:
    target = repository / "launch.yaml"
    target.write_text("mine\n")
    with pytest.raises(ProblemError) as refusal:
        write_plan(repository, {})
    assert str(refusal.value) == (
        f"error[plan-exists]: {target} exists already\n"
        f"  where: {target}\n"
        f"    fix: edit it, or move it away: mv {target} {target}.old"
    )
    assert target.read_text() == "mine\n"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as refusal:
        write_plan(tmp_path / "nowhere", {})
    assert [problem.code for problem in refusal.value.problems] == ["plan-not-writable"]


def test_the_newest_version_tag_is_read(repository: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    assert read_tags(repository, environment) == Tags()
    git(repository, "tag", "--annotate", "v1.2.3", "--message", "v1.2.3")
    assert read_tags(repository, environment) == Tags("v1.2.3", is_head=True)
    git(repository, "commit", "--allow-empty", "--message", "second")
    assert read_tags(repository, environment) == Tags("v1.2.3")


def test_it_says_what_it_guessed_and_why(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    (repository / "pyproject.toml").write_text("[project]\nname = 'shop'\nversion = '1.0.0'\n")
    outcome = CliRunner().invoke(command, [])
    assert outcome.output == (
        "wrote launch.yaml\n"
        "\n"
        "  service      shop\n"
        "               the name in pyproject.toml\n"
        "  version      1.0.0\n"
        "               the version in pyproject.toml; there is no tag such as v1.0.0 yet\n"
        "  build        python3 -m compileall -q .\n"
        "               finds Python that does not parse before it is launched\n"
        "  run.command  python3 -m uvicorn app:app --host 127.0.0.1 --port {port}\n"
        "               FastAPI `app` in app.py\n"
        "  run.health   /health\n"
        "               found in app.py\n"
        "\n"
        "next: read it, then run `tminus doctor launch.yaml` and `tminus plan launch.yaml`\n"
    )


@settings(deadline=None)  # a plan loads in 15 ms, and on a busy machine in many times that
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_whatever_a_command_and_a_reason_hold_the_plan_loads(text: str) -> None:
    assume(text.replace("'", "") not in SHELL_WORDS)  # a line with one is taken for a shell's
    words = f"./serve '{text.replace(chr(39), '')}' {{port}}"
    found = Survey(
        Guess("hello", ""), Guess("1.0.0", ""), Guess(words, text), None, Guess("/healthz", text), ()
    )
    assert load_plan_text(plan_yaml(found)).plan.run.command[1] == text.replace("'", "")
