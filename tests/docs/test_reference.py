"""The reference names everything that is there, and nothing that is not."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SOURCE, modules, tracked_files
from tests.docs.pages import FENCE
from tminus.cli.main import VERBS
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tools import pages as written

REFERENCE = ROOT / "docs" / "reference"
RAISERS = frozenset({"Problem", "Refused", "Unavailable", "Unknown", "refuse"})
CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
FIRST_CELL = re.compile(r"^\| (`[^|]+`) \|", re.MULTILINE)


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def kept_modules(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """As `modules`, without files that nobody has added to the tree yet."""
    tracked = {str(path.relative_to(ROOT)) for path in tracked_files()}
    return ((place, module) for place, module in modules(package) if place in tracked)


def raised_codes() -> Iterator[tuple[str, str]]:
    """(code, place) of every error code that the sources give to a fault or problem."""
    for place, module in kept_modules(SOURCE):
        if "/testing/" in place:
            continue
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISERS:
                for argument in (
                    *node.args[:3],
                    *(each.value for each in node.keywords if each.arg == "code"),
                ):
                    value = argument.value if isinstance(argument, ast.Constant) else None
                    if isinstance(value, str) and CODE.fullmatch(value):
                        yield value, f"{place}:{node.lineno}"
                        break


def constants() -> set[str]:
    return {
        node.value
        for _, module in modules(SOURCE)
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("name", written.PARTS)
def test_what_is_written_by_a_program_is_up_to_date(name: str) -> None:
    assert written.renew(ROOT / name, check=True), f"run: python tools/pages.py ({name} differs)"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_on_its_page_with_its_help(verb: str) -> None:
    assert f"### tminus {verb}\n\n```text\n{written.help_of(verb)}\n```\n" in page("cli.md")


def test_every_error_code_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(REFERENCE.glob("*.md")))
    missing = {f"{code} ({place})" for code, place in raised_codes() if f"`{code}`" not in text}
    assert missing == set()


def test_every_documented_error_code_exists() -> None:
    known = constants()
    cells = FIRST_CELL.findall(FENCE.sub("", page("errors.md")))
    codes = {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}
    assert codes
    assert codes - known == set()


def test_every_event_stands_on_its_page_with_its_fields() -> None:
    sections = dict(
        re.findall(r"^### ([\w-]+)\n(.*?)(?=^###? |\Z)", page("events.md"), re.MULTILINE | re.DOTALL)
    )
    shown = {kind: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for kind, text in sections.items()}
    assert shown == {
        kind: [field.name for field in dataclasses.fields(cls)] for kind, cls in ev.KINDS.items()
    }


def test_every_command_and_phase_stands_on_the_page_of_events() -> None:
    text = page("events.md")
    for cls in cmd.Command.__args__:
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(cls))
        assert f"| `{cls.kind}` | {fields} |" in text
    assert [phase.value for phase in Phase if f"`{phase.value}`" not in text] == []


def test_every_port_stands_on_its_page_with_its_methods() -> None:
    text = page("ports.md")
    missing = []
    for place, module in kept_modules(SOURCE / "tminus" / "ports"):
        for node in module.body:
            methods = [each.name for each in ast.iter_child_nodes(node) if isinstance(each, ast.FunctionDef)]
            bases = [base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)]
            if isinstance(node, ast.ClassDef) and "Protocol" in bases and methods:
                cells = ", ".join(f"`{name}`" for name in methods)
                row = rf"\| `{node.name}` \| `\w+` \| [^|]+ \| {re.escape(cells)} \|"
                missing += [] if re.search(row, text) else [f"{place} {node.name}: {cells}"]
    assert missing == []
