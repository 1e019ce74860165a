"""Reports read by another process (`reader`), within a limit. Must not parse anything here."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tminus.adapters.report.reader import Order

MOST_ANSWER_BYTES = 16 * 1024 * 1024
"""Of all summaries together; one has a few kilobytes, but for a long list of vulnerabilities."""

_INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMINUS_JOB")
_PROGRAM = (sys.executable, "-P", "-m", "tminus.adapters.report.reader")
_CHUNK_BYTES = 256 * 1024
_CONTROL = dict.fromkeys((*range(32), 127), " ")


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was read, or why it was not.

    Attributes:
        path: of the file.
        changed_ms: when the file was last written, milliseconds since the epoch.
        summary: see the reader of its kind; empty where `why` says why.
        why: a sentence without its end, empty where it was read.
    """

    path: Path
    changed_ms: int = 0
    summary: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


def read_reports(
    kind: str, paths: Sequence[Path], limit_s: float, program: Sequence[str] = _PROGRAM
) -> tuple[Report, ...]:
    """Every report of these, in their order; never raises for what stands in them.

    Args:
        kind: a name in `reader.KINDS`.
        paths: of the files.
        limit_s: for all of them together.
        program: that reads them.
    """
    order = Order(kind, [str(path) for path in paths], int(limit_s) + 1)
    try:
        child = subprocess.Popen(
            [*program, json.dumps(asdict(order))],
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return _none(paths, f"the reader cannot be started: {error.strerror}")
    with child:
        assert child.stdout is not None
        try:
            said = _said(child.stdout, limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
    if said is None:
        return _none(paths, f"it was not read within {round(limit_s * 1000)} ms")
    try:
        answers = json.loads(said)
        return tuple(_report(path, answer) for path, answer in zip(paths, answers, strict=True))
    except (ValueError, TypeError, LookupError, AttributeError):
        return _none(paths, "the reader ended before it had read it, as one that needs too much does")


def _none(paths: Sequence[Path], why: str) -> tuple[Report, ...]:
    return tuple(Report(path, why=why) for path in paths)


def _report(path: Path, answer: Mapping[str, Any]) -> Report:
    if "why" in answer:
        return Report(path, why=str(answer["why"])[:300].translate(_CONTROL))
    return Report(path, int(answer["changed_ms"]), dict(answer["summary"]))


def _said(output: IO[bytes], limit_s: float) -> bytes | None:
    """Everything that is printed; None where that takes longer or is too much."""
    found = bytearray()
    ends_at = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while selector.select(max(0.0, ends_at - time.monotonic())):
            content = os.read(output.fileno(), _CHUNK_BYTES)
            found += content
            if not content:
                return bytes(found)
            if len(found) > MOST_ANSWER_BYTES or time.monotonic() >= ends_at:
                return None
    return None
