"""The go/no-go poll on the real parts: real keys, real votes by the command line, a real launch."""

import contextlib
import itertools
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_story_launch import RATE_PER_S, lost_nothing, serves
from tminus.domain.canonical import canonical_bytes
from tminus.domain.launch import chain
from tminus.domain.launch.phase import Phase
from tminus.testing.polled import Team
from tminus.testing.stand import Stand
from tminus.testing.swept_poll import SEATS, assemble

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.req("R18")]

POLL = {"poll": {"policy": "../team/policy.yaml", "deadline": "10m"}}
_versions = (f"6.0.{number}" for number in itertools.count(1))


@pytest.fixture
def team(stand: Stand) -> Team:
    """Five people, whose keys `ssh-keygen` has made where it is installed."""
    keygen = shutil.which("ssh-keygen")
    folder = stand.directory / "team"
    if keygen is not None and not folder.exists():
        folder.mkdir()
        for person in SEATS.values():
            command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", person, "-f", str(folder / person)]
            subprocess.run(command, check=True, timeout=30)
    return assemble(stand)


def say(stand: Stand, team: Team, person: str, *words: str) -> subprocess.CompletedProcess[str]:
    return stand.run(*words, "--key", str(team.key_path(person)), "--yes")


def polled(stand: Stand) -> str:
    stand.sample.release(next(_versions), POLL)
    stand.start_agent()
    launch = stand.enter().launch
    stand.wait_phase(launch, Phase.POLL)
    return launch


def test_five_votes_by_the_command_line_let_a_launch_go_and_nothing_less(stand: Stand, team: Team) -> None:
    launch = polled(stand)
    with stand.load(RATE_PER_S, run=launch) as load:
        conditions = ("--condition", "the runbook is reviewed", "ben", "+2h")
        assert say(stand, team, "eve", "vote", "go", launch, *conditions).returncode == 0
        closed = stand.run("close-condition", launch, "sponsor/1", "--reason", "reviewed", "--by", "ben")
        assert closed.returncode == 0, closed.stderr
        for person in ("ana", "ben", "cyn"):
            answer = say(stand, team, person, "vote", "go", launch)
            assert answer.returncode == 0, answer.stderr
            assert "ballot sha256:" in answer.stderr
        shown = stand.run("poll", launch)
        assert (shown.returncode, "qa-lead (dan) has not voted" in shown.stdout) == (3, True)
        why = stand.run("why", launch).stdout
        assert "qa-lead (dan) has not voted" in why
        assert "tminus vote go --seat SEAT" in why
        refused = say(stand, team, "ana", "vote", "go", launch, "--seat", "qa-lead")
        assert (refused.returncode, "error[not-your-seat]" in refused.stderr) == (1, True)
        assert stand.state(launch).phase is Phase.POLL
        assert say(stand, team, "dan", "vote", "go", launch).returncode == 0
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert (state.outcome, state.poll.overridden) == ("promoted", False)
    assert stand.kinds(launch).count("vote-cast") == 5
    serves(stand, state)
    found = stand.run("verify", launch)
    assert (found.returncode, "5 signatures" in found.stdout) == (0, True), found.stdout
    _a_changed_vote_is_found(stand, launch)


