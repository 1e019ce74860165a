"""`tminus agent`: what it does where nothing is to be driven."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.dataplane.plane import settle
from tests.docs.prepared import SERVICE, prepare
from tminus.adapters.clock.system_clock import poke
from tminus.cli.agent import Agent
from tminus.ports.supervision import ProgramSpec
from tminus.wiring import open_home


@pytest.mark.slow
def test_a_home_too_deep_for_a_socket_does_not_keep_the_agent_from_running(tmp_path: Path) -> None:
    home = tmp_path / ("h" * 120)
    outcome = subprocess.run(
        [sys.executable, "-m", "tminus.cli.main", "agent", "--until-idle"],
        env={"TMINUS_HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line.partition(" UTC ")[2] for line in outcome.stdout.splitlines()]
    place = f"{home}/drivers/agent.sock"
    assert said == [
        f"new launches are seen half a second later: no socket at {place}: AF_UNIX path too long",
        "agent started",
        "agent stopped",
    ]


def test_an_order_goes_through_the_inbox_where_a_socket_cannot_be_named(tmp_path: Path) -> None:
    assert poke(tmp_path / ("h" * 120) / "agent.sock") is False


@pytest.mark.slow
def test_an_agent_brings_a_service_back_that_a_restart_of_the_machine_has_ended(tmp_path: Path) -> None:
    root = tmp_path / "home"
    prepare(root)
    home = open_home(root, {})
    supervisor = home.supervisor(SERVICE, "production")
    environment = {"PATH": os.environ["PATH"]}
    sleeper = ProgramSpec("sleeper", ("sleep", "1000"), environment, str(tmp_path), "log", restart=True)
    supervisor.keep([sleeper])
    try:
        first = supervisor.programs()["sleeper"].pid
        for pid in (supervisor.running(), first):
            os.kill(pid, signal.SIGKILL)
        settle(lambda: supervisor.running() == 0)
        Agent(home, threading.Event(), until_idle=True).run()
        # Asked of one that starts no supervisor itself.
        looking = home.supervisor(SERVICE, "production", revives=False)
        settle(lambda: looking.programs()["sleeper"].pid not in (0, first))
    finally:
        supervisor.shutdown()
        settle(lambda: supervisor.running() == 0)
        home.close()


@pytest.mark.slow
def test_asking_why_starts_no_supervisor(tmp_path: Path) -> None:
    root = tmp_path / "home"
    prepare(root)
    home = open_home(root, {})
    try:
        outcome = subprocess.run(
            [sys.executable, "-m", "tminus.cli.main", "why", SERVICE],
            env={**os.environ, "TMINUS_HOME": str(root)},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "CANNOT READ the runtime: no supervisor answers in" in outcome.stdout, outcome.stderr
        assert home.supervisor(SERVICE, "production").running() == 0
    finally:
        home.close()
