"""One program under supervision: started, started again with growing delays, stopped with its whole group."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tminus.adapters.supervisor.identity import (
    MARKER,
    Identity,
    alive,
    group_alive,
    identify,
    signal_group,
)
from tminus.adapters.supervisor.record import ProgramRecord
from tminus.ports.fault import Refused
from tminus.ports.supervision import ProgramReading, ProgramSpec

RESTART_DELAYS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # the first at once: most deaths are single
STEADY_S = 30.0  # up for so long, a program starts over with the first delay
GROUP_POLL_S = 0.05  # while a group is being stopped; a group without its leader has no pidfd
LOG_LIMIT_BYTES = 8 * 1024 * 1024  # looked at when a program starts; one older file is kept beside it

Inherit = Callable[[ProgramSpec], int | None]
"""Number of the socket that a program inherits, None without; OSError where there is none any more."""


class Program:
    """The record of a program, and the processes behind it."""

    def __init__(self, record: ProgramRecord, marker: str) -> None:
        """See the class; `marker` names this supervisor in the environment of what it starts."""
        self.record = record
        self._marker = marker
        self._pidfds: dict[Identity, int] = {}
        self._sweeping: list[Identity] = []  # groups whose leader has gone and whose rest is being killed
        self._start_at_s: float | None = None
        self._kill_at_s: float | None = None
        self._failures = 0
        self._up_since_s = time.monotonic()

    @property
    def reading(self) -> ProgramReading:
        """How it is now."""
        record = self.record
        # While it is being stopped, whatever of it still runs counts: it may hold the port.
        groups = [*record.groups, *self._sweeping] if record.dropped else [record.leader]
        pid = next((group.pid for group in reversed(groups) if group and group_alive(group)), 0)
        return ProgramReading(record.spec.name, pid, record.restarts, record.started_ms)

    @property
    def gone(self) -> bool:
        """It was dropped and nothing of it runs."""
        return self.record.dropped and not self.record.groups and not self._sweeping

    def adopt(self, found: list[Identity]) -> None:
        """Takes over processes of an earlier supervisor: those on record, and those that carry the marker.

        A supervisor may die between a start and its record, so the marker decides which process is newest.
        """
        known = [identity for identity in self.record.groups if group_alive(identity)]
        running = sorted({*known, *found}, key=lambda identity: identity.start)
        leader = running[-1] if running and alive(running[-1]) else None
        leaving = tuple(identity for identity in running if identity != leader)
        self.record = self.record.having(leader=leader, leaving=leaving)
        if self.record.dropped:
            self.stop()
        elif leader is None and (self.record.spec.restart or self.record.started_ms == 0):
            self._start_at_s = time.monotonic()

    def start(self, inherit: Inherit) -> None:
        """Starts it now; the running process becomes a predecessor.

        Raises:
            OSError: it could not be started; nothing changed.
        """
        spec = self.record.spec
        inherited = inherit(spec)
        self._release_dead()
        predecessors = self.record.groups
        log = _log(spec)
        try:
            process = subprocess.Popen(
                _argv(spec, inherited, predecessors),
                env={**_environment(spec, inherited), MARKER: f"{self._marker}{spec.name}"},
                cwd=spec.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=() if inherited is None else (inherited,),
                start_new_session=True,
                umask=0o022,
            )
        finally:
            os.close(log)
        # Reaped by pid when its pidfd says so; the object must not complain that it was never waited for.
        process.returncode = 0
        self._start_at_s = None
        self._up_since_s = time.monotonic()
        leader = identify(process.pid) or Identity(process.pid, 0, "")
        self.record = self.record.having(
            leader=leader, leaving=predecessors, started_ms=time.time_ns() // 1_000_000
        )

    def stop(self) -> None:
        """Asks every process of it to end, for good; what is left after the grace is killed."""
        if not self.record.dropped or self._kill_at_s is None:
            self._kill_at_s = time.monotonic() + self.record.spec.stop_grace_ms / 1000
            for identity in self.record.groups:
                signal_group(identity, signal.SIGTERM)
        self._start_at_s = None
        self.record = self.record.having(dropped=True)

    def attend(self, inherit: Inherit) -> bool:
        """Does what is due now and returns whether the record changed."""
        before = self.record
        now_s = time.monotonic()
        for identity in before.groups:
            if not alive(identity):
                self._bury(identity)
        self._sweep(now_s)
        if self._start_at_s is not None and now_s >= self._start_at_s and not self._sweeping:
            self._start_again(inherit)
        return self.record != before

    def due_s(self) -> float | None:
        """When `attend` has something to do by the clock, monotonic; None for not before an event."""
        now_s = time.monotonic()
        if self._sweeping or (self.record.dropped and self.record.groups):
            return now_s + GROUP_POLL_S
        return self._start_at_s

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Has the selector wake up when a process of it ends."""
        for identity in [*self._pidfds]:
            if identity not in self.record.groups:
                descriptor = self._pidfds.pop(identity)
                selector.unregister(descriptor)
                os.close(descriptor)
        for identity in self.record.groups:
            if identity not in self._pidfds:
                with contextlib.suppress(ProcessLookupError):
                    descriptor = os.pidfd_open(identity.pid)
                    self._pidfds[identity] = descriptor
                    selector.register(descriptor, selectors.EVENT_READ)

    def _bury(self, identity: Identity) -> None:
        """Ends the group of a leader that has ended: workers would keep the port and the old code."""
        if not self.record.dropped:
            signal_group(identity, signal.SIGKILL)
        # Its own child stays a zombie until waited for; an adopted one is somebody else's.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)
        if group_alive(identity):
            self._sweeping.append(identity)
        if identity != self.record.leader:
            self.record = self.record.having(
                leaving=tuple(other for other in self.record.leaving if other != identity)
            )
            return
        self.record = self.record.having(leader=None)
        if self.record.spec.restart and not self.record.dropped:
            self._schedule()

    def _schedule(self) -> None:
        now_s = time.monotonic()
        if now_s - self._up_since_s >= STEADY_S:
            self._failures = 0
        delay_s = RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S) - 1)]
        self._failures += 1
        self._start_at_s = now_s + delay_s

    def _start_again(self, inherit: Inherit) -> None:
        again = self.record.started_ms > 0
        try:
            self.start(inherit)
        except OSError as error:
            print(f"{self.record.spec.name} cannot be started: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the daemon's log
            self._up_since_s = time.monotonic()
            self._schedule()
            return
        if again:
            self.record = self.record.having(restarts=self.record.restarts + 1)

    def _sweep(self, now_s: float) -> None:
        self._sweeping = [identity for identity in self._sweeping if group_alive(identity)]
        if not self.record.dropped:
            for identity in self._sweeping:
                signal_group(identity, signal.SIGKILL)
        elif self._kill_at_s is not None and now_s >= self._kill_at_s:
            for identity in (*self.record.groups, *self._sweeping):
                signal_group(identity, signal.SIGKILL)

    def _release_dead(self) -> None:
        for identity in self.record.groups:
            if not alive(identity):
                self._bury(identity)


def check(spec: ProgramSpec) -> None:
    """Refuses what could not be started.

    Raises:
        Refused: `command-not-found`, `directory-missing`.
    """
    directory = Path(spec.directory)
    if not directory.is_dir():
        raise Refused("directory-missing", f"{spec.name}: there is no directory {directory}")
    command = spec.argv[0] if spec.argv else ""
    if "/" in command:
        path = directory / command
        found = path.is_file() and os.access(path, os.X_OK)
    else:
        found = shutil.which(command, path=spec.environment.get("PATH", os.defpath)) is not None
    if not found:
        raise Refused("command-not-found", f"{spec.name}: {command!r} is no program that can be run")


def _argv(spec: ProgramSpec, inherited: int | None, predecessors: tuple[Identity, ...]) -> list[str]:
    argv: list[str] = []
    for argument in spec.argv:
        if argument == "{pid}":
            argv += [str(identity.pid) for identity in predecessors if alive(identity)]
        else:
            argv.append(argument if inherited is None else argument.replace("{fd}", str(inherited)))
    return argv


def _environment(spec: ProgramSpec, inherited: int | None) -> dict[str, str]:
    if inherited is None:
        return dict(spec.environment)
    return {name: value.replace("{fd}", str(inherited)) for name, value in spec.environment.items()}


def _log(spec: ProgramSpec) -> int:
    path = Path(spec.directory, spec.log)
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
