"""Programs kept in containers: `Supervision` by engines, which start them again when nobody else lives.

Nothing is remembered but which engines were used: containers are found by their labels. One that is to go is
renamed first, so that every later controller knows it, whoever is killed in between.
"""

import contextlib
import fcntl
import http
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from tminus.adapters.docker import container as box
from tminus.adapters.docker.departing import is_leaving, mark, start_aside, stop_aside, sweep
from tminus.adapters.docker.engine import READ_LIMIT_S, Engine, EngineError
from tminus.adapters.docker.pulling import has_image, pull
from tminus.adapters.docker.reading import reading_of
from tminus.adapters.docker.record import ImageRecord, read_record
from tminus.domain.canonical import Json, digest_of
from tminus.domain.plan.image import HOST_NETWORK
from tminus.domain.problem import ProblemError
from tminus.ports.fault import PortFault, Refused, Unavailable, Unknown
from tminus.ports.supervision import Housing, ProgramReading, ProgramSpec

ENGINES = "engines.json"
"""File in the keeper's folder: addresses of every engine that was used, so that leftovers are found."""

_NOT_FOUND_CODES = (126, 127)  # as a shell has them: cannot be run, is not there
_REVIVE_EVERY_S = 5.0  # what ends at once again is its engine's to start, with growing pauses
_LINES = 200  # of a container's output that are kept when it goes


