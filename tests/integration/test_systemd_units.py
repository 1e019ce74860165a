"""The units that ship: systemd takes them, a stop kills nothing else, and their supervisor takes over."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tminus.wiring
from tests.dataplane.plane import settle
from tminus.adapters.supervisor.client import Supervisor
from tminus.ports.supervision import ProgramSpec

pytestmark = pytest.mark.integration

SHARE = Path(tminus.wiring.__file__).parent / "share" / "systemd"
UNITS = sorted(SHARE.glob("*/*.service"))


def test_both_kinds_ship_an_agent_and_a_supervisor() -> None:
    names = {path.relative_to(SHARE).as_posix() for path in UNITS}
    units = ("tminus-agent.service", "tminus-supervisor@.service")
    assert names == {f"{kind}/{unit}" for kind in ("system", "user") for unit in units}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.relative_to(SHARE).as_posix())
def test_a_stop_ends_the_main_process_alone(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    assert "KillMode=process" in lines
    assert "OOMPolicy=continue" in lines
    assert "Restart=always" in lines
    assert not [line for line in lines if line.startswith(("PrivateTmp", "ProtectHome"))]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.relative_to(SHARE).as_posix())
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    # The programs are wherever tminus is installed, and the user is made by whoever installs it.
    for place in ("%h/.local/bin/tminus-supervisor", "/opt/tminus/bin/tminus-supervisor"):
        text = text.replace(place, sys.executable)
    for place in ("%h/.local/bin/tminus", "/opt/tminus/bin/tminus"):
        text = text.replace(place, sys.executable)
    copy = tmp_path / unit.name.replace("@.", "@shop-production.")
    copy.write_text(text.replace("User=tminus\n", ""), encoding="utf-8")
    outcome = subprocess.run(
        ["systemd-analyze", f"--{unit.parent.name}", "verify", str(copy)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert str(copy) not in outcome.stderr, outcome.stderr
    assert copy.name not in outcome.stderr, outcome.stderr


def test_a_supervisor_in_the_foreground_stands_by_and_takes_over(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.ensure_running()
    first = supervisor.running()
    program = ProgramSpec(
        "sleeper", ("sleep", "600"), {"PATH": os.defpath}, "/", str(tmp_path / "log"), restart=True
    )
    supervisor.keep([program])
    pid = supervisor.programs()["sleeper"].pid
    command = [
        sys.executable,
        "-m",
        "tminus.adapters.supervisor",
        "--foreground",
        "--directory",
        str(tmp_path),
    ]
    with subprocess.Popen(command) as second:
        try:
            settle(lambda: Path(f"/proc/{second.pid}/comm").exists())
            assert supervisor.running() == first
            os.kill(first, signal.SIGTERM)
            settle(lambda: supervisor.running() == second.pid)
            assert supervisor.programs()["sleeper"].pid == pid
            second.terminate()
            assert second.wait(10) == 0
            assert Path(f"/proc/{pid}").exists()
        finally:
            second.kill()
            supervisor.ensure_running()
            supervisor.shutdown()
            settle(lambda: not supervisor.running())
