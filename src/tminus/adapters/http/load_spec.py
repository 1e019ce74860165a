"""What load to make and what came of it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

RATE_LIMIT_PER_S = 5_000  # about what one core bears beside a router
SECONDS_LIMIT = 3_600
CONNECTIONS_LIMIT = 512
FAILURES_LIMIT = 1_000  # kept one by one; the counts stay exact


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """Load at a steady rate, for a bounded time.

    Attributes:
        url: of the router or the instance, http only.
        rate_per_s: requests begun per second, whatever the answers do; at most 5000.
        seconds: how long requests are begun; at most an hour.
        paths: fetched with GET in turn.
        post_path: receives POST with an Idempotency-Key; None sends none.
        post_body: their body.
        post_percent: share of POSTs among all requests, when there is a post_path.
        new_percent: share of GETs that open a connection of their own.
        connections: kept connections at most; a request waits for a free one and its waiting is told.
        limit_ms: a request without a complete answer by then is lost or cut.
        count: requests at most; None is bounded by rate and seconds alone.
        run: starts every Idempotency-Key; must differ between runs.
        headers: (name, value) pairs sent with every request.
    """

    url: str
    rate_per_s: int
    seconds: int
    paths: tuple[str, ...] = ("/",)
    post_path: str | None = None
    post_body: str = "{}"
    post_percent: int = 20
    new_percent: int = 10
    connections: int = 32
    limit_ms: int = 10_000
    count: int | None = None
    run: str = "load"
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuses load without bounds.

        Raises:
            ValueError: a number is out of range, or there is nothing to fetch.
        """
        ranges = {
            "rate_per_s": (self.rate_per_s, 1, RATE_LIMIT_PER_S),
            "seconds": (self.seconds, 1, SECONDS_LIMIT),
            "connections": (self.connections, 1, CONNECTIONS_LIMIT),
            "post_percent": (self.post_percent, 0, 100),
            "new_percent": (self.new_percent, 0, 100),
            "limit_ms": (self.limit_ms, 1, SECONDS_LIMIT * 1000),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, it must lie in {low}..{high}")
        if not self.paths:
            raise ValueError("paths is empty")


@dataclass(frozen=True, slots=True)
class KindCount:
    """What became of the requests of one kind, or of all; `sent` is the sum of the others."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    lost: int = 0
    cut: int = 0

    @property
    def not_served(self) -> int:
        """Requests that a client would complain about."""
        return self.failed + self.lost + self.cut


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A request that was not served. Times are microseconds since the epoch; `status` 0 is no header."""

    number: int
    kind: str
    started_us: int
    ended_us: int
    fate: str
    status: int
    served_by: str
    why: str


@dataclass(frozen=True, slots=True)
class Served:
    """Complete answers that carried one value of a header.

    Times are microseconds since the epoch: when the first and the last of these requests were begun, and
    when the last answer was complete.
    """

    count: int
    first_started_us: int
    last_started_us: int
    last_ended_us: int


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of the load.

    Attributes:
        total: all kinds together.
        kinds: by `get-kept`, `get-new`, `post`.
        statuses: complete answers by status.
        slots: by the value of the answer's X-Slot header, `` where it has none.
        releases: by the value of the answer's X-Release header.
        failures: the first ones, at most a thousand.
        started_us: microseconds since the epoch.
        seconds_us: length of the run until the last request had its fate.
        waited_max_us: longest that a request was begun after it was due; what is above some milliseconds
            says that this machine, or the number of connections, did not bear the rate.
        latency_us: percentiles of complete answers by name, `p50`, `p95`, `p99`, `max`; without waiting.
    """

    total: KindCount
    kinds: Mapping[str, KindCount] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, Served] = field(default_factory=dict)
    releases: Mapping[str, Served] = field(default_factory=dict)
    failures: tuple[LoadFailure, ...] = ()
    started_us: int = 0
    seconds_us: int = 0
    waited_max_us: int = 0
    latency_us: Mapping[str, int] = field(default_factory=dict)
