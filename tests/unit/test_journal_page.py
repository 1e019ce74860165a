"""The page on the journal holds what it says: its program follows the chain, its tables name every code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SOURCE
from tminus.adapters.database.store import sqlite_store
from tminus.ports.journal import Draft, LaunchRow

PAGE = (ROOT / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")


def test_the_program_on_the_page_follows_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    store = sqlite_store(path)
    drafts = [Draft("noted", 1, 5, {"text": "ü \u2028 😀", "number": number}) for number in range(3)]
    head = store.book.open_launch(LaunchRow("shop-7", "shop", "production", 1, open=True), drafts)
    store.close()
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    outcome = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(path), "shop-7"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert outcome.stdout.strip() == head.hash


@pytest.mark.parametrize("folder", ["adapters/database", "adapters/seal", "domain/launch/chain.py"])
def test_every_code_stands_on_the_page(folder: str) -> None:
    place = SOURCE / "tminus" / folder
    files = [place] if place.is_file() else sorted(place.glob("*.py"))
    raised = re.compile(
        r'(?:Refused|Unavailable|Unknown)\(\s*"([a-z-]+)"|^[A-Z]+ = "([a-z-]+)"$', flags=re.MULTILINE
    )
    codes = {
        code for file in files for pair in raised.findall(file.read_text("utf-8")) for code in pair if code
    }
    assert codes
    assert {code for code in codes if f"| `{code}` |" not in PAGE} == set()
