"""The figures of the cutover benchmark, as values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    cycles: int
    requests: int
    flips: int
    reloads: int
    rounds: int
    round_s: int
    rollbacks: int


@dataclass(frozen=True)
class Switches:
    """Milliseconds after the command was begun, per switch; `late` began on the old after the answer."""

    answered: list[float]
    first_on_new: list[float]
    last_on_old: list[float]
    late: int
    requests: int
    lost: int


@dataclass(frozen=True)
class Cycles:
    """What complete cycles cost clients."""

    cycles: int
    requests: int
    lost: int
    failed: int
    posts: int
    duplicates: int
    seconds: float


@dataclass(frozen=True)
class Way:
    """Medians of rounds on one way to the service."""

    p50_ms: float
    p99_ms: float
    per_s: float


@dataclass
class Rollbacks:
    """Milliseconds from the start of the command, per rollback, and what clients lost over all of them."""

    rate_per_s: int
    last_ms: list[float]
    requests: int = 0
    lost: int = 0
    failed: int = 0
    duplicates: int = 0
    others: int = 0
