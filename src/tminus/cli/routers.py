"""What each router can do, and whether a plan fits the one that it chose."""

from collections.abc import Mapping
from pathlib import Path

from tminus.adapters.haproxy.capabilities import CAPABILITIES as HAPROXY
from tminus.adapters.nginx.capabilities import CAPABILITIES as NGINX
from tminus.adapters.traefik.capabilities import CAPABILITIES as TRAEFIK
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.plan.capability import check_capabilities
from tminus.plan.load import LoadedPlan, load_plan
from tminus.plan.tree import Source
from tminus.ports.router import RouterCapabilities

ROUTERS: Mapping[str, RouterCapabilities] = {each.name: each for each in (HAPROXY, TRAEFIK, NGINX)}
"""By the name that a plan calls it."""

LACKS: Mapping[str, str] = {
    "weights": "shares",
    "breaker": "a breaker",
    "lease": "a lease",
    "drain": "counting what is in flight",
    "class_counts": "counts per class",
    "apart": "a drain per class",
    "sticky": "clients that stay",
    "assets": "files of both versions",
    "hosted": "a public port that survives it",
    "forgets": "forgetting a trial when it is started again",
    "lossless": "routes that are written without loss",
}
"""How each capability is called where it is missing."""


def load_fitting(file: Path) -> LoadedPlan:
    """The plan in a file, if its router can do what it asks for.

    Raises:
        ProblemError: with every mistake, each with line and column.
    """
    loaded = load_plan(file)
    problems = beyond_router(loaded.plan, loaded.source)
    if problems:
        raise ProblemError(*problems)
    return loaded


def beyond_router(plan: Plan, source: Source | None = None) -> tuple[Problem, ...]:
    """Everything that the plan asks for and its router cannot do."""
    return check_capabilities(plan, ROUTERS[plan.router.name], source)


def lost_with(capabilities: RouterCapabilities) -> tuple[str, ...]:
    """What a launch goes without, in words."""
    return tuple(text for name, text in LACKS.items() if not getattr(capabilities, name))
