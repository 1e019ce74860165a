"""The sample service as processes on loopback, from a repository made for the test."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

START_LIMIT_S = 20
STOP_LIMIT_S = 20


class Hello:
    """One instance of a release; `directory` is its tree."""

    def __init__(self, directory: Path, *, slot: str = "", environment: dict[str, str] | None = None) -> None:
        self._directory = directory
        self._environment = {
            "PATH": os.environ["PATH"],
            "TMINUS_SLOT": slot,
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        self._process: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hello", "--port", str(self.port)],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        # A service that never says so must not hang the test; its end closes the pipe.
        watchdog = threading.Timer(START_LIMIT_S, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line == f"listening on 127.0.0.1:{self.port}\n"
        return self

    def terminate(self) -> None:
        """SIGTERM; returns at once."""
        assert self._process is not None
        self._process.terminate()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self._process is not None
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        code = self._process.wait(STOP_LIMIT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        elif self._process is not None:
            self.wait()
