"""The route as one value, and back: `live:candidate:bp:watch:generation:epoch`."""

from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot

NONE = "none"
NOWHERE = Route(live=None)


def to_text(route: Route) -> str:
    """One word."""
    live = route.live.value if route.live else NONE
    candidate = route.candidate.value if route.candidate else NONE
    return f"{live}:{candidate}:{route.candidate_bp}:{route.watch:d}:{route.generation}:{route.epoch}"


def from_text(text: str) -> Route:
    """The route that a word stands for.

    Raises:
        ValueError: it is none.
    """
    live, candidate, share_bp, watch, generation, epoch = text.split(":")
    return Route(
        live=None if live == NONE else Slot(live),
        candidate=None if candidate == NONE else Slot(candidate),
        candidate_bp=int(share_bp),
        watch=Watch(int(watch)),
        generation=int(generation),
        epoch=int(epoch),
    )


def trial_of(route: Route) -> str:
    """Key of the candidate's latch and lease: nothing of an earlier trial has the same."""
    return f"{route.candidate.value if route.candidate else NONE}@{route.generation}"
