"""What must hold of `checks`. Must not type single values."""

from collections.abc import Iterator

from tminus.domain.problem import Problem
from tminus.plan.breach import Breach, Rule
from tminus.plan.check_build import compile_checks
from tminus.plan.model import LaunchFile

MOST_CHECKS = 2_000
"""Asked by one job of a launch; a thousand have been measured."""


def _items(file: LaunchFile) -> Iterator[Breach]:
    if file.checks is None:
        return
    compiled = compile_checks(file, file.checks)
    yield from compiled.breaches
    if compiled.breaches:
        return
    if not any(item.blocks for item in compiled.items):
        problem = Problem(
            "plan-bad-check",
            "no check blocks the launch",
            why="a gate without anything to check does not open",
            fix="name one below `checks.items`, keep the handbook's, or write `checks: off`",
        )
        yield Breach(("checks",), problem, at_key=True)
    if len(compiled.items) > MOST_CHECKS:
        problem = Problem("plan-bad-check", f"there are more than {MOST_CHECKS} checks", fix="write fewer")
        yield Breach(("checks", "items"), problem, at_key=True)


def _roles(file: LaunchFile) -> Iterator[Breach]:
    for role, people in ({} if file.checks is None else file.checks.roles).items():
        if not people:
            problem = Problem("plan-bad-check", f"nobody fills the role `{role}`", fix="name somebody")
            yield Breach(("checks", "roles", role), problem)


CHECK_RULES = (
    Rule(_items, frozenset({"checks", "database", "build", "run"})),
    Rule(_roles, frozenset({"checks"})),
)
