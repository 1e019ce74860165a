"""A command that dies with whoever asked for it, through the program `tminus.adapters.command.guard`.

The guard is started, not imported: only another process outlives this one's sudden death.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_END_LIMIT_S = 10.0  # the guard itself waits 2 s before it kills


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: `exited`, `deadline`, `stopped`, `unstartable` or `killed`.

    Attributes:
        ended: see above.
        code: its exit code, negative for a signal.
        tail: the last lines that it printed, without secrets.
        took_ms: from its start.
    """

    ended: str
    code: int = 0
    tail: str = ""
    took_ms: int = 0

    @property
    def fine(self) -> bool:
        """It ended by itself, with 0."""
        return self.ended == "exited" and self.code == 0


class Guarded:
    """One running command. Leaving the block kills it where it still runs."""

    def __init__(  # noqa: PLR0913 - one for each value of the order that the guard takes
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        *,
        deadline_ms: int,
        log: Path,
        secrets: Sequence[str],
        stdout_fd: int | None = None,
        after: Sequence[str] = (),
        user: tuple[int, int] | None = None,
    ) -> None:
        """Starts it; `stdout_fd` receives its standard output, which otherwise goes to the log, scrubbed.

        `after` is run when it has ended, however it did. `user` is a user and a group id that the command
        runs as where this process is root.
        """
        order = {
            "command": list(command),
            "directory": str(directory),
            "environment": dict(environment),
            "deadline_ms": deadline_ms,
            "log": str(log),
            "secrets": list(secrets),
            "stdout_fd": stdout_fd,
            "after": list(after),
            "user": user,
        }
        self._guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "tminus.adapters.command.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
            pass_fds=() if stdout_fd is None else (stdout_fd,),
        )
        self._said = b""
        self._say(json.dumps(order).encode() + b"\n")

    def wait(self, limit_s: float) -> Ending | None:
        """Waits so long at most; how it ended, or None while it runs."""
        assert self._guard.stdout is not None
        ready, _, _ = select.select([self._guard.stdout], [], [], limit_s)
        if not ready:
            return None
        while content := self._guard.stdout.read(65536):
            self._said += content
        self._guard.wait()
        if not self._said:
            return Ending("killed", -9, "its guard was killed, and it with it")
        body: dict[str, Any] = json.loads(self._said)
        return Ending(**body)

    def stop(self) -> None:
        """Has it ended: SIGTERM to its group, SIGKILL two seconds later."""
        self._say(b"stop\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._guard.stdin.close()  # the end of its input makes the guard kill at once
        try:
            self._guard.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        self._guard.stdout.close()

    def _say(self, content: bytes) -> None:
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            view = memoryview(content)
            while view:
                view = view[os.write(self._guard.stdin.fileno(), view) :]
