"""Runs what pages mark with `run`, page by page in a scratch folder, and compares what they show."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import blocks, fits, pages
from tests.docs.prepared import prepare
from tests.docs.shell import Shell, remove

RUN = sorted(
    page.relative_to(ROOT).as_posix()
    for page in pages()
    if any("run" in block.marks for block in blocks(page))
)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_a_page_shows_what_its_commands_print(page: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tm-"))
    shell = Shell(folder)
    try:
        prepare(folder / "state")
        for block in blocks(ROOT / page):
            if "file" in block.marks:
                shell.write(block)
            elif "run" in block.marks:
                shell.run(block)
    finally:
        shell.close()
        remove(folder)


def test_some_pages_are_run() -> None:
    assert len(RUN) >= 2
    assert os.access(ROOT / ".venv" / "bin" / "tminus", os.X_OK)


@pytest.mark.parametrize(
    ("shown", "output", "does"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\n…", "a\nb\nc\n", True),
        ("…\nc", "a\nb\nc\n", True),
        ("a … c", "a b c\n", True),
        ("a\nc", "a\nb\nc\n", False),
        ("a", "a\nb\n", False),
        ("a … c", "a b\nc\n", False),
    ],
)
def test_an_ellipsis_stands_for_what_is_left_out(shown: str, output: str, *, does: bool) -> None:
    assert fits(shown, output) is does
