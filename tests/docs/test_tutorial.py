"""Runs the tutorial as it stands: every file written, every command given, every output compared."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import blocks
from tests.docs.shell import Shell, remove

PAGE = ROOT / "docs" / "tutorial" / "first-launch.md"

# A minute of phases, and as much again on a busy machine.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.skipif(not shutil.which("curl"), reason="the tutorial uses curl")
def test_the_tutorial_does_what_it_says() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tm-"))  # short: sockets lie below it
    shell = Shell(folder)
    try:
        for block in blocks(PAGE):
            if "file" in block.marks:
                shell.write(block)
            elif block.language == "console":
                shell.run(block)
    finally:
        shell.close()
        shell.shut_down("shop")
        remove(folder)
