"""Launches that wait for their checks: real probes in a real job, people, and one who changes the past."""

import itertools
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_story_launch import RATE_PER_S
from tminus.adapters.seal.verify import verify_launch
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.ready import verdicts_of
from tminus.domain.readiness.verdict import Outcome
from tminus.testing.stand import Stand

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R3", "R17")]

_versions = (f"7.40.{number}" for number in itertools.count(1))
SECRET = "hunter2-of-the-checks"


def checks(flag: Path, secret: Path) -> dict[str, Any]:
    """A service that answers, a command that looks for a file, a build, and a person."""
    shell = ["sh", "-c", f'echo "told $TMINUS_SECRET"; test -f {flag}']
    return {
        "handbook": "no",
        "roles": {"pm": ["ann"]},
        "items": {
            "own/answers": {
                "title": "stable answers",
                "owner": "devops",
                "probe": "http",
                "with": {"url": "/healthz"},
                "every": "1s",
            },
            "own/flag": {
                "title": "the flag is there",
                "owner": "devops",
                "probe": "command",
                "with": {"command": shell, "secret": f"file:{secret}"},
                "every": "1s",
                "keeps": "3s",
            },
            "own/built": {"title": "it is built", "owner": "devops", "work": ["build"]},
            "own/told": {
                "title": "users were told",
                "owner": "pm",
                "attest": "users were told",
                "file": "yes",
            },
        },
    }


def job_pid(stand: Stand, launch: str) -> int:
    """Of the runner of the job that asks."""
    found = [pid for pid, said in stand.processes().items() if "jobs.runner" in said]
    assert found, f"no job of {launch} runs"
    return found[0]


def verdict(stand: Stand, launch: str, item: str) -> str:
    return verdicts_of(stand.state(launch)).get(item, "")


@pytest.mark.req("R3")
def test_a_launch_waits_for_its_checks_through_kills_and_goes_when_all_hold(
    stand: Stand, tmp_path: Path
) -> None:
    version, flag, secret, mail = (
        next(_versions),
        tmp_path / "flag",
        tmp_path / "secret",
        tmp_path / "mail.eml",
    )
    secret.write_text(SECRET)
    mail.write_text("Dear users")
    stand.sample.release(version, {"checks": checks(flag, secret)})
    asked = stand.run("check", "own/answers", "own/flag")
    assert asked.returncode == 3, asked.stderr
    assert "own/answers" in asked.stdout
    assert SECRET not in asked.stdout
    with stand.load(RATE_PER_S, run=version):
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait(lambda: stand.state(launch).readiness.waits_ms is not None, "a gate that waits")
        stand.wait(lambda: verdict(stand, launch, "own/answers") == "pass", "an answer of the service")
        stand.wait(lambda: verdict(stand, launch, "own/flag") == "fail", "an answer of the command")
        assert stand.run("ready", launch, "--mine", "pm").returncode == 3
        assert "2 of 4 checks" in stand.run("why", launch).stdout

        # Neither the one who drives nor the one who asks is there any more.
        os.kill(job_pid(stand, launch), signal.SIGKILL)
        stand.kill_agents()
        stand.start_agent()
        stand.wait(lambda: bool(_asking(stand)), "the job that asks, again")

        by_eve = stand.run("attest", launch, "own/told", "--text", "x", "--file", str(mail), "--by", "eve")
        assert (by_eve.returncode, "not-your-role" in by_eve.stderr) == (1, True)
        told = stand.run(
            "attest", launch, "own/told", "--text", "they were", "--file", str(mail), "--by", "ann"
        )
        assert told.returncode == 0, told.stderr
        assert stand.state(launch).phase is Phase.COUNTDOWN
        flag.touch()
        state = stand.wait_end(launch)
    assert state.outcome == "promoted"
    kinds = stand.kinds(launch)
    assert kinds.index("gate-waiting") < kinds.index("gate-opened") < kinds.index("slot-up")
    body = json.dumps([record.body for record in stand.records(launch)])
    assert SECRET not in body
    assert "told [secret]" in body
    ready = stand.run("ready", launch, "--all")
    assert ready.returncode == 0
    assert "4 of 4 pass (2 by machines, 1 by the launch's work, 1 by people)" in ready.stdout
    assert not _asking(stand)


def _asking(stand: Stand) -> list[int]:
    return [pid for pid, said in stand.processes().items() if "jobs.runner" in said]


@pytest.mark.req("R18")
def test_a_waiver_that_was_changed_in_the_database_is_found(stand: Stand, tmp_path: Path) -> None:
    version = next(_versions)
    flag, secret = tmp_path / "flag", tmp_path / "secret"
    secret.write_text(SECRET)
    plan = checks(flag, secret)
    plan["items"] = {name: plan["items"][name] for name in ("own/flag", "own/built")}
    stand.sample.release(version, {"checks": plan})
    with stand.load(RATE_PER_S, run=version):
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait(lambda: verdict(stand, launch, "own/flag") == "fail", "an answer of the command")
        waived = stand.run("waive", launch, "own/flag", "--for", "1h", "--reason", "known", "--by", "ann")
        assert waived.returncode == 0, waived.stderr
        assert stand.wait_end(launch).outcome == "promoted"
    stand.end_agents()
    assert verify_launch(stand.home.store.raw, launch, stand.home.seal).outcome is Outcome.PASS
    rewrite(stand, launch, "ann", "bob")
    assert verify_launch(stand.home.store.raw, launch, stand.home.seal).outcome is Outcome.FAIL
    rewrite(stand, launch, "bob", "ann")
    assert verify_launch(stand.home.store.raw, launch, stand.home.seal).outcome is Outcome.PASS


def rewrite(stand: Stand, launch: str, before: str, after: str) -> None:
    """Puts another name into the waiver, as somebody with the database in hand could."""
    with sqlite3.connect(stand.home.root / "journal" / "journal.db") as database:
        for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        changed = database.execute(
            "update events set body = replace(body, ?, ?) where launch = ? and kind = 'check-excused'",
            (before, after, launch),
        )
        assert changed.rowcount == 1
    database.close()