class Keeper:
    """Implements `Supervision` for programs with a housing."""

    def __init__(
        self,
        directory: Path,
        network: str,
        engine: str,
        environment: Mapping[str, str],
        *,
        revives: bool = True,
    ) -> None:
        """Makes no call.

        Args:
            directory: of this service in this environment; names the keeper too.
            network: the service's own, made when it is first needed.
            engine: this machine's own.
            environment: where credentials of registries are looked for.
            revives: starts what has ended and its engine does not start again; not for whoever only looks.
        """
        self._directory = directory.absolute()
        self._network = network
        self._default = engine
        self._environment = environment
        self._engines: dict[str, Engine] = {}
        self._pulling: set[str] = set()
        self._stopping: set[str] = set()
        self._revives = revives
        self._revived: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The value of the label by which this keeper's containers are found."""
        return keeper_name(self._directory)

    def keep(self, programs: Sequence[ProgramSpec]) -> None:
        """See `Supervision.keep`.

        Raises:
            Refused: `artifact-missing`, `program-differs`, `command-not-found`, `container-refused`.
            Unavailable: `engine-unreachable`, `image-pulling`, `port-taken`, `program-stopping`,
                `container-not-started`.
        """
        if not programs:
            return
        with self._alone():
            self._note_engines({self._url(program) for program in programs})
            new = [program for program in programs if not self._is_kept(program)]
            for program in new:
                self._ensure_image(program)
            made: list[tuple[Engine, str]] = []
            try:
                made.extend(map(self._make, new))
                for (engine, ident), program in zip(made, new, strict=True):
                    self._start(engine, ident, program)
            except (PortFault, EngineError) as fault:
                for engine, ident in made:
                    with contextlib.suppress(PortFault, EngineError):
                        box.remove(engine, ident)
                if isinstance(fault, EngineError):
                    raise Unavailable("container-not-started", fault.why) from fault
                raise

    def drop(self, names: Sequence[str]) -> None:
        """See `Supervision.drop`. The engine itself waits for the grace and kills, whoever lives then.

        Raises:
            Unavailable: `engine-unreachable`.
            Unknown: `container-stopping`.
        """
        for url, found in self._everywhere(READ_LIMIT_S).items():
            engine = self._engine(url)
            for each in (listed for listed in found if _program(listed) in names):
                try:
                    self._let_go(engine, each)
                except EngineError as error:
                    raise Unknown("container-stopping", error.why) from error

    def programs(self) -> Mapping[str, ProgramReading]:
        """See `Supervision.programs`. What has ended and was to go is removed on the way.

        Raises:
            Unavailable: `engine-unreachable`.
        """
        readings: dict[str, ProgramReading] = {}
        for url, found in self._everywhere(READ_LIMIT_S).items():
            engine = self._engine(url)
            for each in sweep(engine, found, self._directory / "logs", _LINES):
                self._revive(engine, each)
                if name := _program(each):
                    reading = reading_of(engine, each, name)
                    if reading is not None and (name not in readings or reading.pid):
                        readings[name] = reading
        return readings

    def _revive(self, engine: Engine, listed: Mapping[str, Any]) -> None:
        """Starts what an engine leaves alone: what was stopped by hand, or ended with a killed engine."""
        if not self._revives or listed["State"] != "exited" or is_leaving(listed) or not _program(listed):
            return
        ident, now_s = str(listed["Id"]), time.monotonic()
        if now_s - self._revived.get(ident, -_REVIVE_EVERY_S) >= _REVIVE_EVERY_S:
            self._revived[ident] = now_s
            start_aside(engine.url, ident)

    def _let_go(self, engine: Engine, listed: Mapping[str, Any]) -> None:
        """Marks what is not marked, and has it stopped; one that a killed controller had marked too."""
        ident = str(listed["Id"])
        if not is_leaving(listed):
            mark(engine, listed)
        if ident not in self._stopping:
            self._stopping.add(ident)
            stop_aside(engine.url, ident)

    def _everywhere(self, limit_s: float) -> dict[str, list[dict[str, Any]]]:
        urls = self._known_engines()
        if not urls:
            return {}
        labels = {box.KEEPER: self.name}

        def ask(url: str) -> list[dict[str, Any]]:
            try:
                return box.find(self._engine(url), labels, limit_s=limit_s)
            except EngineError as error:
                raise Unavailable("engine-unreachable", f"{url}: {error.why}") from error

        if len(urls) == 1:
            return {urls[0]: ask(urls[0])}
        with ThreadPoolExecutor(len(urls)) as pool:
            return dict(zip(urls, pool.map(ask, urls), strict=True))

    def _is_kept(self, program: ProgramSpec) -> bool:
        engine = self._engine(self._url(program))
        for each in box.find(engine, {box.KEEPER: self.name, box.PROGRAM: program.name}):
            if is_leaving(each):
                if each["State"] == "running":
                    raise Unavailable("program-stopping", f"{program.name} is still being stopped")
                box.remove(engine, each["Id"])
                continue
            if each["Labels"].get(box.SPEC) != _digest(program):
                if each["State"] == "created":  # a controller was killed before it started this
                    box.remove(engine, each["Id"])
                    continue
                raise Refused("program-differs", f"{program.name} runs with another specification")
            if each["State"] in ("running", "restarting"):
                return True
            box.remove(engine, each["Id"])
        return False

    def _ensure_image(self, program: ProgramSpec) -> None:
        engine, record = self._engine(self._url(program)), read_record(Path(program.directory))
        if has_image(engine, record):
            return
        self._pull_aside(engine.url, record)
        why = f"{record.reference} is being pulled to {engine.url}"
        raise Unavailable("image-pulling", why)

    def _pull_aside(self, url: str, record: ImageRecord) -> None:
        """A pull may take minutes, and a driver must not wait: the next attempt finds the image there."""
        if url in self._pulling:
            return
        self._pulling.add(url)

        def run() -> None:
            # Whoever asks again is told what is missing; a failure here is theirs to see.
            with (
                contextlib.suppress(PortFault, EngineError, ProblemError),
                contextlib.closing(Engine(url)) as own,
            ):
                pull(own, record, self._environment)
            self._pulling.discard(url)

        threading.Thread(target=run, name=f"pull to {url}", daemon=True).start()

    def _make(self, program: ProgramSpec) -> tuple[Engine, str]:
        housing = cast("Housing", program.housing)
        engine = self._engine(self._url(program))
        network = box.ensure_network(engine, housing.container.network, self._network)
        wish = box.Wish(
            image=read_record(Path(program.directory)).reference,
            command=program.argv,
            environment=program.environment,
            container=housing.container,
            network=network,
            labels={box.KEEPER: self.name, box.PROGRAM: program.name, box.SPEC: _digest(program)},
            published=(housing.address, housing.port) if housing.port else None,
            restarts=program.restart,
            stop_grace_ms=program.stop_grace_ms,
        )
        try:
            return engine, box.create(engine, f"{self._network}-{self.name[:8]}-{program.name}", wish)
        except EngineError as error:
            if error.status in (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.NOT_FOUND):
                raise Refused("container-refused", f"{program.name}: {error.why}") from error
            raise Unavailable("container-not-started", f"{program.name}: {error.why}") from error

    def _start(self, engine: Engine, ident: str, program: ProgramSpec) -> None:
        try:
            engine.post(f"/containers/{ident}/start")
        except EngineError as error:
            code = engine.get(f"/containers/{ident}/json")["State"]["ExitCode"]
            if code in _NOT_FOUND_CODES:
                why = f"{program.argv[0] if program.argv else 'the image'}: {error.why}"
                raise Refused("command-not-found", why) from error
            housing = cast("Housing", program.housing)
            taken = housing.port and housing.container.network != HOST_NETWORK and _listens(housing)
            raise Unavailable("port-taken" if taken else "container-not-started", error.why) from error

    def _url(self, program: ProgramSpec) -> str:
        return (program.housing.engine if program.housing else "") or self._default

    def _engine(self, url: str) -> Engine:
        return self._engines.setdefault(url, Engine(url))

    def _known_engines(self) -> list[str]:
        try:
            found = json.loads((self._directory / ENGINES).read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise Unavailable("record-unreadable", f"{self._directory / ENGINES}: {error}") from error
        return [str(each) for each in found]

    def _note_engines(self, urls: set[str]) -> None:
        known = self._known_engines()
        if urls <= set(known):
            return
        path = self._directory / ENGINES
        temporary = path.with_name(f".{ENGINES}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(sorted({*known, *urls}), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise Unavailable("disk-failed", f"{path}: {error.strerror}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One controller at a time makes containers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "keeper.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def keeper_name(directory: Path) -> str:
    """What containers of the service in that folder are labelled with."""
    return digest_of(str(directory.absolute())).removeprefix("sha256:")[:32]


def _program(listed: Mapping[str, Any]) -> str:
    return str(listed["Labels"].get(box.PROGRAM, ""))


def _digest(program: ProgramSpec) -> str:
    body = cast("dict[str, Json]", asdict(program))
    return digest_of(json.loads(json.dumps(body)))


def _listens(housing: Housing) -> bool:
    with socket.socket() as caller:
        caller.settimeout(READ_LIMIT_S)
        return caller.connect_ex((housing.address, housing.port)) == 0
