"""A stand: the whole of tminus on its real parts in one folder, with the sample service and load on it.

Nothing here decides what is right; a story, a benchmark or a sweep does. Whatever a stand started is stopped
by its process number when it closes, also after a failure.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tminus.adapters.clock.system_clock import SystemClock, poke
from tminus.adapters.database.store import Store
from tminus.adapters.git.git_releases import GitReleases
from tminus.adapters.seal.head import HeadSeal
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.adapters.ssh.check import SshSignatures
from tminus.adapters.supervisor.client import Supervisor
from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.reading import RouterReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.engine.drive import fold_launch
from tminus.engine.open import Request, open_launch, with_repository
from tminus.plan.load import load_plan
from tminus.plan.policy_chain import load_offer
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow, Order, Record
from tminus.ports.router import Router
from tminus.testing.sample import BRISK, Sample
from tminus.testing.traffic import LOCAL, Load, free_port, processes_of

ENVIRONMENT = "production"
WAIT_LIMIT_S = 40.0
"""Longest wait: a launch of a stand takes ten seconds, and twenty on a busy machine."""

LOOK_EVERY_MS = 10
COMMAND_LIMIT_S = 60.0
PROGRAM = ("-m", "tminus.cli.main")
STOP_LIMIT_S = 10.0


class Home(Protocol):
    """What a stand needs of the composition root."""

    @property
    def root(self) -> Path:
        """The folder of everything that is kept."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Of this process."""
        ...

    @property
    def store(self) -> Store:
        """The journal and what stands beside it."""
        ...

    @property
    def seal(self) -> HeadSeal:
        """Of the journal's heads."""
        ...

    def supervisor(self, service: str, environment: str) -> Supervisor:
        """The supervisor of a service."""
        ...

    def router(self, service: str, environment: str) -> Router:
        """The router of a service."""
        ...

    def driver_socket(self, launch: str) -> Path:
        """Where the driver of a launch listens for orders."""
        ...

    def close(self) -> None:
        """Closes the journal."""
        ...


class NotReachedError(AssertionError):
    """Something did not come about in time; the text tells what was seen instead."""


