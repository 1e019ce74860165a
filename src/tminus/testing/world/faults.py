"""Faults between the driver and its ports: errors, silence, lies, crashes. Seeded, counted, and bounded."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tminus.domain.launch.reading import RouterReading
from tminus.ports.fault import Unavailable, Unknown
from tminus.testing.world.scenario import Scenario

TIMEOUT_MS = 1_000  # the time limit of a real call

READS = frozenset({"read_router", "read_slots", "read_counters"})
WRITES = frozenset(
    {
        "write_route",
        "commit_route",
        "admit_slot",
        "expel_slot",
        "cut_slot",
        "host",
        "start_slot",
        "stop_slot",
        "start_job",
        "stop_job",
        "append",
    }
)
NEEDS_DISK = frozenset(
    {"append", "commit_route", "start_job", "post", "claim", "renew", "settle", "add_sample", "add_point"}
)
"""Calls that fail while the disk is full; the router's `renew_lease` needs no disk and is not among them."""

LOSABLE = frozenset({"write_route", "commit_route", "admit_slot", "expel_slot", "stop_job", "stop_slot"})


class Crash(BaseException):
    """The controller is gone, at this very instant. Not an Exception: nothing may catch it."""


class Faults:
    """Decides which call is hit by what.

    Args:
        random: the world's own.
        scenario: kinds and rate.
        now_ms: virtual time.
        pass_time: moves virtual time inside a call.
        freeze: lets another controller run while this one stands still in the middle of a call.
    """

    def __init__(
        self,
        random: Random,
        scenario: Scenario,
        now_ms: Callable[[], int],
        pass_time: Callable[[int], None],
        freeze: Callable[[], None],
    ) -> None:
        """See the class."""
        self._random = random
        self._scenario = scenario
        self._now_ms = now_ms
        self._pass_time = pass_time
        self._freeze = freeze
        self._start_ms = now_ms()
        self._full_until_ms = 0
        self._gap_until_ms = 0
        self._last: dict[str, Any] = {}
        self.counted: Counter[str] = Counter()
        self.crash_at: int | None = None
        self.appends = 0

    @property
    def over(self) -> bool:
        """No new fault will happen."""
        return self._now_ms() - self._start_ms >= self._scenario.calm_ms

    @property
    def disk_full(self) -> bool:
        """Nothing can be written to disk now."""
        return self._now_ms() < self._full_until_ms

    def strikes(self, kind: str, factor: float = 1.0) -> bool:
        """Whether a fault of this kind happens now."""
        if kind not in self._scenario.faults or self.over:
            return False
        if self._random.random() >= self._scenario.fault_rate * factor:
            return False
        self.counted[kind] += 1
        return True

    def call(
        self, name: str, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - any port
        """Makes the call, or what is left of it."""
        if name == "append":
            self._count_append()
        self._before(name)
        if name in LOSABLE and self.strikes("lost-write", 0.5):
            return 0 if name == "cut_slot" else None
        if name == "renew" and self.strikes("lease-loss", 0.3):
            return None
        result = method(*args, **kwargs)
        return self._after(name, result)

    def _count_append(self) -> None:
        self.appends += 1
        if self.crash_at is not None and self.appends == abs(self.crash_at) and self.crash_at < 0:
            self.counted["crash"] += 1
            raise Crash

    def _before(self, name: str) -> None:
        if self.strikes("crash", 0.1):
            raise Crash
        if name in WRITES and self.strikes("freeze", 0.3):
            self._freeze()
        if self.strikes("disk-full", 0.1):
            self._full_until_ms = self._now_ms() + self._random.choice((2_000, 10_000, 20_000))
        if name in NEEDS_DISK and self.disk_full:
            raise Unavailable("disk-full", "no space left on device")
        if name == "read_counters":
            if self.strikes("metric-gap", 0.3):
                self._gap_until_ms = self._now_ms() + self._random.choice((2_000, 6_000, 12_000))
            if self._now_ms() < self._gap_until_ms:
                raise Unavailable("no-counters", "the router does not tell its counters")
        if name in WRITES | READS and self.strikes("error-before"):
            raise Unavailable("injected", "refused before any effect")
        if name in WRITES | READS and self.strikes("timeout", 0.3):
            self._pass_time(TIMEOUT_MS)
            raise Unavailable("timeout", "no answer within a second")

    def _after(self, name: str, result: Any) -> Any:  # noqa: ANN401 - any port
        if name == "append" and self.crash_at is not None and self.appends == self.crash_at:
            self.counted["crash"] += 1
            raise Crash
        if self.strikes("crash", 0.1):
            raise Crash
        if name in WRITES and self.strikes("error-after"):
            raise Unknown("injected", "no answer after the effect")
        if name in READS:
            return self._maybe_stale(name, result)
        return result

    def _maybe_stale(self, name: str, result: Any) -> Any:  # noqa: ANN401 - any reading
        before = self._last.get(name)
        self._last[name] = result
        if before is None or not self.strikes("stale-read"):
            return result
        if isinstance(before, RouterReading):
            # What is in flight is asked of the process itself and cannot be old; what it routes can.
            return replace(before, in_flight=result.in_flight)
        return before


class Faulty:
    """A port with faults in front of it."""

    def __init__(self, target: Any, faults: Faults) -> None:  # noqa: ANN401 - any port
        """See the class."""
        self._target = target
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The port's method, struck by faults now and then."""
        method = getattr(self._target, name)
        faults = self._faults

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any port
            return faults.call(name, method, args, kwargs)

        self.__dict__[name] = call
        return call
