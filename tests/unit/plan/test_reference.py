"""The reference pages say what the code does."""

import re

from tests.architecture.tree import ROOT
from tminus.plan.reference import with_keys

REFERENCE = ROOT / "docs" / "reference"
CODE = re.compile(r'"(plan-[a-z-]+)"')


def test_the_tables_of_keys_are_those_of_the_models() -> None:
    page = (REFERENCE / "plan.md").read_text(encoding="utf-8")
    hint = "run: python -m tminus.plan.reference docs/reference/plan.md"
    assert page == with_keys(page), hint


def test_every_code_of_the_plan_is_explained_and_no_other() -> None:
    source = ROOT / "src" / "tminus"
    places = [*(source / "plan").glob("*.py"), source / "cli" / "init.py", source / "engine" / "open.py"]
    used = {code for path in places for code in CODE.findall(path.read_text(encoding="utf-8"))}
    explained = re.findall(
        r"^\| `(plan-[a-z-]+)` \|", (REFERENCE / "errors.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(explained) == sorted(used)
