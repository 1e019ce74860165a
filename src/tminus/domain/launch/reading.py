"""What was seen of the world in one tick. Readings say nothing about what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tminus.domain.canonical import Json
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot


@dataclass(frozen=True, slots=True)
class InstanceReading:
    """One instance of a slot, asked directly and not through the router.

    Attributes:
        name: unique in the service, for example `green-2`.
        address: host:port where it answers.
        alive: its process runs.
        healthy: its health path answered 200 within the probe's time limit.
        restarts: how often it was started again since the slot was started.
    """

    name: str
    address: str
    alive: bool
    healthy: bool
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """One background worker of a slot, which listens nowhere and so has no health.

    Attributes:
        name: unique in the service, for example `green-worker-mail-1`.
        alive: its process runs.
        restarts: how often it was started again since the slot was started.
    """

    name: str
    alive: bool
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class SlotReading:
    """A slot of the service: what it holds and how its instances are.

    Attributes:
        slot: which.
        digest: artifact the slot was started with, None when it is down.
        expected: instances that should run; 0 when the slot is down.
        instances: those that exist, running or not.
        external: the instances were adopted; tminus neither starts nor stops them.
        workers: those that exist, running or not; neither expected nor healthy counts them.
    """

    slot: Slot
    digest: str | None = None
    expected: int = 0
    instances: tuple[InstanceReading, ...] = ()
    external: bool = False
    workers: tuple[WorkerReading, ...] = ()

    @property
    def healthy(self) -> int:
        """Instances that answer their health path."""
        return sum(instance.healthy for instance in self.instances)

    @property
    def up(self) -> bool:
        """All expected instances are healthy, and there is at least one."""
        return self.expected > 0 and self.healthy >= self.expected

    @property
    def down(self) -> bool:
        """Nothing of the slot runs, workers included: they write to the same database."""
        alive = any(instance.alive for instance in self.instances) or any(w.alive for w in self.workers)
        return self.expected == 0 and not alive

    @property
    def restarts(self) -> int:
        """Restarts of all instances and workers together since the slot was started.

        Workers count, since a candidate whose worker cannot stay up is a candidate that cannot stay up.
        """
        return sum(i.restarts for i in self.instances) + sum(worker.restarts for worker in self.workers)


class Distrust(StrEnum):
    """Why a router no longer sends requests to the candidate it was told to try."""

    NONE = ""
    ERRORS = "errors"
    SLOW = "slow"
    DOWN = "down"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class RouterReading:
    """What the router routes now, read back from itself.

    Attributes:
        route: the route in force in the router's memory.
        committed: the route it would start with.
        distrust: set when the candidate's share goes to live instead, whatever `route` says.
        up: instances per slot that the router considers able to serve.
        in_flight: requests and connections per slot that have not ended.
        apart: of these, those of the route classes that the router can end by themselves.
        admitted: slots that the router may send requests to at all, its net included.
        hosting: digest of the hosting configuration that the running router was started with.
    """

    route: Route
    committed: Route
    distrust: Distrust = Distrust.NONE
    up: Mapping[Slot, int] = field(default_factory=dict)
    in_flight: Mapping[Slot, int] = field(default_factory=dict)
    apart: Mapping[Slot, Mapping[str, int]] = field(default_factory=dict)
    admitted: frozenset[Slot] = frozenset()
    hosting: str = ""

    def serves_bp(self, slot: Slot) -> int:
        """Basis points that `slot` receives now, distrust included (the net behind a slot is not)."""
        if self.distrust is Distrust.NONE:
            return self.route.share_bp(slot)
        return 10_000 if slot is self.route.live else 0


class JobPhase(StrEnum):
    """Where a job stands. `LOST` is a job that was started and left neither a process nor an outcome."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class JobReading:
    """One job, by the key it was started under.

    `result` is the job's own JSON answer when done; `progress` the newest that it has told while it runs;
    `code` and `why` tell why it failed.
    """

    key: str
    phase: JobPhase
    result: Json = None
    code: str = ""
    why: str = ""
    progress: Json = None


@dataclass(frozen=True, slots=True)
class FaultReading:
    """A source that could not be read in this tick: an observation too, never an exception."""

    source: str
    code: str
    why: str
