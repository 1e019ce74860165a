"""`tminus agent`: drives every open launch of this home, for days, each in a thread of its own."""

import fcntl
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tminus.adapters.clock.system_clock import SystemClock, open_wake_socket
from tminus.cli.driving import Driving
from tminus.cli.schedules import Schedules
from tminus.domain.launch.event import UnknownEventError
from tminus.domain.plan.times import format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow
from tminus.wiring import Home, open_home

LOOK_EVERY_MS = 500
"""How often the agent looks for launches it does not drive yet; `tminus launch` also pokes it."""

STOP_LIMIT_S = 5.0
"""How long drivers may take to release their launches when the agent is told to end."""


@click.command("agent")
@click.option("--until-idle", is_flag=True, help="End when no launch is open.")
@click.option("--metrics", metavar="[HOST:]PORT", help="Answer Prometheus there, on this machine only.")
@click.option("--alert-token", metavar="REFERENCE", help="env:NAME, file:PATH or command:LINE; see below.")
def command(metrics: str | None, alert_token: str | None, *, until_idle: bool) -> int:
    """Drive every open launch, until told to stop (SIGTERM, Ctrl-C).

    It also takes the backups and restore tests that a service's plan asks for, while no launch has the
    database; not with --until-idle.

    Stopping the agent loses nothing: launches stay where they are, the router falls back to the stable
    slot when a candidate is on trial, and the next agent goes on.

    With --metrics, GET /metrics answers Prometheus. With --alert-token too, POST /alerts takes in what an
    Alertmanager tells, which must carry that bearer token.
    """
    from tminus.cli.agent_endpoint import open_endpoint

    home = open_home()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with only_agent(home), open_endpoint(home, metrics, alert_token):
        Agent(home, stop, until_idle=until_idle).run()
    return 0


@contextmanager
def only_agent(home: Home) -> Iterator[None]:
    """Holds the agent's lock.

    Raises:
        ProblemError: `agent-running`.
    """
    home.make()
    with (home.root / "agent.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProblemError(
                Problem("agent-running", "an agent drives this home already", str(home.root), "", "")
            ) from error
        yield


def agent_runs(home: Home) -> bool:
    """Whether an agent holds the lock of this home."""
    path = home.root / "agent.lock"
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def agent_socket(home: Home) -> Path:
    """Where the agent listens for new launches."""
    return home.root / "drivers" / "agent.sock"


def spawn_agent(home: Home) -> None:
    """Starts an agent that outlives this command and ends when no launch is open."""
    with (home.root / "agent.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tminus.cli.main", "agent", "--until-idle"],
            env={**home.environment, "TMINUS_HOME": str(home.root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


class Agent:
    """Keeps one driver thread per open launch."""

    def __init__(self, home: Home, stop: threading.Event, *, until_idle: bool) -> None:
        """See the class."""
        self._home = home
        self._stop = stop
        self._until_idle = until_idle
        self._threads: dict[str, threading.Thread] = {}
        self._given_up: set[str] = set()

    def run(self) -> None:
        """Until stopped, or until idle where that was asked for."""
        path = agent_socket(self._home)
        wake = self._listen(path)
        clock = SystemClock(wake)
        self._say("agent started")
        self._revive()
        if not self._until_idle:
            self._threads["upkeep"] = threading.Thread(target=self._keep_up, name="upkeep", daemon=True)
            self._threads["upkeep"].start()
        try:
            while not self._stop.is_set():
                rows = [row for row in self._open() if row.launch not in self._given_up]
                for row in rows:
                    self._care(row)
                if self._until_idle and not rows:
                    return
                clock.wait_ms(LOOK_EVERY_MS)
        finally:
            self._stop.set()
            for thread in self._threads.values():
                thread.join(STOP_LIMIT_S)
            if wake is not None:
                wake.close()
                path.unlink(missing_ok=True)
            self._say("agent stopped")

    def _revive(self) -> None:
        """Starts supervisors that a restart of the machine has ended; each brings its service back."""
        seen = {(row.service, row.environment) for row in self._rows()}
        for service, environment in sorted(seen):
            supervisor = self._home.supervisor(service, environment)
            try:
                if supervisor.remembers():
                    supervisor.ensure_running()
            except PortFault as fault:
                self._say(f"{service} in {environment}: {fault}")

    def _listen(self, path: Path) -> socket.socket | None:
        try:
            return open_wake_socket(path)
        except OSError as error:
            self._say(f"new launches are seen half a second later: no socket at {path}: {error}")
            return None

    def _open(self) -> list[LaunchRow]:
        return [row for row in self._rows() if row.open]

    def _rows(self) -> list[LaunchRow]:
        try:
            return list(self._home.store.book.launches())
        except PortFault as fault:
            self._say(f"the journal does not answer: {fault}")
            return []

    def _care(self, row: LaunchRow) -> None:
        thread = self._threads.get(row.launch)
        if thread is not None and thread.is_alive():
            return
        thread = threading.Thread(target=self._drive, args=(row,), name=row.launch, daemon=True)
        self._threads[row.launch] = thread
        thread.start()

    def _drive(self, row: LaunchRow) -> None:
        self._say(f"{row.launch}: driving")
        driving = Driving(self._home, row, on_defect=self._say, stopped=self._stop.is_set)
        try:
            state = driving.run()
        except (ProblemError, PortFault, UnknownEventError) as error:
            self._given_up.add(row.launch)
            self._say(f"{row.launch}: refused to act\n{error}")
            return
        self._say(f"{row.launch}: {'released' if state is None else state.phase.value}")

    def _keep_up(self) -> None:
        """Backups and restore tests by schedule, for as long as this agent is there."""
        Schedules(self._home, self._rows, self._say).run(self._stop)

    def _say(self, text: str) -> None:
        click.echo(f"{format_utc(SystemClock().now_ms())} {text}")
