"""Holds the size ratchet, and that the ratchet itself bites."""

import json
from pathlib import Path

import pytest

from tests.architecture.tree import SOURCE
from tools import ratchet

LONG_FUNCTION = "def long() -> None:\n" + "    pass\n" * ratchet.LONG_FUNCTION_LINES
LONG_FILE = "\n" * (ratchet.LONG_FILE_LINES + 1)


def test_the_tree_stands_at_the_numbers_written_down() -> None:
    assert ratchet.check(SOURCE, json.loads(ratchet.ALLOWED.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "allowed", "expected"),
    [
        (
            LONG_FUNCTION,
            {"long_files": 0, "long_functions": 0},
            ["long_functions: 1 found, 0 allowed; split by noun: src/noun.py:1 long (51 lines)"],
        ),
        (
            LONG_FILE,
            {"long_files": 0, "long_functions": 0},
            ["long_files: 1 found, 0 allowed; split by noun: src/noun.py (401 lines)"],
        ),
        (
            "",
            {"long_files": 1, "long_functions": 0},
            ["long_files: 0 found, 1 allowed; write the lower number into ratchet.json"],
        ),
        (
            "",
            {"long_files": 0},
            ["ratchet.json must name exactly long_files, long_functions; it names long_files"],
        ),
        (LONG_FUNCTION, {"long_files": 0, "long_functions": 1}, []),
    ],
)
def test_a_count_that_differs_is_named(
    tmp_path: Path, source: str, allowed: dict[str, int], expected: list[str]
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "noun.py").write_text(source, encoding="utf-8")
    assert ratchet.check(tmp_path / "src", allowed) == expected