class Stand:
    """One service on its real parts: journal, agent, supervisor, router, instances.

    Args:
        home: of the composition root, in a folder of its own under `directory`.
        directory: short enough for sockets in it; made here, and removed when the stand closes.
        sample: the folder of the sample service with its `make_repository.py`.
        brisk: laid over the sample's plan.
        kind: of the sample; `Sample` itself is the one without a database.
    """

    def __init__(
        self,
        home: Home,
        directory: Path,
        sample: Path,
        brisk: Mapping[str, Any] = BRISK,
        kind: type[Sample] = Sample,
    ) -> None:
        """Makes the repository; starts nothing."""
        self.home = home
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clock = SystemClock()
        self.port = free_port()
        self.sample = kind(self.directory, sample, self.port, brisk)
        self.service = kind.service
        self._children: list[subprocess.Popen[bytes]] = []
        self._agents: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """Of the router."""
        return f"http://{LOCAL}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What commands of this stand run with."""
        return {**self.home.environment, "TMINUS_HOME": str(self.home.root), "PYTHONDONTWRITEBYTECODE": "1"}

    # Launches and orders.

    def enter(self) -> LaunchRow:
        """Enters a launch of what the repository holds now, and tells the agent where one runs.

        Raises:
            ProblemError: everything that stands against it.
        """
        loaded = load_plan(self.sample.repository / "launch.yaml")
        plan = with_repository(loaded.plan, loaded.directory)
        polling = plan.polling
        policy = None if polling is None else load_offer(loaded.directory / polling.policy)
        store = self.home.store
        row = open_launch(
            Request(plan, loaded.digest, "stand", self.clock.now_ms(), policy=policy),
            store.journal,
            store.shelf,
            store.book,
            GitReleases(self.sample.repository, self.environment),
            ReferenceSecrets(self.environment, self.sample.repository),
            SshSignatures(),
        )
        poke(self.home.root / "drivers" / "agent.sock")
        return row

    def serve(self, version: str = "1.1.1") -> None:
        """Has a first release serve: a first launch under light load, driven by an agent of its own."""
        self.start_agent()
        # To have it serve is not what is measured: a slow moment of the machine must not take it back.
        lenient = [{"error_rate": "50 %", "over": "2s", "min_requests": 5, "then": "rollback"}]
        self.sample.release(version, {"shift": "at-once", "triggers": lenient})
        row = self.enter()
        self.wait(lambda: self.reading().route.live is not None, "the router, with something behind it")
        with self.load(100, run="first"):
            state = self.wait_end(row.launch)
        assert state.outcome == "promoted", state.phase_why
        self.end_agents()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a verb of `tminus` in the repository, and returns when it has ended."""
        return subprocess.run(
            [sys.executable, *PROGRAM, *arguments],
            cwd=self.sample.repository,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_LIMIT_S,
        )

    def post(self, launch: str, *verbs: str, argument: str = "", reason: str = "") -> None:
        """Puts orders into the inbox, in this order, whether anybody listens or not."""
        for verb in verbs:
            number = len(self.home.store.inbox.orders(launch))
            now_ms = self.clock.now_ms() + number  # taken oldest first
            order = Order(f"{now_ms}-{number}-{verb}", verb, "stand", reason, now_ms, argument)
            self.home.store.inbox.post(launch, order)

    def start(self, *arguments: str, prefix: Sequence[str] = PROGRAM) -> subprocess.Popen[bytes]:
        """Starts a verb of `tminus`, its output in the agent's log; `prefix` names another entry point."""
        with (self.directory / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, *prefix, *arguments],
                cwd=self.sample.repository,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def start_agent(self, *prefix: str) -> subprocess.Popen[bytes]:
        """Starts an agent, by another entry point where `prefix` names one."""
        agent = self.start("agent", prefix=prefix or PROGRAM)
        self._agents.append(agent)
        return agent

    def end_agents(self) -> None:
        """Has every agent of this stand leave; launches stay where they are."""
        for agent in self._agents:
            if agent.poll() is None:
                self.stop_child(agent)
        self._agents.clear()

    def kill_agents(self) -> None:
        """Kills every agent of this stand, as a machine that runs out of memory does."""
        for agent in self._agents:
            self.stop_child(agent, signal.SIGKILL)
        self._agents.clear()

    def agent_log(self) -> str:
        """What agents of this stand have said."""
        path = self.directory / "agent.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    # What is to be seen.

    def records(self, launch: str) -> Sequence[Record]:
        """The journal of a launch."""
        return self.home.store.journal.read(launch)

    def kinds(self, launch: str) -> list[str]:
        """The kinds of its events, in order."""
        return [record.kind for record in self.records(launch)]

    def state(self, launch: str) -> LaunchState:
        """The fold over its journal."""
        return fold_launch(self.home.store.journal, self.home.store.shelf, launch)[0]

    def reading(self) -> RouterReading:
        """What the router says of itself.

        Raises:
            Unavailable: it does not answer.
        """
        return self.home.router(self.service, ENVIRONMENT).read_router()

    def pid(self, name: str) -> int:
        """Process number of `supervisor`, `router` or an instance such as `blue-1`; 0 without one."""
        supervisor = self.home.supervisor(self.service, ENVIRONMENT)
        if not supervisor.running() or name == "supervisor":
            return supervisor.running()
        found = supervisor.programs().get(name)
        return found.pid if found is not None else 0

    def instances(self, slot: Slot) -> dict[str, int]:
        """Process numbers of the slot's living instances, by name."""
        supervisor = self.home.supervisor(self.service, ENVIRONMENT)
        programs = supervisor.programs() if supervisor.running() else {}
        return {
            name: found.pid for name, found in programs.items() if name.startswith(f"{slot}-") and found.pid
        }

    # Waiting.

    def wait(self, condition: Callable[[], bool], what: str, limit_s: float = WAIT_LIMIT_S) -> None:
        """Returns once the condition holds; a fault of a port counts as not yet.

        Raises:
            NotReachedError: it has not come about within the limit.
        """
        until_ms = self.clock.now_ms() + int(limit_s * 1000)
        while True:
            with contextlib.suppress(PortFault):
                if condition():
                    return
            if self.clock.now_ms() >= until_ms:
                raise NotReachedError(f"{what} has not come about within {limit_s} s\n{self._last_words()}")
            self.clock.wait_ms(LOOK_EVERY_MS)

    def wait_phase(self, launch: str, *phases: Phase, limit_s: float = WAIT_LIMIT_S) -> LaunchState:
        """The state once the launch is in one of the phases."""
        self.wait(lambda: self.state(launch).phase in phases, f"{launch} in {phases[0].value}", limit_s)
        return self.state(launch)

    def wait_end(self, launch: str, limit_s: float = WAIT_LIMIT_S) -> LaunchState:
        """The state once the launch has ended and is closed."""
        ended: Callable[[], bool] = lambda: self.state(launch).phase in TERMINAL and self._closed(launch)  # noqa: E731 - said in a line
        self.wait(ended, f"the end of {launch}", limit_s)
        return self.state(launch)

    def _closed(self, launch: str) -> bool:
        return not any(row.open for row in self.home.store.book.launches() if row.launch == launch)

    def _last_words(self) -> str:
        lines = []
        with contextlib.suppress(PortFault):
            for row in self.home.store.book.launches()[-1:]:
                lines = [f"{r.kind} {json.dumps(r.body)[:200]}" for r in self.records(row.launch)[-8:]]
        return "\n".join([*lines, *self.agent_log().splitlines()[-8:]])

    # Load.

    @contextlib.contextmanager
    def load(self, rate_per_s: int = 300, limit_s: int = 120, run: str = "load") -> Iterator[Load]:
        """Load in a process of its own until the block ends: kept and new connections, GET and POST."""
        traffic = Load(self.url, self.directory, rate_per_s, limit_s, run)
        self._children.append(traffic.process)
        try:
            yield traffic
        finally:
            traffic.end()

    # The end.

    def remember(self, child: subprocess.Popen[bytes]) -> None:
        """Has a process that somebody else started end with the stand at the latest."""
        self._children.append(child)

    def stop_child(self, child: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """Signals a process that this stand started, and returns its exit code once it has ended."""
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)
        return child.wait(STOP_LIMIT_S)

    def processes(self) -> dict[int, str]:
        """Every process that belongs to this folder: by working directory, arguments or environment."""
        return processes_of(self.directory)

    def close(self) -> None:
        """Stops everything and removes the folder.

        Raises:
            AssertionError: something is left all the same.
        """
        for child in self._children:
            if child.poll() is None:
                child.kill()
            child.wait(STOP_LIMIT_S)
        with contextlib.suppress(PortFault):
            self.home.supervisor(self.service, ENVIRONMENT).shutdown()
        self.home.close()
        until_ms = self.clock.now_ms() + int(STOP_LIMIT_S * 1000)
        while self.processes():
            late = self.clock.now_ms() > until_ms - int(STOP_LIMIT_S * 500)
            for pid in self.processes() if late else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert self.clock.now_ms() < until_ms, f"still running: {self.processes()}"
            self.clock.wait_ms(LOOK_EVERY_MS * 2)
        shutil.rmtree(self.directory)
        with socket.socket() as caller:
            assert caller.connect_ex((LOCAL, self.port)) != 0, f"somebody listens on {self.port}"

    def __enter__(self) -> Self:
        """The stand itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops everything."""
        self.close()
