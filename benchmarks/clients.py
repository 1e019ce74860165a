"""The clients of the cutover benchmark as processes: wrk for volume, the prober for times."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prober import Note, read_notes

HERE = Path(__file__).resolve().parent
END_LIMIT_S = 20.0


@dataclass
class Volume:
    """What wrk has counted. Every error is a request without a complete good answer."""

    requests: int = 0
    lost: int = 0
    failed: int = 0
    p50_us: int = 0
    p99_us: int = 0


@dataclass
class Probed:
    """What a prober has noted, once its block has ended."""

    notes: list[Note] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return sum(note.is_lost for note in self.notes)


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


@contextlib.contextmanager
def volume(url: str, run: str, connections: int = 32, seconds: int = 3_600) -> Iterator[Volume]:
    """As many requests as the machine bears, until the block ends."""
    found = Volume()
    if not has_wrk():
        yield found
        return
    argv = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    argv += ["--timeout", "10s", "--script", str(HERE / "volume.lua"), url, "--", run]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        yield found
    finally:
        # It sums up at SIGINT as it does at its end.
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=END_LIMIT_S)
        _note(found, output)


def measured(url: str, run: str, connections: int, seconds: int) -> Volume:
    """A round of so many seconds."""
    argv = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    argv += ["--script", str(HERE / "volume.lua"), url, "--", run]
    found = Volume()
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + END_LIMIT_S)
    _note(found, done.stdout)
    return found


def _note(found: Volume, output: str) -> None:
    line = next(line for line in output.splitlines() if line.startswith("SUMMARY "))
    said = json.loads(line.removeprefix("SUMMARY "))
    found.requests = said["requests"]
    found.lost = said["connect"] + said["read"] + said["write"] + said["timeout"]
    found.failed = said["status"]
    found.p50_us, found.p99_us = said["p50_us"], said["p99_us"]


@contextlib.contextmanager
def prober(port: int, file: Path, rate: int) -> Iterator[Probed]:
    """A prober until the block ends."""
    found = Probed()
    child = subprocess.Popen(
        [sys.executable, str(HERE / "prober.py"), str(port), str(file), "--rate", str(rate)]
    )
    try:
        yield found
    finally:
        child.terminate()
        child.wait(END_LIMIT_S)
        found.notes = read_notes(file)
