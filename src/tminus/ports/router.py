"""The data plane: routing, drain, counters and hosting, each a port of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.launch.reading import RouterReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass
from tminus.domain.watch.counts import Sample


@dataclass(frozen=True, slots=True)
class RouterCapabilities:
    """What a router can do, as data, so that an impossible plan is refused when compiled.

    Attributes:
        name: as written in a plan.
        weights: shares other than 0 and 100 %.
        breaker: leaves a failing candidate by itself, and stays away.
        lease: leaves the candidate when the controller falls silent.
        drain: counts what is in flight per slot, and can cut it.
        class_counts: counts per slot and route class.
        apart: tells long requests and classes with a drain of their own apart, and cuts them by themselves.
        sticky: keeps a client on the slot that it was given.
        assets: asks the other slot for a static file that one does not have.
        hosted: tminus runs it, and its socket survives it; else it is somebody else's and stays as it is.
        forgets: a trial is forgotten when it is started again.
        lossless: a write of a route loses no request.
        notes: what one should know before choosing it, in sentences.
    """

    name: str
    weights: bool
    breaker: bool
    lease: bool
    drain: bool
    class_counts: bool
    apart: bool = True
    sticky: bool = True
    assets: bool = True
    hosted: bool = True
    forgets: bool = True
    lossless: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a router must be configured with before traffic moves.

    Attributes:
        digest: of everything else here; read back as `RouterReading.hosting`.
        host: public address to listen on.
        port: public port.
        addresses: instances of both slots as host:port, up or not.
        health_path: how the router checks them.
        route_classes: in order, the first match claims a request.
        drain_ms: how long requests of no class may finish on a slot that traffic has left.
        shift_lease_ms: lease of `Watch.SHORT`.
        bake_lease_ms: lease of `Watch.PATIENT`.
        error_limit_ppm: the breaker's limit on the candidate's failures.
        slow_limit_ms: the breaker's limit on the candidate's answers.
        sticky_cookie: keeps a client on the slot it was given while both serve; empty for none. Who has none
            is given one; while the share grows nobody goes back from the candidate.
        asset_paths: prefixes, in whole segments, of static files that the other slot is asked for when one
            answers 404. Only the last answer counts, and the other slot's failure is a 404.
    """

    digest: str
    host: str
    port: int
    addresses: Mapping[Slot, tuple[str, ...]]
    health_path: str
    route_classes: tuple[RouteClass, ...]
    shift_lease_ms: int
    bake_lease_ms: int
    error_limit_ppm: int
    slow_limit_ms: int
    sticky_cookie: str = ""
    asset_paths: tuple[str, ...] = ()
    drain_ms: int = 30_000


class Routing(Protocol):
    """Says where requests go. A write is atomic and fenced."""

    def write_route(self, route: Route) -> None:
        """Makes `route` the route in force, in memory only.

        A restarted router starts with the committed one. A watched route's lease is granted in the same
        call.

        Raises:
            Refused: `stale-epoch`, a controller with a higher epoch has written before.
            Unavailable: the router does not answer.
            Unknown: it may be in force.
        """
        ...

    def read_router(self) -> RouterReading:
        """What is in force now, asked of the router itself.

        Raises:
            Unavailable: the router does not answer.
        """
        ...

    def commit_route(self, route: Route) -> None:
        """Makes `route` the one that a restarted router starts with (durably), then the one in force.

        Raises:
            Refused: `stale-epoch`.
            Unavailable: the router does not answer, or the disk is full (then nothing changed).
            Unknown: it may be committed.
        """
        ...


class Leasing(Protocol):
    """The controller's sign of life."""

    def renew_lease(self, route: Route) -> None:
        """Extends both leases of the route's candidate and generation.

        Raises:
            Unavailable: the router does not answer.
        """
        ...


class Draining(Protocol):
    """Takes a slot in and out of the router's reach."""

    def admit_slot(self, slot: Slot) -> None:
        """Lets the router send requests to `slot`, as net too. Survives a restart of the router."""
        ...

    def expel_slot(self, slot: Slot) -> None:
        """Keeps every new request from `slot`, also as net. Survives a restart of the router."""
        ...

    def cut_slot(self, slot: Slot, route_class: str = "") -> int:
        """Ends whatever is still in flight on `slot` and returns how many were cut.

        With a class, only its requests end, as far as the router keeps it apart; else none do.
        """
        ...


class Counters(Protocol):
    """What the router has counted."""

    def read_counters(self, at_ms: int) -> Sample:
        """All counters, stamped with the caller's time.

        Raises:
            Unavailable: the router does not answer.
        """
        ...

    def read_replayed(self) -> int:
        """Requests that the net has sent a second time since the router started.

        Raises:
            Unavailable: the router does not answer.
        """
        ...


class RouterHosting(Protocol):
    """Runs the router itself."""

    def host(self, hosting: Hosting) -> None:
        """Runs the router with `hosting`, or reloads it without loss where it runs with another. Idempotent.

        Raises:
            Refused: `port-taken`, or a configuration the router rejects.
            Unavailable: nobody answers.
            Unknown: it may be running.
        """
        ...

    def unhost(self) -> None:
        """Stops the router. Idempotent."""
        ...


class Router(Routing, Leasing, Draining, Counters, RouterHosting, Protocol):
    """A router with every capability; adapters with fewer implement the ports they can."""
