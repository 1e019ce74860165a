"""Holds what the text of tracked files may and must say."""

import ast
import re
import tomllib

import pytest

from tests.architecture.tree import ROOT, SOURCE, modules, tracked_files, tracked_lines

# Written in pieces, or this file would name what it looks for.
REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(".".join(labels))
        for labels in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("registry", "yarnpkg", "com"),
            ("rubygems", "org"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
            ("deb", "debian", "org"),
            ("archive", "ubuntu", "com"),
        ]
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/")
IGNORE_WITHOUT_REASON = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?)\W*$"
)


def test_no_tracked_file_names_a_package_registry() -> None:
    assert [place for place, line in tracked_lines() if REGISTRY_HOSTS.search(line)] == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert [place for place, line in tracked_lines() if MACHINE_PATHS.search(line)] == []


def test_every_module_says_what_lives_in_it() -> None:
    assert [place for place, module in modules(SOURCE) if not ast.get_docstring(module)] == []


def test_every_ignored_finding_carries_its_reason_on_the_line() -> None:
    python_files = {str(path.relative_to(ROOT)) for path in tracked_files() if path.suffix == ".py"}
    bare = [
        place
        for place, line in tracked_lines()
        if place.rpartition(":")[0] in python_files and IGNORE_WITHOUT_REASON.search(line)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("line", "is_bare"),
    [
        ("x = f()  # " + "noqa: S603", True),
        ("x = f()  # " + "noqa: S603, S607", True),
        ("x = f()  # " + "type: ignore[arg-type]", True),
        ("x = f()  # " + "noqa: S603 - the arguments are constants", False),
        ("x = f()  # " + "type: ignore[arg-type]  # the stub is older than the library", False),
    ],
)
def test_a_reason_is_told_from_a_bare_ignore(line: str, *, is_bare: bool) -> None:
    assert bool(IGNORE_WITHOUT_REASON.search(line)) is is_bare


def test_every_rule_ignored_for_whole_files_carries_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    rules = {*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)}
    reasoned = set(re.findall(r'^    "([A-Z]+\d*)",\s+# \w', text, flags=re.MULTILINE))
    assert rules - reasoned == set()
