"""Links between pages lead somewhere, and so do their anchors."""

from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import LINK, anchors, pages, prose

PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)
    assert lost == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for target in LINK.findall(prose(page)) if "://" not in target]
        for there in ((page.parent / name).resolve() for name in targets if name):
            todo += sorted(there.glob("*.md")) if there.is_dir() else [there] if there.suffix == ".md" else []
    documents = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert sorted(str(page.relative_to(ROOT)) for page in documents - reached) == []
