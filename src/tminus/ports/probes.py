"""Probes: whatever can be asked whether a launch is ready. What follows from the answer is readiness's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer


@dataclass(frozen=True, slots=True)
class Target:
    """What is about to be launched, as far as it is known when a probe asks; empty where it is not.

    Attributes:
        service: its name.
        environment: where to.
        version: without the tag's prefix.
        tag: of git.
        commit: hexadecimal.
        digest: of the artifact, `sha256:…`.
        url: of the service's front door.
        instances: addresses of the instances that serve, `host:port`.
    """

    service: str = ""
    environment: str = ""
    version: str = ""
    tag: str = ""
    commit: str = ""
    digest: str = ""
    url: str = ""
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What a probe may use of the process it is asked from.

    Attributes:
        target: what is about to be launched.
        secret: the value behind a reference of the plan.
        environment: what a command inherits: no secrets.
        repository: the team's checkout; relative paths of a plan are below it.
        scratch: a folder of its own, removed afterwards.
        backups: the folder in which this home keeps the service's backups.
        now_ms: the time, milliseconds since the epoch.
    """

    target: Target
    secret: Callable[[SecretRef], str]
    environment: Mapping[str, str]
    repository: Path
    scratch: Path
    backups: Path
    now_ms: Callable[[], int]


class Probe(Protocol):
    """One question, asked by one thread at a time."""

    def __call__(self, settings: Any, around: Around, limit_ms: int) -> Answer:  # noqa: ANN401 - its own class
        """Asks once; answers within the limit, or a moment after it.

        What the other side does is never an exception: late, garbled, refused and absent are answers.

        Args:
            settings: the probe's own frozen dataclass (`ProbeKind.settings`).
            around: see `Around`.
            limit_ms: for everything that it does.

        Raises:
            Refused: it can never answer, for example because a secret is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProbeKind:
    """A kind of probe, as the entry-point group `tminus.probes` names it.

    Attributes:
        settings: a frozen dataclass; its fields are the keys a plan may write, its docstring's `Attributes`
            explain them. Fields are `str`, `int`, `bool`, `Millis`, a tuple of texts or of numbers,
            `tuple[tuple[str, str], ...]` (a mapping in the plan), `SecretRef`, an enum of texts, each also
            `| None`. A field without a default must be written. `__post_init__` may raise `ValueError` with
            a sentence.
        ask: the probe.
    """

    settings: type[Any]
    ask: Probe
