"""Where instances of a service run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.launch.reading import SlotReading
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.image import Container


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A background worker of a slot: a command that listens nowhere, and how many of it run.

    It runs in the artifact with the environment of the slot, without PORT; `TMINUS_WORKER` holds its name.
    """

    name: str
    command: tuple[str, ...]
    instances: int = 1


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """What a slot should run.

    Attributes:
        digest: of the artifact, which the runtime finds by it.
        command: argument vector with `{port}` still in it.
        environment: complete environment of an instance but PORT; secret values included, so a spec is
            never logged or journalled.
        instances: how many.
        health_path: answers 200 when ready.
        stop_grace_ms: between SIGTERM and SIGKILL.
        workers: started and stopped with the slot, restarted like its instances and their restarts counted
            with theirs; otherwise not counted among them.
        container: runs them in containers of the artifact's image; None for processes.
    """

    digest: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    instances: int
    health_path: str
    stop_grace_ms: int
    workers: tuple[WorkerSpec, ...] = ()
    container: Container | None = None

    def __repr__(self) -> str:
        """Leaves the environment out: it may hold secrets."""
        return f"SlotSpec(digest={self.digest!r}, command={self.command!r}, instances={self.instances})"


class Runtime(Protocol):
    """Starts and stops slots of one service in one environment.

    Calls return at once; readings tell when it has come about.
    """

    def start_slot(self, slot: Slot, spec: SlotSpec) -> None:
        """Runs `spec` in `slot`.

        Idempotent: nothing happens where the slot already runs that digest and count; a slot that holds
        another digest is refused (`slot-occupied`).

        Raises:
            Refused: the artifact is missing, the slot is occupied, the command cannot be run.
            Unavailable: nobody answers.
            Unknown: it may have been started.
        """
        ...

    def stop_slot(self, slot: Slot) -> None:
        """Stops every instance and worker of `slot`: SIGTERM, the grace, SIGKILL to the group. Idempotent.

        An external slot is forgotten, its instances go on.

        Raises:
            Unavailable: nobody answers.
            Unknown: it may have been stopped.
        """
        ...

    def read_slots(self) -> Mapping[Slot, SlotReading]:
        """Both slots, each instance probed on its health path now, all within one second.

        Raises:
            Unavailable: nobody answers.
        """
        ...


class Adoption(Protocol):
    """Takes instances into a slot that somebody else runs."""

    def adopt_slot(self, slot: Slot, addresses: Sequence[str], digest: str, health_path: str) -> None:
        """Reads `slot` from now on as external instances at `addresses` (host:port). Idempotent.

        Raises:
            Refused: `slot-occupied`, the slot holds something else.
            Unavailable: nobody answers.
        """
        ...


class Addressing(Protocol):
    """Where instances answer, known before they run."""

    def addresses(self, instances: int, hosts: Sequence[str] = ()) -> Mapping[Slot, tuple[str, ...]]:
        """host:port of every instance of both slots, the same at every call; an external slot's own.

        `hosts` are the machines over which the instances of an empty slot will be spread by turns, this one
        when none is named.

        Raises:
            Unavailable: they cannot be reserved now.
        """
        ...
