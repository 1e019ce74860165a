"""The router: routes written under a fence and read back, slots admitted, counters read, HAProxy hosted."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tminus.adapters.haproxy import console, counting, files, trust
from tminus.adapters.haproxy.console import Console, Probe
from tminus.adapters.haproxy.launcher import Launcher
from tminus.adapters.router import route_text
from tminus.adapters.router.fence import Fence, Held
from tminus.adapters.router.files import write_durably
from tminus.domain.launch.reading import RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import ClassCounts, Counts, Sample
from tminus.ports.fault import Refused, Unavailable, Unknown
from tminus.ports.router import Hosting
from tminus.ports.supervision import ListeningSockets, Supervision

_AGREEMENT_ATTEMPTS = 3  # a write between two questions explains one disagreement, not three


class HaproxyRouter:
    """Implements `Router`. Calls take about a second at most, but for `host`."""

    def __init__(
        self, supervision: Supervision, sockets: ListeningSockets, directory: Path, name: str = "router"
    ) -> None:
        """See the class.

        Args:
            supervision: of this service and environment.
            sockets: of the same supervisor.
            directory: configuration, committed route and sockets; one per service and environment.
            name: of the program and the socket under the supervisor.
        """
        self._directory = directory.absolute()
        self._console = Console(self._directory)
        self._fence = Fence(self._directory)
        self._launcher = Launcher(supervision, sockets, self._directory, name, self._console)
        self._counted: dict[tuple[Slot, int, str], Counts] = {}

    def write_route(self, route: Route) -> None:
        """See `Routing.write_route`."""
        with self._fence.held() as held:
            self._refuse_stale(route, held)
            self._put_in_force(route, held)

    def commit_route(self, route: Route) -> None:
        """See `Routing.commit_route`."""
        with self._fence.held() as held:
            self._refuse_stale(route, held)
            text = f"{files.KEY} {route_text.to_text(route)}\n"
            write_durably(self._directory / files.ROUTE_MAP, text)
            try:
                self._put_in_force(route, held)
            except Unavailable as fault:
                raise Unknown(fault.code, f"committed, but not known to be in force: {fault.why}") from fault

    def read_router(self) -> RouterReading:
        """See `Routing.read_router`. Memory and the rules themselves must say the same."""
        disagreement = ""
        for _ in range(_AGREEMENT_ATTEMPTS):
            text = self._console.route()
            probe = self._console.probe()
            if probe.route == text:
                return self._reading(_route(text), probe)
            disagreement = f"the map says {text}, and the rules follow {probe.route}"
        raise Unavailable("router-disagrees", disagreement)

    def renew_lease(self, route: Route) -> None:
        """See `Leasing.renew_lease`. A lease that has lapsed stays lapsed until a route is written."""
        key = route_text.trial_of(route)
        table = "st_short" if route.watch is Watch.SHORT else "st_patient"
        if key in console.table_keys(self._console.read(f"show table {table} key {key}")):
            try:
                answer = self._console.write(*_leases(route))
            except Unknown as fault:
                raise Unavailable(fault.code, fault.why) from fault
            if answer.strip():
                raise Unavailable("router-unexpected", f"HAProxy said {answer.strip()!r}")

    def admit_slot(self, slot: Slot) -> None:
        """See `Draining.admit_slot`. Its instances are down until their checks have succeeded."""
        with self._fence.held():
            self._launcher.admit(self._launcher.admitted() | {slot})
            rows = self._console.servers()
            names = [
                row["svname"] for row in rows if _is_own(row, slot) and row["status"].startswith("MAINT")
            ]
            # HAProxy believes a server up that comes out of maintenance; nothing is up before it is proven.
            self._command(
                *_last_resort(rows, slot, "ready"),
                *(
                    command
                    for name in names
                    for command in (
                        f"set server be_{slot}/{name} state ready",
                        f"set server be_{slot}/{name} health down",
                    )
                ),
            )

    def expel_slot(self, slot: Slot) -> None:
        """See `Draining.expel_slot`. The net behind the other slot follows, since it tracks these servers."""
        with self._fence.held():
            self._launcher.admit(self._launcher.admitted() - {slot})
            rows = self._console.servers()
            own = [row["svname"] for row in rows if _is_own(row, slot)]
            self._command(
                *_last_resort(rows, slot, "maint"),
                *(f"set server be_{slot}/{name} state maint" for name in own),
            )

    def cut_slot(self, slot: Slot, route_class: str = "") -> int:
        """See `Draining.cut_slot`."""
        rows = [
            row
            for row in self._console.servers()
            if _slot_of(row) is slot and int(row["scur"]) and route_class in ("", _class_of(row))
        ]
        self._command(*(f"shutdown sessions server {row['pxname']}/{row['svname']}" for row in rows))
        return sum(int(row["scur"]) for row in rows)

    def read_counters(self, at_ms: int) -> Sample:
        """See `Counters.read_counters`."""
        counted = counting.class_counts(self._console.read("show table st_class"))
        entries = tuple(self._never_falling(entry) for entry in counted)
        self._counted = {_key(entry): entry.counts for entry in entries}
        return Sample(at_ms, entries)

    def read_replayed(self) -> int:
        """See `Counters.read_replayed`."""
        slots = {f"be_{last}{slot}" for slot in Slot for last in ("", "last_")}
        rows = [row for row in self._console.backends() if row["pxname"].partition(".")[0] in slots]
        return sum(int(row["wretr"]) + int(row["wredis"]) for row in rows)

    def host(self, hosting: Hosting) -> None:
        """See `RouterHosting.host`. Waits until HAProxy answers with `hosting`, at most some seconds."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fence.prepare()
        with self._fence.held():
            if self._launcher.running_digest() == hosting.digest:
                return
            self._launcher.run(hosting)
        self._launcher.wait_until_running(hosting.digest)

    def unhost(self) -> None:
        """See `RouterHosting.unhost`. The committed route stays for the next time."""
        self._launcher.stop()

    def _refuse_stale(self, route: Route, held: Held) -> None:
        in_force = max(held.epoch(), _route(self._console.route()).epoch, self._committed().epoch)
        if route.epoch < in_force:
            raise Refused("stale-epoch", f"epoch {in_force} has written, {route.epoch} may not any more")
        if not held.alone and route.epoch == in_force:
            raise Unavailable("fence-busy", "another writer of the same epoch is at it")

    def _put_in_force(self, route: Route, held: Held) -> None:
        text = route_text.to_text(route)
        held.raise_to(route.epoch)
        # One piece: there is no moment at which the route is watched and the lease not granted.
        answer = self._console.write(
            *(_leases(route) if route.watch else ()),
            f"set map {files.ROUTE_MAP} {files.KEY} {text}",
            f"show map {files.ROUTE_MAP}",
        )
        if console.route_in(answer) != text:
            raise Unknown("router-unexpected", f"HAProxy said {answer.strip()[:200]!r}")

    def _reading(self, route: Route, probe: Probe) -> RouterReading:
        rows = self._console.servers()
        own = {slot: [row for row in rows if _is_own(row, slot)] for slot in Slot}
        return RouterReading(
            route=route,
            committed=self._committed(),
            distrust=trust.distrust(route, probe),
            up={slot: sum(row["status"].startswith("UP") for row in own[slot]) for slot in Slot},
            in_flight={slot: sum(int(row["scur"]) for row in rows if _slot_of(row) is slot) for slot in Slot},
            apart={slot: _apart(rows, slot) for slot in Slot},
            admitted=frozenset(
                slot for slot in Slot if any(not row["status"].startswith("MAINT") for row in own[slot])
            ),
            hosting=probe.hosting,
        )

    def _committed(self) -> Route:
        path = self._directory / files.ROUTE_MAP
        try:
            key, _, text = path.read_text(encoding="utf-8").strip().partition(" ")
        except OSError as error:
            raise Unavailable("router-not-hosted", f"{path}: {error.strerror}") from error
        if key != files.KEY:
            raise Unavailable("route-unreadable", f"{path} holds no route")
        return _route(text)

    def _command(self, *commands: str) -> None:
        if not commands:
            return
        answer = self._console.write(*commands)
        if answer.strip():
            raise Unknown("router-unexpected", f"HAProxy said {answer.strip()[:200]!r}")

    def _never_falling(self, entry: ClassCounts) -> ClassCounts:
        """Failures as a counter: an answer that is still being sent hides an unanswered request meanwhile."""
        before = self._counted.get(_key(entry), Counts())
        if entry.counts.requests < before.requests or entry.counts.failures >= before.failures:
            return entry
        return replace(entry, counts=replace(entry.counts, failures=before.failures))


