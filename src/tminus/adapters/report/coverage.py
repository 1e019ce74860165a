"""Coverage of code by tests in Cobertura XML, JSON of coverage.py, or lcov, counted line by line.

Pure; must not read a file. Shares that a report only claims are compared with what its lines make.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tminus.adapters.report.markup import walk
from tminus.adapters.report.told import decimal, inside, moment, oldest, whole
from tminus.domain.watch.answer_text import parse_answer

_CONDITIONS = re.compile(r"\((\d{1,9})/(\d{1,9})\)")
_TOLERATED = Decimal("0.01")  # tools round, and some count a line of two classes twice


def coverage_summary(content: bytes) -> dict[str, Any]:
    """What a report says; its format is told by its first character.

    Returns:
        `format`; `lines`, `covered_lines`, `branches`, `covered_branches`: counted; `files`; `told_ms`,
        `exact` as `told.oldest`.

    Raises:
        ValueError: it is none of the formats, or claims more than its lines make.
    """
    first = content.lstrip()[:1]
    if first == b"<":
        return _cobertura(content)
    if first == b"{":
        return _coverage_py(content)
    return _lcov(content)


class _Lines:
    """Lines and branches by file and number: what stands there twice counts once."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._hit: dict[tuple[str, str], bool] = {}
        self._conditions: dict[tuple[str, str], tuple[int, int]] = {}

    def line(self, file: str, number: str, *, hit: bool) -> None:
        key = (file, number)
        self._hit[key] = self._hit.get(key, False) or hit

    def conditions(self, file: str, number: str, covered: int, of: int) -> None:
        before = self._conditions.get((file, number), (0, 0))
        self._conditions[(file, number)] = max(before, (min(covered, of), of))

    def summary(self, kind: str, moments: list[tuple[int, bool]]) -> dict[str, Any]:
        return {
            "format": kind,
            "files": len(self.files),
            "lines": len(self._hit),
            "covered_lines": sum(self._hit.values()),
            "branches": sum(of for _, of in self._conditions.values()),
            "covered_branches": sum(covered for covered, _ in self._conditions.values()),
            **oldest(moments),
        }


def _cobertura(content: bytes) -> dict[str, Any]:
    found = _Lines()
    root: dict[str, str] = {}
    file = ""

    def begin(path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        nonlocal file
        if len(path) == 1:
            if path[0] != "coverage":
                raise ValueError("its outermost element is not coverage: no Cobertura report")
            root.update(attributes)
        elif path[-1] == "class":
            file = attributes.get("filename", "")
            found.files.add(file)
        elif path[-1] == "line" and path[-3:-1] == ("class", "lines"):
            number, hits = attributes.get("number", ""), whole(attributes.get("hits"))
            if hits is None:
                raise ValueError("a line does not say how often it was hit")
            found.line(file, number, hit=hits > 0)
            branches = _CONDITIONS.search(attributes.get("condition-coverage", ""))
            if branches:
                found.conditions(file, number, int(branches[1]), int(branches[2]))

    walk(content, begin)
    at = moment(root.get("timestamp"))
    summary = found.summary("cobertura", [] if at is None else [at])
    _compare(decimal(root.get("line-rate")), summary["covered_lines"], summary["lines"])
    return summary


def _compare(claimed: Decimal | None, covered: int, of: int) -> None:
    if claimed is not None and of and claimed > Decimal(covered) / of + _TOLERATED:
        made = Decimal(covered * 100) / of
        raise ValueError(f"it claims {claimed * 100:.2f} % and its lines make {made:.2f} %")


def _coverage_py(content: bytes) -> dict[str, Any]:
    body = parse_answer(content)
    files = body.get("files")
    if not isinstance(files, dict) or "totals" not in body:
        raise ValueError("it has no files and totals: no report of coverage.py")
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    sums = dict.fromkeys(names, 0)
    for each in files.values():
        for name in names:
            sums[name] += whole(inside(each, "summary").get(name)) or 0
    at = moment(inside(body, "meta").get("timestamp"))
    share = decimal(inside(body, "totals").get("percent_covered"))
    of = sums["num_statements"] + sums["num_branches"]
    _compare(None if share is None else share / 100, sums["covered_lines"] + sums["covered_branches"], of)
    return {
        "format": "coverage.py",
        "files": len(files),
        "lines": sums["num_statements"],
        "covered_lines": min(sums["covered_lines"], sums["num_statements"]),
        "branches": sums["num_branches"],
        "covered_branches": min(sums["covered_branches"], sums["num_branches"]),
        **oldest([] if at is None else [at]),
    }


def _lcov(content: bytes) -> dict[str, Any]:
    found = _Lines()
    taken: dict[tuple[str, str], dict[str, bool]] = {}
    file = ""
    for name, value in _records(content):
        parts = value.split(",")
        if name == "SF":
            file = value
            found.files.add(file)
        elif name == "DA" and len(parts) > 1:
            hits = whole(parts[1])
            if hits is None:
                raise ValueError("a line does not say how often it was hit")
            found.line(file, parts[0], hit=hits > 0)
        elif name == "BRDA" and len(parts) == 4:  # noqa: PLR2004 - line, block, branch, taken
            ways = taken.setdefault((file, parts[0]), {})
            way = f"{parts[1]},{parts[2]}"
            ways[way] = ways.get(way, False) or parts[3] not in ("-", "0")
    if not found.files:
        raise ValueError("it is neither Cobertura XML, JSON of coverage.py nor lcov")
    for (of_file, number), ways in taken.items():
        found.conditions(of_file, number, sum(ways.values()), len(ways))
    return found.summary("lcov", [])


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    for line in lines:
        name, colon, value = line.strip().partition(":")
        if colon:
            yield name, value
