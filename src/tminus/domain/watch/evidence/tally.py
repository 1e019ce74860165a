"""What an arm of a launch did within a block of time. Must not judge it."""

from dataclasses import dataclass
from enum import StrEnum


class Arm(StrEnum):
    """Whose requests were counted."""

    CANDIDATE = "candidate"
    STABLE = "stable"


@dataclass(frozen=True, slots=True)
class Tally:
    """Cases of one arm.

    Attributes:
        bad: cases that went wrong; events for a count, values above a limit for a gauge.
        total: all cases; the exposure for a count.
        within: cases not slower than each edge of the metric's histogram, cumulative; empty without one.
    """

    bad: int = 0
    total: int = 0
    within: tuple[int, ...] = ()

    def __add__(self, other: "Tally") -> "Tally":
        """Both together; a tally without a histogram takes the other's."""
        if self.within and other.within:
            within = tuple(map(int.__add__, self.within, other.within))
        else:
            within = self.within or other.within
        return Tally(self.bad + other.bad, self.total + other.total, within)

    def bad_at(self, edge: int | None) -> int:
        """Cases slower than the histogram's edge number `edge`; with None, the bad ones."""
        if edge is None:
            return self.bad
        return self.total - self.within[edge] if self.within else 0


EMPTY = Tally()


@dataclass(frozen=True, slots=True)
class Both:
    """What both arms did in the same time.

    Attributes:
        candidate: the candidate's cases.
        stable: stable's cases.
        weight_ppm: share of the traffic that the router was told to give the candidate; None where it
            is unknown or has changed meanwhile.
    """

    candidate: Tally = EMPTY
    stable: Tally = EMPTY
    weight_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was added since the reading before, for one metric and one arm.

    Attributes:
        metric: name of the metric.
        arm: whose cases these are. A share and a gauge have readings of the candidate only.
        at_ms: when it was read, milliseconds since the epoch. Readings of a metric's two arms that belong
            together carry the same time. A reading of the same metric, arm and time again is ignored.
        bad: see `Tally`. For a share, the candidate's requests.
        total: see `Tally`. For a share, the requests of both arms.
        within: see `Tally`; only for metrics with a histogram.
        value: the gauge's value, in the unit of its limit.
        weight_ppm: share of the traffic that the router was told to give the candidate during this
            reading, for a share. None where it changed meanwhile.
    """

    metric: str
    arm: Arm
    at_ms: int
    bad: int = 0
    total: int = 0
    within: tuple[int, ...] = ()
    value: int | float | None = None
    weight_ppm: int | None = None
