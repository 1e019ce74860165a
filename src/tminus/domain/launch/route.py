"""The route: where requests go, as one value that a router switches atomically."""

from dataclasses import dataclass
from enum import IntEnum

from tminus.domain.launch.slot import Slot

FULL_BP = 10_000


class Watch(IntEnum):
    """How the router distrusts the candidate by itself.

    NONE: it does not. SHORT: breaker, and a lease that lapses within a second or so. PATIENT: breaker,
    and a lease that outlives a restart of the controller.
    """

    NONE = 0
    SHORT = 1
    PATIENT = 2


@dataclass(frozen=True, slots=True)
class Route:
    """The whole routing decision.

    Attributes:
        live: slot that serves what the candidate does not, and everything once the candidate is
            distrusted; None before a first launch and after a withdrawal.
        candidate: slot that receives `candidate_bp` of the requests, or None.
        candidate_bp: share in basis points, 0..10000; 0 when there is no candidate.
        watch: how the router distrusts the candidate by itself.
        generation: names this trial of a candidate; counters, breaker latch and lease carry it, so that
            nothing of an earlier trial leaks into a later one.
        epoch: fencing token of the controller that wrote the route; a router refuses a lower one.
    """

    live: Slot | None
    candidate: Slot | None = None
    candidate_bp: int = 0
    watch: Watch = Watch.NONE
    generation: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        """Refuses what no router could carry out.

        Raises:
            ValueError: share out of range, a share without a candidate, or both roles on one slot.
        """
        if not 0 <= self.candidate_bp <= FULL_BP:
            raise ValueError(f"candidate_bp {self.candidate_bp} is outside 0..{FULL_BP}")
        if self.candidate is None and (self.candidate_bp or self.watch):
            raise ValueError("a share or a watch without a candidate")
        if self.candidate is not None and self.candidate is self.live:
            raise ValueError("live and candidate are the same slot")

    def share_bp(self, slot: Slot) -> int:
        """Basis points of all requests that this route intends for `slot`."""
        if slot is self.candidate:
            return self.candidate_bp
        return FULL_BP - self.candidate_bp if slot is self.live else 0

    def same_decision(self, other: "Route") -> bool:
        """Whether both send requests to the same places under the same watch and generation.

        The epoch is left out: it says who wrote the route, not where requests go.
        """
        return (self.live, self.candidate, self.candidate_bp, self.watch, self.generation) == (
            other.live,
            other.candidate,
            other.candidate_bp,
            other.watch,
            other.generation,
        )

    def text(self) -> str:
        """`blue 90 %, green 10 %` for the log."""
        shares = [(slot, self.share_bp(slot)) for slot in Slot]
        shown = [f"{slot.value} {_percent(share)} %" for slot, share in shares if share]
        return ", ".join(shown) or "nowhere"


def _percent(share_bp: int) -> str:
    whole, part = divmod(share_bp, 100)
    return f"{whole}.{part:02d}".rstrip("0") if part else str(whole)
