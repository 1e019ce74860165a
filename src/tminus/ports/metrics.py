"""Sources of metrics: whatever can be asked for numbers. What is made of the numbers is the watch's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tminus.domain.plan.secret import SecretRef
from tminus.domain.watch.measurement import Missed, Taken


class Source(Protocol):
    """One metric's source, asked by one thread at a time.

    A source is never trusted, and nothing that it does is an error: an answer that is late, empty, of the
    wrong kind or no answer at all is `Missed`, with a sentence that quotes no secret.
    """

    def read(self, limit_ms: int) -> Taken | Missed:
        """Asks once; answers within the limit, or a moment after it."""
        ...

    def close(self) -> None:
        """Lets connections go; the next `read` opens others."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer to a GET request; redirects are answers too, and are not followed."""

    status: int
    content_type: str
    body: bytes


class Fetch(Protocol):
    """One GET request, bounded in time and size. Never raises for what the other side does."""

    def __call__(
        self, url: str, headers: Sequence[tuple[str, str]], limit_ms: int, most_bytes: int
    ) -> Fetched | Missed:
        """The answer, or why there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source may use of the process it is asked from.

    Attributes:
        fetch: asks over HTTP.
        secret: the value behind a reference of the plan.
        environment: what a command inherits: no secrets.
        tree: the artifact, where commands run.
        place: on the file system whose space is measured.
        programs: what the marks of the service's own programs begin with; empty where there are none.
    """

    fetch: Fetch
    secret: Callable[[SecretRef], str]
    environment: Mapping[str, str]
    tree: Path
    place: Path
    programs: str = ""


OpenSource = Callable[[Any, Surroundings], Source]
"""Opens a source from its domain value (see `domain.plan.metric`), without asking it anything.

Raises:
    Refused: it can never answer, for example because a secret is missing.
"""
