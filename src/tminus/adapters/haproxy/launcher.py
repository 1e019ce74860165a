"""Starts and reloads HAProxy under a supervisor. Must not touch routes."""

import contextlib
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tminus.adapters.haproxy import config, files
from tminus.adapters.haproxy.binary import Binary, find_binary
from tminus.adapters.haproxy.config import Sizes
from tminus.adapters.haproxy.console import Console
from tminus.adapters.router import route_text
from tminus.adapters.router.files import write_durably
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused, Unavailable, Unknown
from tminus.ports.router import Hosting
from tminus.ports.supervision import ListeningSockets, ProgramSpec, Supervision

START_LIMIT_S = 5.0  # a busy machine; usually some hundredths of a second
CHECK_LIMIT_S = 5.0
STOP_GRACE_MS = 2_000
_POLL_S = 0.01
_MOST_CONNECTIONS = 10_000
_DESCRIPTORS_APART = 500  # checks, logs, listeners and pooled server connections


class Launcher:
    """One HAProxy, its socket and its configuration file."""

    def __init__(
        self,
        supervision: Supervision,
        sockets: ListeningSockets,
        directory: Path,
        name: str,
        console: Console,
    ) -> None:
        """See the class; `name` is that of the program and of its socket."""
        self._supervision = supervision
        self._sockets = sockets
        self._directory = directory
        self._name = name
        self._console = console

    def running_digest(self) -> str:
        """Digest of the hosting that the running HAProxy was started with; empty where none answers."""
        try:
            return self._console.probe().hosting
        except Unavailable:
            return ""

    def admitted(self) -> frozenset[Slot]:
        """Slots that a restarted HAProxy would admit."""
        return config.admitted_in(self._config_text())

    def admit(self, admitted: frozenset[Slot]) -> None:
        """Has a restarted HAProxy admit these.

        Raises:
            Unavailable: `router-not-hosted`, `disk-full`.
        """
        text = self._config_text()
        if not text:
            raise Unavailable("router-not-hosted", f"no router was hosted in {self._directory}")
        changed = config.with_admitted(text, admitted)
        if changed != text:
            write_durably(self._directory / files.CONFIG, changed)

    def run(self, hosting: Hosting) -> None:
        """Runs HAProxy with `hosting`, beside its predecessor until that has finished.

        Raises:
            Refused: `haproxy-missing`, `router-config-rejected`, `port-taken`.
            Unavailable: the supervisor does not answer, or the disk is full.
        """
        binary = find_binary()
        text = config.render(hosting, self.admitted(), machine_sizes())
        if not (self._directory / files.ROUTE_MAP).exists():
            nowhere = f"{files.KEY} {route_text.to_text(route_text.NOWHERE)}\n"
            write_durably(self._directory / files.ROUTE_MAP, nowhere)
        self._check(binary, text)
        self._sockets.hold_socket(self._name, hosting.host, hosting.port)
        write_durably(self._directory / files.CONFIG, text)
        spec = self._spec(binary)
        if self._name in self._supervision.programs():
            self._sockets.replace(spec)
        else:
            self._supervision.keep([spec])

    def wait_until_running(self, digest: str) -> None:
        """Returns once HAProxy answers with this hosting.

        Raises:
            Unknown: `router-not-seen`, it does not within `START_LIMIT_S`.
        """
        if not _came_about(lambda: self.running_digest() == digest):
            log = self._directory / files.LOG
            raise Unknown("router-not-seen", f"HAProxy does not answer; its output is in {log}")

    def stop(self) -> None:
        """Stops HAProxy and closes the socket.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        if self._name in self._supervision.programs():
            self._supervision.drop([self._name])
        self._sockets.release_socket(self._name)

    def _spec(self, binary: Binary) -> ProgramSpec:
        return ProgramSpec(
            name=self._name,
            argv=(str(binary.path), "-db", "-f", files.CONFIG, "-sf", "{pid}"),
            environment={config.FD_VARIABLE: "{fd}"},
            directory=str(self._directory),
            log=str(self._directory / files.LOG),
            restart=True,
            socket=self._name,
            stop_grace_ms=STOP_GRACE_MS,
        )

    def _check(self, binary: Binary, text: str) -> None:
        """Asks HAProxy itself, which looks at the descriptor that it will inherit."""
        candidate = self._directory / f"{files.CONFIG}.{os.getpid()}.new"
        try:
            candidate.write_text(text, encoding="utf-8")
            with socket.socket() as stand_in:
                outcome = subprocess.run(
                    [binary.path, "-c", "-f", candidate.name],
                    cwd=self._directory,
                    env={config.FD_VARIABLE: str(stand_in.fileno())},
                    pass_fds=[stand_in.fileno()],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=CHECK_LIMIT_S,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(
                "router-check-failed", f"the configuration could not be checked: {error}"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                candidate.unlink(missing_ok=True)
        if outcome.returncode:
            raise Refused("router-config-rejected", complaint(outcome.stderr))

    def _config_text(self) -> str:
        try:
            return (self._directory / files.CONFIG).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise Unavailable("disk-failed", f"{self._directory / files.CONFIG}: {error.strerror}") from error


def complaint(output: str) -> str:
    """What HAProxy objects to, out of all that it says."""
    alerts = re.findall(r"^\[ALERT\]\s*\(\d+\)\s*:\s*(.*)$", output, re.MULTILINE)
    return (
        alerts[0] if alerts else output.strip()[-500:] or "HAProxy rejects the configuration without a word"
    )


def _came_about(condition: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + START_LIMIT_S
    while not condition():
        if time.monotonic() >= until_s:
            return False
        time.sleep(_POLL_S)
    return True


def machine_sizes() -> Sizes:
    """As many connections as this machine lets a process have, and as many threads as help."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = 2**20 if hard == resource.RLIM_INFINITY else hard
    # HAProxy refuses to start when they do not fit: two per connection, and half a one for its pipes.
    connections = max(100, min(_MOST_CONNECTIONS, (descriptors - _DESCRIPTORS_APART) * 2 // 5))
    return Sizes(maxconn=connections, threads=max(1, min(4, os.cpu_count() or 1)))
