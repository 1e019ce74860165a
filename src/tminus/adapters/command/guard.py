"""A program that runs one command and lets nothing of it live longer than the one who asked for it.

`python -m tminus.adapters.command.guard` reads one JSON line from standard input, and runs what it says. It
ends the command when its time is over, when it reads the line `stop`, and at once when its standard input
ends, which is what happens when whoever started it is gone, by whatever signal. Its last words are one JSON
line on standard output. It is a program and no function because only another process outlives SIGKILL.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.command.scrub import Scrubber

_LOOK_S = 0.05  # how often a command that holds its output open is looked at
_GRACE_S = 2.0  # between SIGTERM and SIGKILL; a job has 5 s in all
_DRAIN_S = 1.0  # for output that is still in the pipe when everything that could write has been killed
_CHUNK_BYTES = 64 * 1024
_TAIL_LINES = 12  # enough to see what failed, short enough for a chat message
_TAIL_CHARS = 3_000  # the answer must fit into a pipe that nobody reads before the end
_AFTER_LIMIT_S = 10.0  # to take away a container, which takes milliseconds
_SET_PDEATHSIG, _SET_SUBREAPER = 1, 36  # of prctl(2)


@dataclass(frozen=True, slots=True)
class _Order:
    """What to run.

    Attributes:
        command: argument vector.
        directory: where it runs.
        environment: all of it.
        deadline_ms: it is ended after this time.
        log: file that its output is appended to, scrubbed.
        secrets: texts that must not reach the log or the answer.
        stdout_fd: inherited descriptor that its standard output goes to instead, unscrubbed.
        after: run when the command has ended, however it did: takes away what is left elsewhere.
        user: (user id, group id) that it runs as instead of this program's, where root starts it.
    """

    command: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    deadline_ms: int
    log: str
    secrets: tuple[str, ...] = ()
    stdout_fd: int | None = None
    after: tuple[str, ...] = ()
    user: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Ending:
    """How it ended: `exited`, `deadline`, `stopped`, `orphaned` or `unstartable`.

    `code` is the exit code, negative for a signal; `tail` the last lines of its output.
    """

    ended: str
    code: int = 0
    tail: str = ""
    took_ms: int = 0


class _Guard:
    """One command, from its start to the end of everything that it started."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._scrubber = Scrubber(order.secrets)
        self._tail = b""
        self._ended = "exited"
        self._kill_at: float | None = None
        self._told = False
        self._asked = b""

    def run(self) -> _Ending:
        """Runs it."""
        started = time.monotonic()
        signal.signal(signal.SIGTERM, self._note_signal)  # a handler, since SIG_IGN would be inherited
        signal.signal(signal.SIGINT, self._note_signal)
        try:
            child = self._start()
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or "it cannot be run as written"
            return _Ending("unstartable", tail=f"{self._order.command[0]}: {why}")
        if self._order.stdout_fd is not None:
            os.close(self._order.stdout_fd)
        output = child.stdout if self._order.stdout_fd is None else child.stderr
        assert output is not None
        os.set_blocking(output.fileno(), False)
        self._watch(child, output.fileno(), started + self._order.deadline_ms / 1000)
        _kill_all(child)
        self._drain(output.fileno())
        took_ms = int((time.monotonic() - started) * 1000)
        return _Ending(self._ended, child.returncode, self._last_lines(), took_ms)

    def _note_signal(self, *_: object) -> None:
        self._told = True

    def _start(self) -> "subprocess.Popen[bytes]":
        order = self._order
        own = order.stdout_fd is None
        other: dict[str, Any] = {}
        if order.user is not None:
            other = {"user": order.user[0], "group": order.user[1], "extra_groups": []}
        return subprocess.Popen(
            order.command,
            cwd=order.directory,
            env=dict(order.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if own else order.stdout_fd,
            stderr=subprocess.STDOUT if own else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_bound_to_parent(),  # noqa: PLW1509 - this program has one thread
            **other,
        )

    def _watch(self, child: "subprocess.Popen[bytes]", output: int, ends_at: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while not _has_ended(child):
                for key, _ in selector.select(_LOOK_S):
                    open_still = self._read(output) if key.fd == output else self._listen(child)
                    if not open_still:
                        selector.unregister(key.fd)
                if self._told:
                    self._end(child, "stopped")
                if time.monotonic() >= ends_at:
                    self._end(child, "deadline")
                if self._kill_at is not None and time.monotonic() >= self._kill_at:
                    _signal_group(child, signal.SIGKILL)

    def _listen(self, child: "subprocess.Popen[bytes]") -> bool:
        """Hears the one who started this; False when there is nobody any more."""
        said = os.read(0, _CHUNK_BYTES)
        if not said:
            self._ended = "orphaned"
            _signal_group(child, signal.SIGKILL)
            return False
        self._asked += said
        self._told = self._told or b"stop\n" in self._asked
        return True

    def _end(self, child: "subprocess.Popen[bytes]", why: str) -> None:
        if self._kill_at is None:
            self._ended = why
            self._kill_at = time.monotonic() + _GRACE_S
            _signal_group(child, signal.SIGTERM)

    def _read(self, output: int) -> bool:
        """Takes what was printed; False at its end."""
        try:
            content = os.read(output, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._keep(self._scrubber.feed(content) if content else self._scrubber.end())
        return bool(content)

    def _drain(self, output: int) -> None:
        ends_at = time.monotonic() + _DRAIN_S
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while time.monotonic() < ends_at:
                if selector.select(_LOOK_S) and not self._read(output):
                    return
        self._keep(self._scrubber.end())

    def _keep(self, content: bytes) -> None:
        self._tail = (self._tail + content)[-_CHUNK_BYTES:]
        # A full disk must not fail the command: its last lines are kept in memory.
        with contextlib.suppress(OSError), Path(self._order.log).open("ab") as log:
            log.write(content)

    def _last_lines(self) -> str:
        lines = self._tail.decode(errors="replace").split("\n")
        kept = [line.rstrip("\r") for line in lines if line.strip()][-_TAIL_LINES:]
        return "\n".join(kept)[-_TAIL_CHARS:]


def _bound_to_parent() -> Callable[[], None] | None:
    """Makes the child die with this program, which adopts whatever its descendants leave behind."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_SUBREAPER, 1, 0, 0, 0)
    guard = os.getpid()

    def bind() -> None:
        prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:
            os._exit(1)

    return bind


def _signal_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    # The leader is reaped only after its group has been dealt with, so the number is still its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Whether the leader has ended; it is not reaped where the system allows that."""
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_all(child: "subprocess.Popen[bytes]") -> None:
    """Kills what the command left: the rest of its group, and descendants that went into other groups."""
    _signal_group(child, signal.SIGKILL)
    child.wait()
    while True:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return
    yield from map(int, text.split())


def _tidy(order: _Order) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            order.after,
            cwd=order.directory,
            env=dict(order.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_AFTER_LIMIT_S,
            check=False,
            start_new_session=True,
        )


def main() -> int:
    """Takes the order, runs it, and says how it ended."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)  # unbuffered: what follows the order belongs to the watch
        if not byte:
            return 1
        line += byte
    body: dict[str, Any] = json.loads(line)
    lists = {name: tuple(body.get(name) or ()) for name in ("command", "secrets", "after")}
    order = _Order(**{**body, **lists})
    ending = _Guard(order).run()
    if order.after:
        _tidy(order)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(asdict(ending), ensure_ascii=False).encode(errors="replace") + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
