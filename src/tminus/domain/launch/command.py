"""Commands: what the engine wants done, as values. Each is one call through one port."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot


@dataclass(frozen=True, slots=True)
class HostRouter:
    """Run the router with the hosting configuration of this digest."""

    kind: ClassVar[str] = "host-router"
    hosting: str

    def text(self) -> str:
        """For the log."""
        return "host the router"


@dataclass(frozen=True, slots=True)
class StartSlot:
    """Start the artifact of this digest in the slot."""

    kind: ClassVar[str] = "start-slot"
    slot: Slot
    digest: str

    def text(self) -> str:
        """For the log."""
        return f"start {self.slot.value}"


@dataclass(frozen=True, slots=True)
class StopSlot:
    """Stop every instance of the slot."""

    kind: ClassVar[str] = "stop-slot"
    slot: Slot

    def text(self) -> str:
        """For the log."""
        return f"stop {self.slot.value}"


@dataclass(frozen=True, slots=True)
class AdmitSlot:
    """Let the router send requests to the slot."""

    kind: ClassVar[str] = "admit-slot"
    slot: Slot

    def text(self) -> str:
        """For the log."""
        return f"admit {self.slot.value}"


@dataclass(frozen=True, slots=True)
class ExpelSlot:
    """Keep new requests from the slot."""

    kind: ClassVar[str] = "expel-slot"
    slot: Slot

    def text(self) -> str:
        """For the log."""
        return f"expel {self.slot.value}"


@dataclass(frozen=True, slots=True)
class CutSlot:
    """End what is still in flight on the slot: everything, or only requests of one route class."""

    kind: ClassVar[str] = "cut-slot"
    slot: Slot
    route_class: str = ""

    def text(self) -> str:
        """For the log."""
        return f"cut {self.route_class or 'what is left'} on {self.slot.value}"


@dataclass(frozen=True, slots=True)
class WriteRoute:
    """Put the route in force."""

    kind: ClassVar[str] = "write-route"
    route: Route

    def text(self) -> str:
        """For the log."""
        return f"route {self.route.text()}"


@dataclass(frozen=True, slots=True)
class CommitRoute:
    """Make the route the one a restarted router begins with."""

    kind: ClassVar[str] = "commit-route"
    route: Route

    def text(self) -> str:
        """For the log."""
        return f"commit {self.route.text()}"


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Tell the router that the controller of this route lives. Never journalled."""

    kind: ClassVar[str] = "renew-lease"
    route: Route

    def text(self) -> str:
        """For the log."""
        return "renew the lease"


@dataclass(frozen=True, slots=True)
class StartJob:
    """Start long work. `arguments` is canonical JSON without secret values."""

    kind: ClassVar[str] = "start-job"
    key: str
    work: str
    arguments: Any
    deadline_ms: int

    def text(self) -> str:
        """For the log."""
        return f"start {self.work}"


@dataclass(frozen=True, slots=True)
class StopJob:
    """Ask a job to end."""

    kind: ClassVar[str] = "stop-job"
    key: str

    def text(self) -> str:
        """For the log."""
        return f"stop {self.key}"


Command = (
    HostRouter
    | StartSlot
    | StopSlot
    | AdmitSlot
    | ExpelSlot
    | CutSlot
    | WriteRoute
    | CommitRoute
    | RenewLease
    | StartJob
    | StopJob
)
