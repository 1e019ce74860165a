"""Counts files and functions in src/ that are too long, and holds the counts to tools/ratchet.json.

The numbers written down may only fall. A lower count than written fails too, so that what was gained stays.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ROOT / "tools" / "ratchet.json"
LONG_FILE_LINES = 400
LONG_FUNCTION_LINES = 50


def main() -> int:
    """Report on the tree; 0 when it stands exactly at the numbers written down."""
    problems = check(ROOT / "src", json.loads(ALLOWED.read_text(encoding="utf-8")))
    for problem in problems:
        print(f"ratchet: {problem}", file=sys.stderr)
    return 1 if problems else 0


def check(source: Path, allowed: dict[str, int]) -> list[str]:
    """Say where the sources under `source` differ from the allowed counts; nothing when they do not."""
    found = {"long_files": list(long_files(source)), "long_functions": list(long_functions(source))}
    if found.keys() != allowed.keys():
        return [f"{ALLOWED.name} must name exactly {', '.join(found)}; it names {', '.join(allowed)}"]
    return [
        problem
        for rule, places in found.items()
        if (problem := _difference(rule, places, allowed[rule])) is not None
    ]


def long_files(source: Path) -> Iterator[str]:
    """Yield each Python file of more than LONG_FILE_LINES lines, with its length."""
    for path in sorted(source.rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONG_FILE_LINES:
            yield f"{path.relative_to(source.parent)} ({lines} lines)"


def long_functions(source: Path) -> Iterator[str]:
    """Yield each function of more than LONG_FUNCTION_LINES lines, its docstring included."""
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONG_FUNCTION_LINES:
                yield f"{path.relative_to(source.parent)}:{node.lineno} {node.name} ({lines} lines)"


def _difference(rule: str, places: list[str], allowed: int) -> str | None:
    if len(places) > allowed:
        return f"{rule}: {len(places)} found, {allowed} allowed; split by noun: {', '.join(places)}"
    if len(places) < allowed:
        return f"{rule}: {len(places)} found, {allowed} allowed; write the lower number into {ALLOWED.name}"
    return None


if __name__ == "__main__":
    sys.exit(main())
