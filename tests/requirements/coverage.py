"""Which tests name which requirement, read from the tests' source, and what contradicts requirements.yaml."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
IDS = tuple(f"R{number}" for number in range(1, 29))
FIELDS = {  # per status: what must stand there, and what may
    "built": ({"title", "status", "where"}, {"open"}),
    "tested": ({"title", "status", "where"}, {"open"}),
    "deferred": ({"title", "status", "reason"}, set[str]()),
}

Requirements = Mapping[str, Mapping[str, Any]]
Marks = Mapping[str, Sequence[str]]


def requirements() -> Requirements:
    """The register, by id."""
    loaded: Requirements = yaml.safe_load((ROOT / "requirements.yaml").read_text(encoding="utf-8"))
    return loaded


def marks(tests: Path) -> Marks:
    """Per id, the tests that carry it, as `file::name`."""
    found: dict[str, list[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for name, ids in _marked(module.body, ()):
            for each in ids:
                found.setdefault(each, []).append(f"{path.relative_to(tests)}::{name}")
    return found


def contradictions(register: Requirements, marked: Marks, root: Path) -> list[str]:
    """Every claim that does not hold, one sentence each."""
    wrong = [
        f"{name} is marked by {marked[name][0]} and stands nowhere" for name in marked if name not in IDS
    ]
    if tuple(register) != IDS:
        wrong.append("the register does not hold R1 to R28 in their order")
    for name, entry in register.items():
        wrong += [f"{name} {what}" for what in _entry_faults(entry, bool(marked.get(name)), root)]
    return wrong


def _entry_faults(entry: Mapping[str, Any], is_marked: bool, root: Path) -> Iterator[str]:
    status = entry.get("status")
    if status not in FIELDS:
        yield f"has the unknown status {status!r}"
        return
    needed, allowed = FIELDS[status]
    yield from (f"has no {field}" for field in sorted(needed) if not entry.get(field))
    yield from (f"is {status} and cannot have {field}" for field in sorted(entry.keys() - needed - allowed))
    yield from (
        f"names {place}, which is not there"
        for place in entry.get("where", ())
        if not (root / place).exists()
    )
    if status == "tested" and not is_marked:
        yield "is said to be tested and no test names it"
    if status == "built" and is_marked:
        yield "is named by tests: call it tested"


def _marked(body: Sequence[ast.stmt], inherited: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Tests of a module's or class's body with their ids, those of an enclosing `pytestmark` included."""
    own = inherited + tuple(
        each
        for node in body
        if isinstance(node, ast.Assign)
        if any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)
        for each in _ids(node.value)
    )
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, own + _decorated(node)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _marked(node.body, own + _decorated(node))


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
    return tuple(each for decorator in node.decorator_list for each in _ids(decorator))


def _ids(expression: ast.expr) -> tuple[str, ...]:
    return tuple(
        str(ast.literal_eval(argument))
        for node in ast.walk(expression)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req"
        for argument in node.args
    )
