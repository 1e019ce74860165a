"""`router` of launch.yaml, as a model, a domain value and a rule. Must not know what a router can do."""

from collections.abc import Iterator
from typing import Annotated

from tminus.domain.plan.router import RouterChoice, RouterName
from tminus.plan.kinds import StepLine, Words, one_of
from tminus.plan.section import TMINUS, Section, default_of, given, usual
from tminus.plan.tree import Text, Tree

OWN_RELOAD = ("nginx", "-s", "reload")
OWN_TEST = ("nginx", "-t")


def in_one_word(value: Tree) -> Tree:
    """`router: traefik` for a router without settings."""
    return {"name": value} if isinstance(value, Text) else value


class RouterSection(Section):
    """The router before the service. In one word: its name."""

    name: Annotated[RouterName, one_of(RouterName)] = usual(
        default_of(RouterChoice, "name"), TMINUS, "haproxy, traefik or nginx"
    )
    file: Words | None = given(
        "nginx only: absolute path of the file that tminus writes and nginx includes",
        default=None,
        examples=["/etc/nginx/tminus/shop.conf"],
    )
    reload: StepLine | None = given(
        "nginx only: has nginx read it again; `nginx -s reload` when not given", default=None
    )
    test: StepLine | None = given(
        "nginx only: says whether nginx could; `nginx -t` when not given", default=None
    )


def router_of(section: RouterSection) -> RouterChoice:
    """As the domain has it."""
    if section.name is not RouterName.NGINX:
        return RouterChoice(section.name)
    return RouterChoice(
        section.name, section.file or "", section.reload or OWN_RELOAD, section.test or OWN_TEST
    )


def mistakes_of(section: RouterSection) -> Iterator[tuple[str, str, str]]:
    """Key, what is wrong and what to do, for every setting that does not fit the router."""
    if section.name is RouterName.NGINX:
        if section.file is None:
            what = "`router` is an nginx of yours, and does not say which file it includes"
            yield "name", what, "add `file: /etc/nginx/tminus/NAME.conf`, and include that in nginx"
        elif not section.file.startswith("/"):
            yield "file", f"`{section.file}` is relative to nobody knows where", "write an absolute path"
        return
    for key in ("file", "reload", "test"):
        if key in section.model_fields_set:
            what = f"`router.{key}` is for an nginx of yours, and the router is {section.name}"
            yield key, what, f"remove `{key}`, or write `name: nginx`"