def _key(entry: ClassCounts) -> tuple[Slot, int, str]:
    return entry.slot, entry.generation, entry.route_class


def _route(text: str) -> Route:
    try:
        return route_text.from_text(text)
    except ValueError as error:
        raise Unavailable("route-unreadable", f"{text!r} is no route: {error}") from error


def _leases(route: Route) -> tuple[str, str]:
    key = route_text.trial_of(route)
    return (
        f"set table st_short key {key} data.server_id 1",
        f"set table st_patient key {key} data.server_id 1",
    )


def _last_resort(rows: Iterable[dict[str, str]], slot: Slot, state: str) -> list[str]:
    """Commands for the slot's last resort, which a router that was started by an older release lacks."""
    names = [row["svname"] for row in rows if row["pxname"] == f"be_last_{slot}"]
    return [f"set server be_last_{slot}/{name} state {state}" for name in names]


def _is_own(row: dict[str, str], slot: Slot) -> bool:
    return row["pxname"] == f"be_{slot}" and row["svname"].startswith(slot.value)


def _class_of(row: dict[str, str]) -> str:
    """The class whose backend this is, empty for the one that the others share."""
    return row["pxname"].partition(".")[2]


def _apart(rows: list[dict[str, str]], slot: Slot) -> dict[str, int]:
    counted: dict[str, int] = {}
    for row in rows:
        name = _class_of(row)
        if name and _slot_of(row) is slot:
            counted[name] = counted.get(name, 0) + int(row["scur"])
    return counted


def _slot_of(row: dict[str, str]) -> Slot | None:
    """The slot whose instance this is, in its own place, as the other's net or as the last resort."""
    name = row["svname"].removeprefix("net_").removeprefix("last_")
    return next((slot for slot in Slot if name.startswith(slot.value)), None)
