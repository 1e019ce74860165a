"""The handbook's checklists, from the file that is shipped beside this one. Must not know a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from tminus.domain.plan.times import parse_relative_ms
from tminus.plan.tree import Tree, parse_tree

FILE = Path(__file__).with_name("handbook_checks.yaml")


@dataclass(frozen=True, slots=True)
class Binding:
    """Who or what may answer instead of a person.

    Attributes:
        needs: what the plan must have for it.
        probe: kind of probe; empty for work.
        settings: of the probe, as a plan would write them, with placeholders.
        work: jobs of the launch; empty for a probe.
        due_ms: when it can have answered, where that is not when the item is due.
    """

    needs: tuple[str, ...]
    probe: str = ""
    settings: Tree | None = None
    work: tuple[str, ...] = ()
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class HandbookItem:
    """One item; see `domain.plan.checklist.CheckItem`. `states` is what a person of the role states."""

    item: str
    title: str
    section: str
    owner: str
    due_ms: int
    states: str
    asks: tuple[Binding, ...]

    @property
    def checklist(self) -> str:
        """The checklist it belongs to."""
        return self.item.partition("/")[0]


@cache
def handbook_items() -> Mapping[str, HandbookItem]:
    """All of them by id, in the handbook's order."""
    tree = parse_tree(FILE.read_text(encoding="utf-8"), FILE.name).tree
    items = (_item(cast("dict[str, Tree]", each)) for each in tree)
    return {item.item: item for item in items}


def _item(tree: Mapping[str, Tree]) -> HandbookItem:
    return HandbookItem(
        item=str(tree["id"]),
        title=str(tree["title"]),
        section=str(tree.get("section", "")),
        owner=str(tree["owner"]),
        due_ms=parse_relative_ms(str(tree["due"])),
        states=str(tree["states"]),
        asks=tuple(_binding(cast("dict[str, Tree]", each)) for each in tree.get("asks", [])),
    )


def _binding(tree: Mapping[str, Tree]) -> Binding:
    return Binding(
        needs=tuple(str(each) for each in tree.get("needs", [])),
        probe=str(tree.get("probe", "")),
        settings=tree.get("with"),
        work=tuple(str(each) for each in tree.get("work", [])),
        due_ms=parse_relative_ms(str(tree["due"])) if "due" in tree else None,
    )
