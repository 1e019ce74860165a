"""The router: routes written into nginx's file under a fence, read back, and counted from its log."""

import contextlib
import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from tminus.adapters.nginx import config
from tminus.adapters.nginx.config import Standing
from tminus.adapters.nginx.log import Log
from tminus.adapters.nginx.probe import Truth, ask
from tminus.adapters.router.connections import Open, all_connections, cut
from tminus.adapters.router.fence import Fence, Held
from tminus.adapters.router.files import write_durably
from tminus.adapters.router.route_text import NOWHERE, from_text, to_text
from tminus.domain.codec import from_json, to_json
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import Sample
from tminus.ports.fault import Refused, Unavailable, Unknown
from tminus.ports.router import Hosting

HOSTING = "hosting.json"
COMMITTED = "committed"
COMMAND_LIMIT_S = 10.0
FOLLOW_LIMIT_S = 5.0
SETTLED_S = 0.15  # both generations of workers answer for a tenth of a second
_POLL_S = 0.01
_SAID_BYTES = 500


class NginxRouter:
    """Implements `Router` for an nginx that somebody else runs. A write takes some tenths of a second."""

    def __init__(self, directory: Path, file: Path, reload: tuple[str, ...], test: tuple[str, ...]) -> None:
        """See the class.

        Args:
            directory: of tminus: the committed route, the log, and the socket on which nginx answers.
            file: that nginx includes.
            reload: has nginx read it again.
            test: says whether nginx could.
        """
        self._directory = directory.absolute()
        self._file = file
        self._reload = reload
        self._test = test
        self._fence = Fence(self._directory)
        self._log = Log(self._directory)

    def write_route(self, route: Route) -> None:
        """See `Routing.write_route`. An nginx that is started again follows it too."""
        with self._fence.held() as held:
            truth = self._refuse_stale(route, held)
            self._put_in_force(route, truth, held)

    def commit_route(self, route: Route) -> None:
        """See `Routing.commit_route`."""
        with self._fence.held() as held:
            truth = self._refuse_stale(route, held)
            write_durably(self._directory / COMMITTED, to_text(route))
            try:
                self._put_in_force(route, truth, held)
            except Unavailable as fault:
                raise Unknown(fault.code, f"committed, but not known to be in force: {fault.why}") from fault

    def read_router(self) -> RouterReading:
        """See `Routing.read_router`. Whether instances are up nginx does not tell: those admitted count."""
        truth = ask(self._directory)
        hosting = self._hosting()
        up = {slot: len(hosting.addresses.get(slot, ())) if slot in truth.admitted else 0 for slot in Slot}
        in_flight = dict.fromkeys(Slot, 0)
        for connection in self._open(hosting):
            in_flight[connection.slot] += 1
        return RouterReading(
            route=truth.route,
            committed=self._committed(),
            distrust=_distrust(truth, up),
            up=up,
            in_flight={slot: 0 if self._given_up(slot).exists() else in_flight[slot] for slot in Slot},
            admitted=truth.admitted,
            hosting=truth.hosting,
        )

    def renew_lease(self, route: Route) -> None:
        """Does nothing: this router has no lease, and its capabilities say so."""

    def admit_slot(self, slot: Slot) -> None:
        """See `Draining.admit_slot`."""
        self._given_up(slot).unlink(missing_ok=True)
        self._admit(slot, wanted=True)

    def expel_slot(self, slot: Slot) -> None:
        """See `Draining.expel_slot`."""
        self._admit(slot, wanted=False)

    def cut_slot(self, slot: Slot, route_class: str = "") -> int:
        """See `Draining.cut_slot`. What this user may not reach into ends with the instances."""
        if route_class:
            return 0
        connections = [each for each in self._open(self._hosting()) if each.slot is slot]
        left = [each for each in connections if not cut(each)]
        if left:
            self._given_up(slot).touch()
        return len(connections)

    def read_counters(self, at_ms: int) -> Sample:
        """See `Counters.read_counters`."""
        hosting = self._hosting()
        return Sample(at_ms, self._log.counted(hosting.route_classes, _slots(hosting)))

    def read_replayed(self) -> int:
        """See `Counters.read_replayed`."""
        hosting = self._hosting()
        return self._log.replayed(hosting.route_classes, _slots(hosting))

    def host(self, hosting: Hosting) -> None:
        """See `RouterHosting.host`. Writes the file, has nginx read it, and waits until it says so.

        Raises:
            Refused: also `router-not-included`, nginx does not answer on the socket in the file.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fence.prepare()
        with self._fence.held():
            before = self._truth()
            if before is not None and before.hosting == hosting.digest:
                return
            admitted = before.admitted if before else frozenset()
            route = before.route if before else NOWHERE
            standing = Standing(hosting, admitted, route)
            config.render(standing, config.name_of(self._file), self._directory)
            write_durably(self._directory / HOSTING, json.dumps(to_json(hosting)))
            if not (self._directory / COMMITTED).exists():
                write_durably(self._directory / COMMITTED, to_text(NOWHERE))
            try:
                self._follow(standing)
            except Unknown as fault:
                why = f"nginx does not follow {self._file}: include it in the `http` block"
                raise Refused("router-not-included", why) from fault

    def unhost(self) -> None:
        """Nothing is stopped: the nginx is somebody else's, and goes on with the route that it has."""

    def _admit(self, slot: Slot, *, wanted: bool) -> None:
        with self._fence.held():
            truth = ask(self._directory)
            admitted = truth.admitted | {slot} if wanted else truth.admitted - {slot}
            if admitted != truth.admitted:
                self._follow(Standing(self._hosting(), admitted, truth.route))

    def _refuse_stale(self, route: Route, held: Held) -> Truth:
        truth = ask(self._directory)
        in_force = max(held.epoch(), truth.route.epoch, self._committed().epoch)
        if route.epoch < in_force:
            raise Refused("stale-epoch", f"epoch {in_force} has written, {route.epoch} may not any more")
        if not held.alone and route.epoch == in_force:
            raise Unavailable("fence-busy", "another writer of the same epoch is at it")
        return truth

    def _put_in_force(self, route: Route, truth: Truth, held: Held) -> None:
        held.raise_to(route.epoch)
        if truth.route != route:
            self._follow(Standing(self._hosting(), truth.admitted, route))

    def _follow(self, standing: Standing) -> None:
        """Writes the file, has it tested and read, and returns once every worker that accepts says so."""
        text = config.render(standing, config.name_of(self._file), self._directory)
        before = self._file.read_text(encoding="utf-8") if self._file.exists() else None
        write_durably(self._file, text)
        try:
            _run(self._test)
        except Refused:
            # What nginx cannot read must not lie there when it is started again.
            if before is not None:
                write_durably(self._file, before)
            else:
                self._file.unlink(missing_ok=True)
            raise
        _run(self._reload)
        wanted = Truth(standing.route, standing.hosting.digest, standing.admitted)
        until_s = time.monotonic() + FOLLOW_LIMIT_S
        since_s: float | None = None
        while time.monotonic() < until_s:
            now_s = time.monotonic()
            if self._truth() != wanted:
                since_s = None
            elif since_s is None:
                since_s = now_s
            elif now_s - since_s >= SETTLED_S:
                return
            time.sleep(_POLL_S)
        raise Unknown("router-not-seen", f"nginx was told to read {self._file}, and does not follow it")

    def _truth(self) -> Truth | None:
        with contextlib.suppress(Unavailable):
            return ask(self._directory)
        return None

    def _hosting(self) -> Hosting:
        try:
            found = from_json(Hosting, json.loads((self._directory / HOSTING).read_text("utf-8")))
        except (OSError, ValueError) as error:
            why = f"no router was hosted in {self._directory}"
            raise Unavailable("router-not-hosted", why) from error
        return replace(found, addresses={Slot(slot): each for slot, each in found.addresses.items()})

    def _committed(self) -> Route:
        path = self._directory / COMMITTED
        try:
            return from_text(path.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise Unavailable("router-not-hosted", f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise Unavailable("route-unreadable", f"{path} holds no route") from error

    def _open(self, hosting: Hosting) -> list[Open]:
        return all_connections(hosting.addresses)

    def _given_up(self, slot: Slot) -> Path:
        """Stands while connections to a slot that cannot be cut are left to end with it."""
        return self._directory / f"given-up-{slot}"


def _run(command: tuple[str, ...]) -> None:
    """Runs one of the plan's commands.

    Raises:
        Refused: `router-config-rejected`, it ended with something else than 0, or cannot be run.
        Unknown: `router-reload-slow`.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=COMMAND_LIMIT_S, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise Unknown("router-reload-slow", f"`{' '.join(command)}` has not ended") from error
    except OSError as error:
        why = f"`{' '.join(command)}` cannot be run: {error.strerror}"
        raise Refused("router-config-rejected", why) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SAID_BYTES:]
        raise Refused("router-config-rejected", f"`{' '.join(command)}` ended with {done.returncode}: {said}")


def _slots(hosting: Hosting) -> dict[str, Slot]:
    return {address: slot for slot in Slot for address in hosting.addresses.get(slot, ())}


def _distrust(truth: Truth, up: dict[Slot, int]) -> Distrust:
    """DOWN where a watched candidate is not admitted: nobody else tells it from one that serves."""
    route = truth.route
    if route.watch is Watch.NONE or route.candidate is None or up[route.candidate]:
        return Distrust.NONE
    return Distrust.DOWN
