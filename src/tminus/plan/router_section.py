"""`router` of launch.yaml, as a model and a domain value. Must not know what a router can do."""

from typing import Annotated

from tminus.domain.plan.router import RouterChoice, RouterName
from tminus.plan.kinds import one_of
from tminus.plan.section import TMINUS, Section, default_of, usual
from tminus.plan.tree import Text, Tree


def in_one_word(value: Tree) -> Tree:
    """`router: traefik` for a router without settings."""
    return {"name": value} if isinstance(value, Text) else value


class RouterSection(Section):
    """The router before the service. In one word: its name."""

    name: Annotated[RouterName, one_of(RouterName)] = usual(
        default_of(RouterChoice, "name"), TMINUS, "haproxy or traefik"
    )


def router_of(section: RouterSection) -> RouterChoice:
    """As the domain has it."""
    return RouterChoice(section.name)
