"""The project speaks of itself alone, and its figures name the command they come from."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import pages, text_of

SUPERLATIVES = re.compile(
    r"\b(?:blazing|seamless\w*|effortless\w*|world-class|cutting-edge|revolutionary)\b", re.IGNORECASE
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_does_not_advertise(page: Path) -> None:
    assert SUPERLATIVES.findall(text_of(page)) == []


def test_the_readme_shows_a_picture_that_is_there_and_small() -> None:
    (name,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text_of(ROOT / "README.md"))
    assert (ROOT / name).stat().st_size < 200_000
