"""Prometheus and Alertmanager as Debian brings them, started on free ports and ended by their pid."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Path of a program; without it the test is skipped by its name, and fails where CI=true."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed: tools/system-packages.sh test"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def output(name: str, *arguments: str | Path, feed: str = "") -> str:
    """What a program prints; it must end with 0."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        input=feed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{name} {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Daemon:
    """A server of one of these programs; can be ended and started again on the same port and folder."""

    def __init__(self, name: str, folder: Path, arguments: Sequence[str]) -> None:
        self._command = [program(name), *arguments]
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "output.log").open("ab") as log:
            self._child = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(20)
            self._child = None

    def said(self) -> str:
        return (self._folder / "output.log").read_text(encoding="utf-8", errors="replace")[-3_000:]
