import os
import time
from pathlib import Path

import pytest

from tests.probes.repository import LIMIT_MS, Repository, ask, made, said
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.probes.command import COMMAND, CommandSettings

pytestmark = pytest.mark.req("R14")
TOKEN = SecretRef(SecretSource.ENV, "TOKEN")
SOON_S = 20.0


def sh(repository: Repository, script: str, limit_ms: int = LIMIT_MS, **settings: object) -> Answer:
    asked = made(CommandSettings, ("sh", "-c", script), **settings)
    return ask(COMMAND, asked, repository.around({"TOKEN": "hunter2-hunter2"}, url="http://shop"), limit_ms)


@pytest.mark.parametrize(
    ("script", "outcome", "why"),
    [
        ("exit 0", Outcome.PASS, "sh ended with 0"),
        ("exit 1", Outcome.FAIL, "sh ended with 1"),
        ("exit 2", Outcome.INCONCLUSIVE, "sh ended with 2"),
        ("kill -9 $$", Outcome.INCONCLUSIVE, "sh was ended by signal 9"),
        ("""echo '{"why": "3 of 3 there", "nodes": 3}'""", Outcome.PASS, "3 of 3 there"),
        ("""echo '{"why": "no"}'; exit 1""", Outcome.FAIL, "no"),
        ("""echo '{"why": "busy"}'; exit 7""", Outcome.INCONCLUSIVE, "sh ended with 7: busy"),
    ],
)
def test_the_exit_code_decides(repository: Repository, script: str, outcome: Outcome, why: str) -> None:
    assert said(sh(repository, script)) == (outcome, why)


def test_whole_numbers_of_what_it_prints_are_facts_and_nothing_else(repository: Repository) -> None:
    answer = sh(
        repository, """echo '{"nodes": 3, "share": 0.5, "up": true, "x y": 1, "big": 1e400, "name": "a"}'"""
    )
    assert dict(answer.facts).keys() == {"nodes", "took_ms"}


def test_a_command_that_cannot_be_run_says_nothing(repository: Repository) -> None:
    asked = CommandSettings(("no-such-program-here",))
    answer = ask(COMMAND, asked, repository.around())
    assert said(answer) == (Outcome.INCONCLUSIVE, "no-such-program-here: No such file or directory")


def test_a_command_sees_the_target_and_its_secret_and_its_answer_does_not_show_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_SECRET", "x")
    script = (
        'echo "$TMINUS_URL $TMINUS_VERSION $MODE [$OTHER_SECRET] $TMINUS_SECRET"; echo "$TMINUS_SECRET" >&2'
    )
    answer = sh(repository, script, secret=TOKEN, environment=(("MODE", "fast"),))
    assert answer.excerpt == "http://shop 1.4.0 fast [] [secret]"
    with pytest.raises(Refused, match="env:OTHER has no value"):
        sh(repository, "exit 0", secret=SecretRef(SecretSource.ENV, "OTHER"))


@pytest.mark.slow
def test_a_command_that_hangs_is_ended_with_all_it_started(repository: Repository, tmp_path: Path) -> None:
    script = f"trap '' TERM; (setsid sleep 600 & echo $! >{tmp_path}/child); echo begun; sleep 600"
    began = time.monotonic()
    answer = sh(repository, script, limit_ms=3_000)
    assert time.monotonic() - began < SOON_S
    assert answer.outcome is Outcome.INCONCLUSIVE
    child = int((tmp_path / "child").read_text(encoding="ascii"))
    ends_at = time.monotonic() + SOON_S
    while _runs(child) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert not _runs(child)


@pytest.mark.slow
def test_output_without_end_is_bounded(repository: Repository) -> None:
    answer = sh(repository, "yes loud", limit_ms=3_000)
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert len(answer.excerpt) == EXCERPT_LIMIT


def test_settings_that_cannot_be_run_are_refused() -> None:
    for bad in ({"command": ()}, {"command": ("sh",), "directory": "../other"}):
        with pytest.raises(ValueError, match=r"empty|below"):
            made(CommandSettings, **bad)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state != "Z"
