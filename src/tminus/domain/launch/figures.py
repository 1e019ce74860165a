"""Figures that a reading holds beside those of all requests. Must not judge them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Requests of a class that the candidate was given, and the share that failed, in parts per million."""

    name: str
    requests: int
    error_ppm: int


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """What the database says of itself.

    Attributes:
        connections_ppm: share of the connections allowed that are in use.
        latency_us: of a trivial query.
        replica_lag_ms: of the slowest streaming replica; None without replicas, or where it cannot be told.
        waiting: sessions that wait for a lock.
    """

    connections_ppm: int
    latency_us: int
    replica_lag_ms: int | None
    waiting: int
