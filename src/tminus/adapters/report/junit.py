"""JUnit XML, counted. Pure; must not read a file.

There is no one schema: what is read is what Surefire, pytest, Gradle, Jest and GoogleTest have in common.
Every `testcase` is counted, and what a suite claims of itself is kept beside that.
"""

from collections.abc import Mapping
from typing import Any

from tminus.adapters.report.markup import walk
from tminus.adapters.report.told import moment, oldest, text, whole

MOST_NAMES = 10
"""Names of failed cases that a summary holds."""

_SUITES, _SUITE, _CASE = "testsuites", "testsuite", "testcase"
_BAD = ("failure", "error")
_FLAKY = ("flakyFailure", "flakyError")


class _Counting:
    """What was counted so far."""

    def __init__(self) -> None:
        self.tests = self.failed = self.skipped = self.flaky = 0
        self.names: list[str] = []
        self.moments: list[tuple[int, bool]] = []
        self.claims: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
        self.outside = 0  # failures of a suite and of no case, as of one that could not be set up
        self._name = ""
        self._marks: set[str] = set()

    def begin(self, path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        """See `markup.Begin`."""
        name = path[-1]
        if len(path) == 1 and name not in (_SUITES, _SUITE):
            raise ValueError(f"its outermost element is {text(name, 40)}: no JUnit report")
        if name in (_SUITES, _SUITE):
            self.claims.setdefault(path, []).append(attributes)
            found = moment(attributes.get("timestamp"))
            if name == _SUITE and found is not None:
                self.moments.append(found)
        elif name == _CASE:
            self._name = f"{attributes.get('classname', '')}::{attributes.get('name', '')}".removeprefix("::")
            self._marks = {"skipped"} if attributes.get("status") in ("notrun", "skipped") else set()
        elif len(path) > 1 and path[-2] == _CASE:
            self._marks.add(name)
        elif name in _BAD and path[-2] == _SUITE:
            self.outside += 1

    def end(self, path: tuple[str, ...]) -> None:
        """See `markup.End`."""
        if path[-1] != _CASE:
            return
        self.tests += 1
        if self._marks.intersection(_BAD):
            self.failed += 1
            if len(self.names) < MOST_NAMES:
                self.names.append(text(self._name))
        elif "skipped" in self._marks:
            self.skipped += 1
        elif self._marks.intersection(_FLAKY):
            self.flaky += 1

    def claimed(self, name: str) -> int:
        """What the outermost suites that say so claim in that attribute."""
        for path in sorted(self.claims, key=len):
            found = [whole(attributes.get(name)) for attributes in self.claims[path]]
            if any(each is not None for each in found):
                return sum(each or 0 for each in found)
        return 0


def junit_summary(content: bytes) -> dict[str, Any]:
    """What a report says.

    Returns:
        `tests`, `failed` (with errors), `skipped`, `flaky` (passed when they were repeated): cases that were
        counted; `claimed`, `claimed_failed`: what the outermost suites say; `names` of failed cases;
        `told_ms`, `exact`: when the oldest suite began, see `told.oldest`.

    Raises:
        ValueError: this is no JUnit report.
    """
    counting = _Counting()
    walk(content, counting.begin, counting.end)
    return {
        "tests": counting.tests,
        "failed": counting.failed + counting.outside,
        "skipped": counting.skipped,
        "flaky": counting.flaky,
        "claimed": counting.claimed("tests"),
        "claimed_failed": counting.claimed("failures") + counting.claimed("errors"),
        "names": counting.names,
        **oldest(counting.moments),
    }
