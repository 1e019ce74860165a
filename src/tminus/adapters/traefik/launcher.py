"""Starts Traefik under a supervisor, and keeps the files that it starts from. Must not decide on routes."""

import json
import secrets
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tminus.adapters.router.files import write_durably
from tminus.adapters.router.route_text import NOWHERE, from_text
from tminus.adapters.traefik import config, files, start
from tminus.adapters.traefik.binary import find_binary
from tminus.adapters.traefik.config import Standing
from tminus.adapters.traefik.control import Control, access
from tminus.domain.codec import from_json, to_json
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused, Unavailable, Unknown
from tminus.ports.router import Hosting
from tminus.ports.supervision import ListeningSockets, ProgramSpec, Supervision

START_LIMIT_S = 10.0  # a busy machine; usually a fifth of a second
FOLLOW_LIMIT_S = 2.0  # it follows a file within some hundredths of a second
STOP_GRACE_MS = 2_000
_POLL_S = 0.005


class Launcher:
    """One Traefik, its socket and its files."""

    def __init__(
        self,
        supervision: Supervision,
        sockets: ListeningSockets,
        directory: Path,
        name: str,
        control: Control,
    ) -> None:
        """See the class; `name` is that of the program and of its socket."""
        self._supervision = supervision
        self._sockets = sockets
        self._directory = directory
        self._name = name
        self._control = control

    @property
    def pid(self) -> int:
        """Of the running Traefik, 0 where none runs."""
        found = self._supervision.programs().get(self._name)
        return found.pid if found is not None else 0

    def running_digest(self) -> str:
        """Digest of the hosting that the running Traefik follows; empty where none answers."""
        try:
            return self._control.truth().hosting
        except Unavailable:
            return ""

    def hosting(self) -> Hosting:
        """What was hosted last.

        Raises:
            Unavailable: `router-not-hosted`.
        """
        try:
            found = from_json(Hosting, json.loads((self._directory / files.HOSTING).read_text("utf-8")))
        except (OSError, ValueError) as error:
            why = f"no router was hosted in {self._directory}"
            raise Unavailable("router-not-hosted", why) from error
        return replace(found, addresses={Slot(slot): each for slot, each in found.addresses.items()})

    def committed(self) -> Standing:
        """What a restarted Traefik would follow.

        Raises:
            Unavailable: `router-not-hosted`, `route-unreadable`.
        """
        path = self._directory / files.COMMITTED
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise Unavailable("router-not-hosted", f"{path}: {error.strerror}") from error
        try:
            headers = config.standing_headers(text)
            route = from_text(headers[config.ROUTE_HEADER])
            return Standing(self.hosting(), config.admitted_in(headers), route)
        except (KeyError, ValueError) as error:
            raise Unavailable("route-unreadable", f"{path} holds no route") from error

    def commit(self, standing: Standing) -> None:
        """Has a restarted Traefik follow this.

        Raises:
            Unavailable: `disk-full`, `disk-failed`.
        """
        write_durably(self._directory / files.COMMITTED, self._dynamic(standing))

    def follow(self, standing: Standing) -> None:
        """Has the running Traefik follow this, and returns once it says so itself.

        Raises:
            Unavailable: `router-silent` and nothing was written, or `disk-full`.
            Unknown: `router-not-seen`, it does not say so in time.
        """
        self._control.truth()
        files.write_live(self._directory / files.LIVE, self._dynamic(standing))
        wanted = standing.hosting.digest, standing.admitted, standing.route

        def follows() -> bool:
            try:
                truth = self._control.truth()
            except Unavailable:
                return False
            return (truth.hosting, truth.admitted, truth.route) == wanted

        if not _came_about(follows, FOLLOW_LIMIT_S):
            log = self._directory / files.LOG
            raise Unknown("router-not-seen", f"Traefik does not follow {files.LIVE}; its output is in {log}")

    def run(self, hosting: Hosting) -> None:
        """Runs Traefik with `hosting`: by its file alone where it serves at the same address already.

        Raises:
            Refused: `traefik-missing`, `router-config-rejected`, `port-taken`, `router-differs`.
            Unavailable: the supervisor does not answer, or the disk is full.
            Unknown: it may be running.
        """
        binary = find_binary()
        before = self._before()
        standing = Standing(
            hosting,
            before.admitted if before else frozenset(),
            before.route if before else NOWHERE,
        )
        config.dynamic(standing, "")  # refuses what could not stand in it before anything is changed
        moved = before is None or (before.hosting.host, before.hosting.port) != (hosting.host, hosting.port)
        running = self._running()
        if running and not moved:
            in_force = self._control.truth().route
            write_durably(self._directory / files.HOSTING, json.dumps(to_json(hosting)))
            self.commit(standing)
            self.follow(Standing(hosting, standing.admitted, in_force))
            self._refuse_objections()
            return
        self._sockets.hold_socket(self._name, hosting.host, hosting.port)
        self._prepare(hosting, standing)
        spec = self._spec(binary.path)
        if running:
            self._sockets.replace(spec)
        else:
            self._supervision.keep([spec])
        if not _came_about(lambda: self.running_digest() == hosting.digest, START_LIMIT_S):
            log = self._directory / files.LOG
            raise Unknown("router-not-seen", f"Traefik does not answer; its output is in {log}")
        self._refuse_objections()

    def stop(self) -> None:
        """Stops Traefik and closes the socket.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        if self._name in self._supervision.programs():
            self._supervision.drop([self._name])
        self._sockets.release_socket(self._name)

    def _before(self) -> Standing | None:
        try:
            return self.committed()
        except Unavailable as fault:
            if fault.code != "router-not-hosted":
                raise
            return None

    def _running(self) -> bool:
        if self._name not in self._supervision.programs():
            return False
        if not (self._directory / files.ACCESS).exists():
            why = "another router serves at this address: `tminus stop` ends it"
            raise Refused("router-differs", why)
        return bool(self.running_digest())

    def _prepare(self, hosting: Hosting, standing: Standing) -> None:
        """All the files that a start needs, in an order that leaves a start possible at any moment."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        door = json.dumps({"port": port, "key": secrets.token_hex(16)})
        write_durably(self._directory / files.HOSTING, json.dumps(to_json(hosting)))
        write_durably(self._directory / files.ACCESS, door)
        write_durably(self._directory / files.STATIC, config.static(hosting, port))
        self.commit(standing)
        files.write_live(self._directory / files.LIVE, self._dynamic(standing))

    def _dynamic(self, standing: Standing) -> str:
        return config.dynamic(standing, access(self._directory)[1])

    def _refuse_objections(self) -> None:
        found = self._control.objections()
        if found:
            raise Refused("router-config-rejected", "; ".join(found)[:500])

    def _spec(self, binary: Path) -> ProgramSpec:
        return ProgramSpec(
            name=self._name,
            argv=(sys.executable, "-I", "-S", start.__file__, "{fd}", str(binary), "{pid}"),
            environment={},
            directory=str(self._directory),
            log=str(self._directory / files.LOG),
            restart=True,
            socket=self._name,
            stop_grace_ms=STOP_GRACE_MS,
        )


def _came_about(condition: Callable[[], bool], limit_s: float) -> bool:
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= until_s:
            return False
        time.sleep(_POLL_S)
    return True
