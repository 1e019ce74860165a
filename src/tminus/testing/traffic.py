"""Load on a service in a process of its own, and the processes that belong to a folder."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tminus.adapters.http.load_spec import LoadResult
from tminus.domain.codec import from_json

LOCAL = "127.0.0.1"
END_LIMIT_S = 10.0
"""Longest that load goes on after it was told to end: its slowest request has five seconds."""


class Load:
    """Load until it is told to end: kept and new connections, GET and POST with idempotency keys."""

    def __init__(self, url: str, directory: Path, rate_per_s: int, limit_s: int, run: str) -> None:
        """Starts it; `run` begins every idempotency key."""
        self._path = directory / f"{run}.json"
        self.run = run
        self._result: LoadResult | None = None
        argv = [sys.executable, "-m", "tminus.adapters.http.load", "--url", url, "--run", run]
        argv += ["--rate", str(rate_per_s), "--seconds", str(limit_s), "--connections", "400"]
        argv += ["--limit-ms", "5000", "--path", "/", "--path", "/dashboard"]
        argv += ["--post-path", "/payments", "--post-body", '{"amount": 1}']
        with self._path.open("wb") as output:
            self.process = subprocess.Popen(argv, cwd=directory, stdout=output, start_new_session=True)

    def end(self) -> LoadResult:
        """Begins no more requests, and returns what came of all once each has its fate."""
        if self._result is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            self.process.wait(END_LIMIT_S)
            self._result = from_json(LoadResult, json.loads(self._path.read_text(encoding="utf-8")))
        return self._result


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server((LOCAL, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def processes_of(directory: Path) -> dict[int, str]:
    """Every other process that names the folder as its working directory, or in arguments or environment."""
    found = {}
    wanted = os.fsencode(directory)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            said = (entry / "cmdline").read_bytes()
            known = said + (entry / "environ").read_bytes() + os.fsencode((entry / "cwd").readlink())
            if wanted in known and b") Z " not in (entry / "stat").read_bytes():
                found[int(entry.name)] = said.replace(b"\0", b" ").decode(errors="replace")[:100]
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return found