def _a_changed_vote_is_found(stand: Stand, launch: str) -> None:
    """In a copy of the journal, whose whole chain of hashes is made anew after the change."""
    copy = stand.directory / "copy"
    (copy / "journal").mkdir(parents=True)
    # By SQLite itself: a file of it that somebody else opens and closes in this process loses its locks.
    with (
        contextlib.closing(sqlite3.connect(stand.home.root / "journal" / "journal.db")) as source,
        contextlib.closing(sqlite3.connect(copy / "journal" / "journal.db")) as database,
    ):
        source.backup(database)
        _forge(database, launch)
        database.commit()
    environment = {**stand.environment, "TMINUS_HOME": str(copy)}
    found = subprocess.run(
        [*_verify(launch)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 1
    assert "error[vote-unproven]: the go of ana for pm: its signature does not hold" in found.stdout
    assert "the journal of launch" not in found.stdout  # by its hashes alone it is whole
    shutil.rmtree(copy)


def _verify(launch: str) -> tuple[str, ...]:

    return (sys.executable, "-m", "tminus.cli.main", "verify", launch)


def _forge(database: sqlite3.Connection, launch: str) -> None:
    """Has the PM say something else, and makes the chain fit."""
    guards = database.execute("select name from sqlite_master where type = 'trigger'").fetchall()
    for (name,) in guards:
        database.execute(f"drop trigger {name}")
    rows = database.execute(
        "select seq, kind, version, at_ms, epoch, body from events where launch = ? order by seq", (launch,)
    ).fetchall()
    before = chain.GENESIS
    for seq, kind, version, at_ms, epoch, text in rows:
        body = json.loads(text)
        if kind == "vote-cast" and body["statement"]["by"] == "ana":
            body["statement"]["reason"] = "never said"
        stored = canonical_bytes(body).decode()
        digest = chain.event_hash(launch, seq, kind, version, at_ms, epoch, stored.encode(), before)
        database.execute(
            "update events set body = ?, prev = ?, hash = ? where launch = ? and seq = ?",
            (stored, before, digest, launch, seq),
        )
        before = digest


def test_another_policy_voids_every_vote_and_an_override_is_marked_for_ever(stand: Stand, team: Team) -> None:
    launch = polled(stand)
    with stand.load(RATE_PER_S, run=launch) as load:
        for person in ("ana", "ben"):
            assert say(stand, team, person, "vote", "go", launch).returncode == 0
        team.write_policy(escalate_to="board")
        policy = Path("..") / "team" / "policy.yaml"
        adopt = stand.run("policy", "adopt", str(policy), "--launch", launch)
        assert (adopt.returncode, "error[policy-not-signed]" in adopt.stderr) == (1, True), adopt.stderr
        signed = stand.run("policy", "sign", str(policy), "--key", str(team.key_path("ana")))
        assert "it counts" in signed.stdout, signed.stderr
        adopt = stand.run("policy", "adopt", str(policy), "--launch", launch)
        assert adopt.returncode == 0, adopt.stderr
        stand.wait(lambda: stand.kinds(launch).count("vote-voided") == 2, "two votes that are void")
        assert "VOID" in stand.run("poll", launch).stdout
        override = ("override", launch, "--reason", "agreed by telephone")
        assert say(stand, team, "ana", *override).returncode == 0
        assert say(stand, team, "ana", *override).returncode == 0  # the same person is not a second one
        refused = say(stand, team, "dan", *override)
        assert "error[may-not-override]" in refused.stderr
        assert stand.state(launch).phase is Phase.POLL
        assert say(stand, team, "ben", *override).returncode == 0
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert (state.outcome, state.poll.overridden) == ("promoted", True)
    for verb in ("log", "why", "poll"):
        assert "OVERRIDDEN" in stand.run(verb, launch).stdout, verb
    assert stand.run("verify", launch).returncode == 0


def test_a_recall_after_the_poll_holds_the_launch(stand: Stand, team: Team) -> None:
    version = next(_versions)
    stand.sample.release(version, {**POLL, "bake": {"for": "90s", "reading": "10s"}})
    stand.start_agent()
    with stand.load(RATE_PER_S, run=version) as load:
        launch = stand.enter().launch
        stand.wait_phase(launch, Phase.POLL)
        for person in SEATS.values():
            assert say(stand, team, person, "vote", "go", launch).returncode == 0
        stand.wait_phase(launch, Phase.BAKING)
        recall = say(stand, team, "dan", "vote", "recall", launch, "--reason", "a test was skipped")
        assert recall.returncode == 0, recall.stderr
        hold = stand.state(launch).hold
        assert hold is not None
        assert (hold.by, hold.why) == ("dan", "qa-lead recalls: a test was skipped")
        assert stand.run("rollback", launch).returncode == 0
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert state.outcome == "rolled-back"
