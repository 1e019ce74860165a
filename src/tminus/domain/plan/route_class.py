"""Named groups of requests (login, payment), counted apart. Must not know a router's syntax."""

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"  # every request that no class claims
METER = "meter"  # the loss meter's own requests, kept out of the figures that verdicts are drawn from
METER_HEADER = "X-Tminus-Meter"


class Traffic(StrEnum):
    """How requests of a class occupy a connection; long ones are never called slow."""

    REQUEST = "request"
    STREAM = "stream"
    WEBSOCKET = "websocket"


@dataclass(frozen=True, slots=True)
class RouteClass:
    """A named group of requests.

    Attributes:
        name: lower-case name, unique in the plan; `other` and `meter` are reserved.
        paths: path prefixes (whole segments: `/pay` claims `/pay` and `/pay/x`, not `/payroll`).
        methods: methods claimed; empty claims all.
        traffic: plain requests, streams or websockets.
        drain_ms: how long requests of this class may finish on a slot that traffic has left, before
            they are cut and counted.
    """

    name: str
    paths: tuple[str, ...]
    methods: tuple[str, ...] = ()
    traffic: Traffic = Traffic.REQUEST
    drain_ms: int = 30_000
