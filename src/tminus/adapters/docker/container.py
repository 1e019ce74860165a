"""What an engine is told to make a container of, as values, and the calls that every container needs."""

import http
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from tminus.adapters.docker.engine import Engine, EngineError, Query
from tminus.domain.plan.image import HOST_NETWORK, Container
from tminus.ports.fault import Refused

KEEPER = "tminus.keeper"
"""Label: whose container it is. Everything is found by it after a crash."""

NETWORK = "tminus.network"
PROGRAM = "tminus.program"
SPEC = "tminus.spec"
ONCE = "tminus.once"
ENDS = "tminus.ends"
"""Label of a container that runs once: when it is overdue, in milliseconds since the epoch."""

_LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}
_CPU_UNIT = 1_000_000  # nano-processors in a thousandth
_FRAME = 8  # bytes of the header before each piece of output


@dataclass(frozen=True, slots=True)
class Wish:
    """A container that should be.

    Attributes:
        image: reference or id.
        command: empty for the image's own.
        environment: added to the image's own.
        container: limits and the port inside.
        network: name of it.
        published: (address, port) of this machine for the port inside; None for none.
        labels: by which it is found.
        restarts: started again whenever it ends.
        stop_grace_ms: between SIGTERM and SIGKILL.
    """

    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    container: Container
    network: str
    labels: Mapping[str, str]
    published: tuple[str, int] | None = None
    restarts: bool = False
    stop_grace_ms: int = 10_000
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As the engine's `containers/create` takes it."""
        inside = f"{self.container.port}/tcp"
        host: dict[str, Any] = {
            "NetworkMode": self.network,
            "RestartPolicy": {"Name": "unless-stopped" if self.restarts else "no"},
            "LogConfig": _LOG,
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": self.container.pids or None,
            "Memory": self.container.memory_bytes,
            "MemorySwap": self.container.memory_bytes,
            "NanoCpus": self.container.cpu_milli * _CPU_UNIT,
        }
        body: dict[str, Any] = {
            "Image": self.image,
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "Labels": dict(self.labels),
            "StopTimeout": max(1, self.stop_grace_ms // 1000),
            "HostConfig": host,
        }
        if self.command:
            # The whole argument vector, as for a process: an entry point of the image is not put before it.
            body |= {"Entrypoint": [self.command[0]], "Cmd": list(self.command[1:])}
        if self.published is not None and self.network != HOST_NETWORK:
            address, port = self.published
            body["ExposedPorts"] = {inside: {}}
            host["PortBindings"] = {inside: [{"HostIp": address, "HostPort": str(port) if port else ""}]}
        return body | dict(self.more)


def create(engine: Engine, name: str, wish: Wish) -> str:
    """Makes a container and returns its id; `name` may be empty."""
    made = engine.post("/containers/create", {"name": name} if name else None, wish.body())
    return str(made["Id"])


def ensure_network(engine: Engine, named: str, own: str) -> str:
    """The network to use: the one that was named, which must be there, else `own`, made where it is missing.

    Raises:
        Refused: `container-refused`: there is no network of that name.
    """
    if named == HOST_NETWORK:
        return named
    name = named or own
    try:
        engine.get(f"/networks/{name}")
    except EngineError as error:
        if error.status != http.HTTPStatus.NOT_FOUND:
            raise
        if named:
            raise Refused("container-refused", f"{engine.url} has no network {named!r}") from error
        _make_network(engine, own)
    return name


def _make_network(engine: Engine, name: str) -> None:
    wanted = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": {NETWORK: name}}
    try:
        engine.post("/networks/create", body=wanted)
    except EngineError as clash:  # another controller made it at the same time
        if clash.status != http.HTTPStatus.CONFLICT:
            raise


def find(engine: Engine, labels: Mapping[str, str], *, limit_s: float | None = None) -> list[dict[str, Any]]:
    """All containers with these labels, running or not, as the engine lists them."""
    wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
    query: Query = {"all": "1", "filters": {"label": wanted}}
    found: list[dict[str, Any]] = engine.get("/containers/json", query, limit_s=limit_s)
    return found


def remove(engine: Engine, ident: str) -> None:
    """Kills and removes; nothing happens where it is gone, or being removed by another."""
    try:
        engine.delete(f"/containers/{ident}", {"force": "1", "v": "1"})
    except EngineError as error:
        if error.status != http.HTTPStatus.CONFLICT:
            raise


def output(stream: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a container's output, standard and error mixed, without the frames around them."""
    while header := stream.read(_FRAME):
        if len(header) < _FRAME:
            return
        yield stream.read(int.from_bytes(header[4:], "big"))


def tail(engine: Engine, ident: str, lines: int) -> str:
    """The last lines that a container has printed; empty where the engine does not tell."""
    query: Query = {"stdout": "1", "stderr": "1", "tail": str(lines)}
    try:
        with engine.open("GET", f"/containers/{ident}/logs", query) as answer:
            return b"".join(output(answer)).decode(errors="replace").strip()
    except EngineError:
        return ""
