"""The router: routes written under a fence and read back, slots admitted, counters read, Traefik hosted."""

from dataclasses import replace
from pathlib import Path

from tminus.adapters.router.connections import Open, cut, open_connections
from tminus.adapters.router.fence import Fence, Held
from tminus.adapters.traefik import counting
from tminus.adapters.traefik.config import Standing
from tminus.adapters.traefik.control import Control, Truth
from tminus.adapters.traefik.launcher import Launcher
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import Traffic
from tminus.domain.watch.counts import Sample
from tminus.ports.fault import Refused, Unavailable, Unknown
from tminus.ports.router import Hosting
from tminus.ports.supervision import ListeningSockets, Supervision


class TraefikRouter:
    """Implements `Router` without a breaker and a lease. Calls take two seconds at most, but for `host`."""

    def __init__(
        self, supervision: Supervision, sockets: ListeningSockets, directory: Path, name: str = "router"
    ) -> None:
        """See the class.

        Args:
            supervision: of this service and environment.
            sockets: of the same supervisor.
            directory: configuration and committed route; one per service and environment.
            name: of the program and the socket under the supervisor.
        """
        self._directory = directory.absolute()
        self._control = Control(self._directory)
        self._fence = Fence(self._directory)
        self._launcher = Launcher(supervision, sockets, self._directory, name, self._control)

    def write_route(self, route: Route) -> None:
        """See `Routing.write_route`."""
        with self._fence.held() as held:
            truth = self._refuse_stale(route, held)
            self._put_in_force(route, truth, held)

    def commit_route(self, route: Route) -> None:
        """See `Routing.commit_route`."""
        with self._fence.held() as held:
            truth = self._refuse_stale(route, held)
            self._launcher.commit(Standing(self._launcher.hosting(), truth.admitted, route))
            try:
                self._put_in_force(route, truth, held)
            except Unavailable as fault:
                raise Unknown(fault.code, f"committed, but not known to be in force: {fault.why}") from fault

    def read_router(self) -> RouterReading:
        """See `Routing.read_router`. One answer of Traefik's: it follows the route that it tells."""
        truth = self._control.truth()
        in_flight = dict.fromkeys(Slot, 0)
        for connection in self._open():
            in_flight[connection.slot] += 1
        return RouterReading(
            route=truth.route,
            committed=self._launcher.committed().route,
            distrust=_distrust(truth),
            up=truth.up,
            in_flight={slot: 0 if self._given_up(slot).exists() else in_flight[slot] for slot in Slot},
            admitted=truth.admitted,
            hosting=truth.hosting,
        )

    def renew_lease(self, route: Route) -> None:
        """Does nothing: this router has no lease, and its capabilities say so."""

    def admit_slot(self, slot: Slot) -> None:
        """See `Draining.admit_slot`. Its instances count as up until a check of theirs has failed."""
        self._given_up(slot).unlink(missing_ok=True)
        self._admit(slot, wanted=True)

    def expel_slot(self, slot: Slot) -> None:
        """See `Draining.expel_slot`."""
        self._admit(slot, wanted=False)

    def cut_slot(self, slot: Slot, route_class: str = "") -> int:
        """See `Draining.cut_slot`. Classes are not told apart.

        Where the kernel does not let this user reach into Traefik's connections, they end with the instances:
        the slot counts as empty from here on, so that these are stopped.
        """
        if route_class:
            return 0
        connections = [each for each in self._open() if each.slot is slot]
        left = [each for each in connections if not cut(each)]
        if left:
            self._given_up(slot).touch()
        return len(connections)

    def read_counters(self, at_ms: int) -> Sample:
        """See `Counters.read_counters`."""
        classes = self._launcher.hosting().route_classes
        untimed = {entry.name for entry in classes if entry.traffic is not Traffic.REQUEST}
        return Sample(at_ms, counting.class_counts(self._control.metrics(), untimed))

    def read_replayed(self) -> int:
        """See `Counters.read_replayed`."""
        return counting.replayed(self._control.metrics())

    def host(self, hosting: Hosting) -> None:
        """See `RouterHosting.host`. Waits until Traefik follows `hosting`, at most some seconds."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fence.prepare()
        with self._fence.held():
            if self._launcher.running_digest() != hosting.digest:
                self._launcher.run(hosting)

    def unhost(self) -> None:
        """See `RouterHosting.unhost`. The committed route stays for the next time."""
        self._launcher.stop()

    def _admit(self, slot: Slot, *, wanted: bool) -> None:
        with self._fence.held():
            committed = self._launcher.committed()
            admitted = committed.admitted | {slot} if wanted else committed.admitted - {slot}
            if admitted != committed.admitted:
                self._launcher.commit(replace(committed, admitted=admitted))
            truth = self._control.truth()
            if admitted != truth.admitted:
                self._launcher.follow(Standing(committed.hosting, admitted, truth.route))

    def _refuse_stale(self, route: Route, held: Held) -> Truth:
        truth = self._control.truth()
        in_force = max(held.epoch(), truth.route.epoch, self._launcher.committed().route.epoch)
        if route.epoch < in_force:
            raise Refused("stale-epoch", f"epoch {in_force} has written, {route.epoch} may not any more")
        if not held.alone and route.epoch == in_force:
            raise Unavailable("fence-busy", "another writer of the same epoch is at it")
        return truth

    def _put_in_force(self, route: Route, truth: Truth, held: Held) -> None:
        held.raise_to(route.epoch)
        if truth.route != route:
            self._launcher.follow(Standing(self._launcher.hosting(), truth.admitted, route))

    def _open(self) -> list[Open]:
        """Connections to instances; a router that does not run has none."""
        pid = self._launcher.pid
        return open_connections(pid, self._launcher.hosting().addresses) if pid else []

    def _given_up(self, slot: Slot) -> Path:
        """Stands while connections to a slot that cannot be cut are left to end with it."""
        return self._directory / f"given-up-{slot}"


def _distrust(truth: Truth) -> Distrust:
    """DOWN where a watched candidate has nobody up: its share goes to live until somebody is."""
    route = truth.route
    if route.watch is Watch.NONE or route.candidate is None or truth.up.get(route.candidate, 0):
        return Distrust.NONE
    return Distrust.DOWN
