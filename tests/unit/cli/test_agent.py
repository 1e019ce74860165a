"""`tminus agent`: what it does where nothing is to be driven."""

import subprocess
import sys
from pathlib import Path

import pytest

from tminus.adapters.clock.system_clock import poke


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
