"""Shapes that events once had, brought up to date. Must not know what an event means.

Whoever changes the shape of a kind raises it here and says what a body of the shape before lacks.
"""

from collections.abc import Callable, Mapping

from tminus.domain.canonical import Json


def _with_figures(body: Json) -> Json:
    """A reading of a time when classes and the database were not read with it."""
    assert isinstance(body, dict)
    return {**body, "classes": [], "database": None}


def _without_evidence(body: Json) -> Json:
    """A verdict of a time when there was no evidence beside it."""
    assert isinstance(body, dict)
    return {**body, "weighed": []}


RAISED: Mapping[str, int] = {"reading-taken": 2, "verdict-reached": 2, "trigger-fired": 2}
"""Newest shape of every kind that has had more than one."""

UPCASTERS: Mapping[tuple[str, int], Callable[[Json], Json]] = {
    ("reading-taken", 1): _with_figures,
    ("verdict-reached", 1): _without_evidence,
    ("trigger-fired", 1): _without_evidence,
}
"""(kind, version) to the function that brings a body to version + 1."""
