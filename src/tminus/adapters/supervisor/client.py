"""Talks to the supervisor of a directory, and brings it to life where there is none."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tminus.adapters.supervisor import files, record, wire
from tminus.adapters.supervisor.command import start_command
from tminus.ports.fault import Unavailable, Unknown
from tminus.ports.supervision import ProgramReading, ProgramSpec

CALL_LIMIT_S = 1.0
_POLL_S = 0.02
START_LIMIT_S = 15.0  # an interpreter on a machine that has much else to do; usually a tenth of a second
# What an interpreter may need; the caller's secrets stay with the caller.
_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "HOME", "LANG", "LC_ALL", "TMPDIR")


class Supervisor:
    """Implements `Supervision` and `ListeningSockets` by a daemon that outlives the caller.

    Every call takes at most `limit_s` seconds, and starts the daemon where it does not run: then at most
    `START_LIMIT_S` more. For whoever only looks, `revives` is false, and a call says that none answers.
    """

    def __init__(self, directory: Path, limit_s: float = CALL_LIMIT_S, *, revives: bool = True) -> None:
        """See the class; `directory` holds the state of one service in one environment."""
        self._directory = directory.absolute()
        self._limit_s = limit_s
        self._revives = revives

    def keep(self, programs: Sequence[ProgramSpec]) -> None:
        """See `Supervision.keep`."""
        self._ask({"do": "keep", "programs": [wire.spec_message(spec) for spec in programs]})

    def drop(self, names: Sequence[str]) -> None:
        """See `Supervision.drop`."""
        self._ask({"do": "drop", "names": list(names)})

    def programs(self) -> Mapping[str, ProgramReading]:
        """See `Supervision.programs`."""
        reply = self._ask({"do": "programs"}, changes=False)
        readings = [wire.reading_from(message) for message in reply["programs"]]
        return {reading.name: reading for reading in readings}

    def hold_socket(self, name: str, host: str, port: int) -> None:
        """See `ListeningSockets.hold_socket`."""
        self._ask({"do": "hold", "name": name, "host": host, "port": port})

    def release_socket(self, name: str) -> None:
        """See `ListeningSockets.release_socket`."""
        self._ask({"do": "release", "name": name})

    def replace(self, program: ProgramSpec) -> None:
        """See `ListeningSockets.replace`."""
        self._ask({"do": "replace", "program": wire.spec_message(program)}, again=False)

    def leave(self) -> None:
        """Ends the supervisor and lets every program run on; does nothing where nothing is kept."""
        self._end("leave")

    def shutdown(self) -> None:
        """Stops every program, then the supervisor ends; a no-op where nothing is kept. Returns at once."""
        self._end("shutdown")

    def running(self) -> int:
        """Process number of the supervisor that answers, 0 without one."""
        try:
            return int(self._call({"do": "ping"}, changes=False)["pid"])
        except Unavailable:
            return 0

    def remembers(self) -> bool:
        """Whether programs are kept here, by a supervisor that runs or by one that did.

        Raises:
            Unavailable: what is remembered cannot be read.
        """
        try:
            return bool(record.load(self._directory).programs)
        except (OSError, ValueError) as error:
            raise Unavailable("supervisor-unreadable", str(error)) from error

    def ensure_running(self) -> None:
        """Starts the supervisor where it does not run; it adopts what an earlier one left.

        Raises:
            Unavailable: `supervisor-failed`, with its own last line.
        """
        if self.running():
            return
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        try:
            outcome = subprocess.run(
                start_command(self._directory),
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=START_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable("supervisor-failed", f"the supervisor did not start: {error}") from error
        if outcome.returncode:
            last = outcome.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unavailable("supervisor-failed", f"the supervisor did not start: {last}")
        # Another one may have been quicker, and not yet be ready.
        until_s = time.monotonic() + START_LIMIT_S
        while not self.running():
            if time.monotonic() >= until_s:
                raise Unavailable("supervisor-failed", "the supervisor started, and does not answer")
            time.sleep(_POLL_S)

    def _end(self, verb: str) -> None:
        # Without a supervisor its programs may still run: one is started to end them.
        try:
            remembered = record.load(self._directory)
        except (OSError, ValueError) as error:
            raise Unavailable("supervisor-failed", f"its state cannot be read: {error}") from error
        if self.running() or remembered.programs or remembered.sockets:
            self._ask({"do": verb})

    def _ask(self, message: dict[str, Any], *, changes: bool = True, again: bool = True) -> dict[str, Any]:
        """Asks, and once more of a new supervisor; unless `again` is false and the first may have acted."""
        try:
            return self._call(message, changes=changes)
        except _UnheardError:
            if not self._revives:
                raise
        except _UnansweredError:
            if not (again and self._revives):
                raise
        self.ensure_running()
        return self._call(message, changes=changes)

    def _call(self, message: dict[str, Any], *, changes: bool) -> dict[str, Any]:
        until_s = time.monotonic() + self._limit_s
        try:
            connection = files.dial(self._directory / wire.SOCKET, self._limit_s)
        except OSError as error:
            why = f"no supervisor answers in {self._directory}: {error.strerror or error}"
            raise _UnheardError("supervisor-silent", why) from error
        with connection:
            try:
                connection.sendall(wire.encode(message))
                reply = wire.decode(_read_line(connection, until_s))
            except (OSError, ValueError) as error:
                fault = _UnansweredError if changes else _UnheardError
                raise fault("supervisor-silent", f"the supervisor gave no answer: {error}") from error
        wire.raise_fault(reply)
        return reply


class _UnheardError(Unavailable):
    """Nothing has been changed by the call."""


class _UnansweredError(Unknown):
    """The call may have had its effect."""


def _read_line(connection: socket.socket, until_s: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        content = connection.recv(1 << 16)
        if not content:
            raise OSError("it hung up")
        received += content
    return bytes(received)
