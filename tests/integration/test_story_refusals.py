"""What is refused on the real parts, and what goes on all the same."""

import contextlib
import http.client
import itertools
import socket
import sqlite3

import pytest

from tminus.domain.launch.phase import Phase
from tminus.domain.problem import ProblemError
from tminus.testing.stand import Stand
from tminus.testing.traffic import LOCAL

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

LATER = {"t0": "2099-01-01T00:00Z"}
_versions = (f"4.0.{number}" for number in itertools.count(1))


def codes(error: ProblemError) -> list[str]:
    return [problem.code for problem in error.problems]


def ask(stand: Stand) -> int:
    connection = http.client.HTTPConnection(LOCAL, stand.port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def tamper(stand: Stand) -> None:
    """Changes an event as somebody would who has the file and no scruples."""
    with contextlib.closing(sqlite3.connect(stand.home.root / "journal" / "journal.db")) as database:
        guards = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in guards:
            database.execute(f"DROP TRIGGER {name}")
        changed = database.execute("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 5")
        database.commit()
        assert changed.rowcount >= 1


def scrub(stand: Stand, launch: str) -> None:
    stand.post(launch, "scrub")
    stand.start_agent()
    assert stand.wait_end(launch).outcome == "scrubbed"


def test_a_second_launch_of_a_service_is_refused(stand: Stand) -> None:
    first, second = next(_versions), next(_versions)
    stand.sample.release(first, LATER)
    launch = stand.enter().launch
    stand.sample.release(second)
    refused = stand.run("launch", "--plain")
    assert refused.returncode == 1
    assert "launch-running" in refused.stderr
    assert launch in refused.stderr
    scrub(stand, launch)


def test_a_plan_edited_under_its_launch_is_refused(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, LATER)
    launch = stand.enter().launch
    stand.sample.write_plan(version, {**LATER, "drain": "9s"})
    with pytest.raises(ProblemError) as refused:
        stand.enter()
    assert codes(refused.value) == ["plan-edited"]
    assert stand.state(launch).plan.drain_deadline_ms != 9_000
    scrub(stand, launch)


def test_a_tag_moved_between_planning_and_build_ends_the_launch(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version)
    launch = stand.enter().launch
    stand.sample.git("commit", "--quiet", "--allow-empty", "--message", "Sneak in")
    stand.sample.git("tag", "--force", "--annotate", f"v{version}", "--message", "moved")
    stand.start_agent()
    state = stand.wait_end(launch)
    assert state.outcome == "scrubbed"
    assert "tag-moved" in state.phase_why or "moved" in state.phase_why
    assert state.jobs["build"].code == "tag-moved"


def test_a_taken_port_is_told_before_anything_runs(fresh: Stand) -> None:
    fresh.sample.release("1.1.1", {"shift": "at-once"})
    with socket.create_server((LOCAL, fresh.port)):
        refused = fresh.run("launch", "--plain")
    assert refused.returncode == 1
    assert "port-taken" in refused.stderr
    assert fresh.pid("supervisor") == 0
    assert not [row for row in fresh.home.store.book.launches() if row.open]


def test_nothing_is_done_from_a_corrupted_journal_and_traffic_flows(fresh: Stand) -> None:
    fresh.sample.release("1.1.2", {"shift": "at-once", "bake": {"for": "60s", "reading": "10s"}})
    agent = fresh.start_agent()
    launch = fresh.enter().launch
    fresh.wait(lambda: fresh.reading().route.live is not None, "the router, with something behind it")
    fresh.stop_child(agent)
    before = fresh.kinds(launch)
    tamper(fresh)
    fresh.start_agent()
    fresh.wait(lambda: "refused to act" in fresh.agent_log(), "the agent to refuse")
    assert "journal-corrupt" in fresh.agent_log()
    assert ask(fresh) == 200
    told = fresh.run("verify", launch)
    assert told.returncode == 1
    fresh.end_agents()
    assert Phase.ROLLING_BACK.value not in before
