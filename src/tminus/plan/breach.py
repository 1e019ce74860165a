"""A broken rule of a plan, and a rule as a value. Must not hold any rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tminus.domain.problem import Problem
from tminus.plan.model import LaunchFile
from tminus.plan.tree import Path


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken rule.

    Attributes:
        path: what it concerns.
        problem: without a position.
        at_key: shown at the key instead of the value.
    """

    path: Path
    problem: Problem
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A check and the top-level keys it reads: it is left out when one of them could not be typed."""

    check: Callable[[LaunchFile], Iterator[Breach]]
    reads: frozenset[str]
