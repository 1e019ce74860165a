"""Images and containers of a plan as typed values. Must not know how an engine is talked to."""

from dataclasses import dataclass

from tminus.domain.plan.secret import SecretRef

HOST_NETWORK = "host"
"""The network of the machine itself: nothing is published, and PORT is the instance's own."""


@dataclass(frozen=True, slots=True)
class Image:
    """How a tag's tree becomes an image, and where that is pushed.

    Attributes:
        repository: registry and name without a tag, for example `127.0.0.1:5000/payment-app`.
        file: the Dockerfile, relative to the context.
        context: folder of the tag's tree that the build sees.
        target: stage to build, empty for the last one.
        arguments: (name, value) pairs of build arguments.
        login: `user:password` of the registry; None takes the engine's own configuration.
        smoke: run once in the image alone, without a network; empty asks one instance for its health.
    """

    repository: str
    file: str = "Dockerfile"
    context: str = "."
    target: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    login: SecretRef | None = None
    smoke: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with an engine.

    Attributes:
        engine: `unix:///path`, `tcp://host:port` or `ssh://user@host`.
        address: where the router reaches what is published there.
    """

    engine: str
    address: str


@dataclass(frozen=True, slots=True)
class Container:
    """How an instance runs in a container.

    Attributes:
        port: where the program in the image listens.
        memory_bytes: most memory, 0 for no limit.
        cpu_milli: thousandths of a processor, 0 for no limit.
        pids: most processes and threads, 0 for no limit.
        network: an existing network; empty for one of the service's own; `host` for the machine's.
        machines: instances are spread over these by turns; empty for this machine's own engine.
    """

    port: int
    memory_bytes: int = 0
    cpu_milli: int = 0
    pids: int = 1_024
    network: str = ""
    machines: tuple[Machine, ...] = ()

    def machine(self, number: int) -> Machine:
        """Where the instance of that number runs, counted from 1."""
        if not self.machines:
            return Machine("", "127.0.0.1")
        return self.machines[(number - 1) % len(self.machines)]
