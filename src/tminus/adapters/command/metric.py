"""Metrics that a command of the team prints. Must not run it with more than it was given."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import IO, Any

from tminus.adapters.command.scrub import Scrubber
from tminus.domain.plan.metric import CommandSource
from tminus.domain.watch.answer_text import number_text, parse_answer
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.metrics import Surroundings

MOST_BYTES = 64 * 1024  # of what it prints: one small object
_LAST_LINE_CHARS = 120


class CommandMetric:
    """`ports.metrics.Source` over one command, run anew for each look and never beyond its time."""

    def __init__(self, source: CommandSource, around: Surroundings) -> None:
        """Runs nothing.

        Raises:
            Refused: a secret is missing.
        """
        secrets = {name: around.secret(ref) for name, ref in source.secrets}
        self._command = source.command
        self._tree = around.tree
        self._environment: Mapping[str, str] = {
            **around.environment,
            "PYTHONDONTWRITEBYTECODE": "1",  # an artifact must stay as it was built
            **dict(source.environment),
            **secrets,
        }
        self._secrets = tuple(secrets.values())

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port."""
        ends_at = time.monotonic() + limit_ms / 1000
        try:
            child = subprocess.Popen(
                self._command,
                cwd=self._tree,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or "it cannot be run as written"
            return Missed(MeasuredState.UNREACHABLE, f"{self._command[0]}: {why}")
        with child:
            assert child.stdout is not None
            assert child.stderr is not None
            try:
                output, errors = _printed(child.stdout, child.stderr, ends_at)
                child.wait(max(0.0, ends_at - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired):
                return Missed(MeasuredState.SLOW, f"it did not end within {limit_ms} ms")
            finally:
                # Also what it has left behind, which would hold its pipes open.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
        if child.returncode:
            return Missed(MeasuredState.INVALID, f"it ended with {child.returncode}{self._last_line(errors)}")
        if len(output) > MOST_BYTES:
            return Missed(MeasuredState.INVALID, f"it printed more than {MOST_BYTES} bytes")
        return _taken(output)

    def close(self) -> None:
        """See the port."""

    def _last_line(self, errors: bytes) -> str:
        scrubber = Scrubber(self._secrets)
        text = (scrubber.feed(errors) + scrubber.end()).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f": {lines[-1][:_LAST_LINE_CHARS]}" if lines else ""


def _printed(stdout: IO[bytes], stderr: IO[bytes], ends_at: float) -> tuple[bytes, bytes]:
    """What was printed to both, up to a little more than is read of it.

    Raises:
        TimeoutError: they were not closed in time.
    """
    found = {stdout: b"", stderr: b""}
    with selectors.DefaultSelector() as selector:
        for pipe in found:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            for key, _ in selector.select(left_s):
                pipe = next(each for each in found if each is key.fileobj)
                content = os.read(key.fd, MOST_BYTES)
                if not content:
                    selector.unregister(pipe)
                elif pipe is stderr:
                    found[pipe] = (found[pipe] + content)[-MOST_BYTES:]
                elif len(found[pipe]) <= MOST_BYTES:
                    found[pipe] += content
    return found[stdout], found[stderr]


def _taken(output: bytes) -> Taken | Missed:
    if not output.strip():
        return Missed(MeasuredState.EMPTY, "it printed nothing")
    try:
        body: Any = parse_answer(output)
        if not isinstance(body, dict):
            return Missed(MeasuredState.INVALID, 'it printed no object such as {"value": 12}')
        names = ("value",) if "value" in body else ("bad", "total")
        missing = [name for name in names if body.get(name) is None]
        if missing:
            return Missed(MeasuredState.EMPTY, f"it printed no `{missing[0]}`")
        return Taken(tuple(number_text(body[name]) for name in names))
    except ValueError as error:
        return Missed(MeasuredState.INVALID, str(error))


def open_command(source: CommandSource, around: Surroundings) -> CommandMetric:
    """See `ports.metrics.OpenSource`."""
    return CommandMetric(source, around)
