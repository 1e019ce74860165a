"""A tiny process supervisor: programs that outlive whoever asked for them, and a listening socket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.plan.image import HOST_NETWORK, Container


@dataclass(frozen=True, slots=True)
class Housing:
    """The container that a program runs in.

    Attributes:
        container: limits, network and the port inside.
        engine: of the machine it runs on; empty for this machine's own.
        address: of that machine, where the port is published.
        port: published there; 0 for a program that listens nowhere.
    """

    container: Container
    engine: str
    address: str
    port: int = 0

    @property
    def inside(self) -> int:
        """Where the program itself listens."""
        return self.port if self.container.network == HOST_NETWORK else self.container.port


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A program to keep running.

    Attributes:
        name: unique under the supervisor.
        argv: argument vector; `{fd}` becomes the number of the inherited listening socket; an argument that
            is exactly `{pid}` becomes those of predecessors that still run, and is left out without any.
        environment: complete environment; `{fd}` in a value is replaced too where `socket` is set.
        directory: working directory.
        log: file that receives standard output and error, appended.
        restart: start it again when it ends by itself.
        socket: name of a held listening socket that it inherits, or empty.
        stop_grace_ms: between SIGTERM and SIGKILL of its group.
        housing: runs it in a container of the image that `directory` stands for; None for a process.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    log: str
    restart: bool
    socket: str = ""
    stop_grace_ms: int = 10_000
    housing: Housing | None = None

    def __repr__(self) -> str:
        """Leaves the environment out: it may hold secrets."""
        return f"ProgramSpec(name={self.name!r}, argv={self.argv!r})"


@dataclass(frozen=True, slots=True)
class ProgramReading:
    """A program under supervision; pid 0 when it does not run."""

    name: str
    pid: int
    restarts: int
    started_ms: int


class Supervision(Protocol):
    """The supervisor of one service and environment."""

    def keep(self, programs: Sequence[ProgramSpec]) -> None:
        """Runs these programs and keeps them running.

        Programs of the same name and specification are left alone; one of the same name with another
        specification is refused (`program-differs`).

        Raises:
            Refused: `program-differs`, `command-not-found`.
            Unavailable: the supervisor does not answer, its disk is full (`disk-full`), or a program of that
                name is still being stopped (`program-stopping`).
            Unknown: they may run.
        """
        ...

    def drop(self, names: Sequence[str]) -> None:
        """Stops these programs for good. Returns at once; readings tell when they are gone."""
        ...

    def programs(self) -> Mapping[str, ProgramReading]:
        """All programs by name, those being stopped included until they are gone."""
        ...


class ListeningSockets(Protocol):
    """Sockets that stay open whatever becomes of the programs that accept from them."""

    def hold_socket(self, name: str, host: str, port: int) -> None:
        """Binds and listens, or does nothing where it already does.

        Under another address than before, the new socket takes the name over; programs that inherited
        the old one keep it.

        Raises:
            Refused: `port-taken`, `port-forbidden`, `address-unknown`.
            Unavailable: the supervisor does not answer.
        """
        ...

    def release_socket(self, name: str) -> None:
        """Closes the supervisor's own copy, so that nobody waits where no program serves. Idempotent.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        ...

    def replace(self, program: ProgramSpec) -> None:
        """Starts `program` beside its predecessor of the same name, and keeps it instead.

        The predecessor is told by its successor to finish.

        Raises:
            Unavailable: the supervisor does not answer.
            Unknown: it may have been replaced.
        """
        ...
