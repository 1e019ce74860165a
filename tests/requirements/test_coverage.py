"""What requirements.yaml claims is what the tests' marks prove."""

from pathlib import Path
from typing import Any

import pytest

from tests.requirements.coverage import IDS, ROOT, contradictions, marks, requirements

DEFERRED = {"title": "t", "status": "deferred", "reason": "Not built yet."}
TESTED = {"title": "t", "status": "tested", "where": ["src"]}


def register(**entries: Any) -> dict[str, Any]:  # noqa: ANN401 - an entry, right or wrong
    return {**dict.fromkeys(IDS, DEFERRED), **entries}


def test_every_claim_holds() -> None:
    assert contradictions(requirements(), marks(ROOT / "tests"), ROOT) == []


@pytest.mark.parametrize(
    ("entries", "marked", "contradiction"),
    [
        ({"R6": TESTED}, [], "R6 is said to be tested and no test names it"),
        ({"R6": {**TESTED, "status": "built"}}, ["R6"], "R6 is named by tests: call it tested"),
        ({"R6": {**DEFERRED, "reason": ""}}, [], "R6 has no reason"),
        ({"R6": {"title": "t", "status": "deferred"}}, [], "R6 has no reason"),
        ({"R6": {**DEFERRED, "title": ""}}, [], "R6 has no title"),
        ({"R6": {**TESTED, "where": []}}, ["R6"], "R6 has no where"),
        ({"R6": {**TESTED, "where": ["moon"]}}, ["R6"], "R6 names moon, which is not there"),
        ({"R6": {**DEFERRED, "where": ["src"]}}, [], "R6 is deferred and cannot have where"),
        ({"R6": {**DEFERRED, "status": "done"}}, [], "R6 has the unknown status 'done'"),
        ({"R29": DEFERRED}, [], "the register does not hold R1 to R28 in their order"),
        ({}, ["R29"], "R29 is marked by test_x.py::test_y and stands nowhere"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(
    entries: dict[str, Any], marked: list[str], contradiction: str
) -> None:
    by_id = {name: ["test_x.py::test_y"] for name in marked}
    assert contradictions(register(**entries), by_id, ROOT) == [contradiction]


@pytest.mark.parametrize("is_marked", [False, True])
def test_a_deferred_requirement_may_be_proven_in_part(is_marked: bool) -> None:
    marked = {"R6": ["test_x.py::test_y"]} if is_marked else {}
    assert contradictions(register(), marked, ROOT) == []


MARKED = """
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.req("R1")]

@pytest.mark.req("R2", "R3")
@pytest.mark.parametrize("x", [1])
def test_one(x): ...

@pytest.mark.req("R4")
def helper(): ...

@pytest.mark.req("R5")
class TestSeveral:
    pytestmark = pytest.mark.req("R6")

    def test_two(self): ...
"""


def test_marks_are_those_of_tests_their_classes_and_their_modules(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(MARKED, encoding="utf-8")
    one, two = "test_a.py::test_one", "test_a.py::test_two"
    assert marks(tmp_path) == {"R1": [one, two], "R2": [one], "R3": [one], "R5": [two], "R6": [two]}


def test_a_file_that_is_no_test_marks_nothing(tmp_path: Path) -> None:
    (tmp_path / "plans.py").write_text(MARKED, encoding="utf-8")
    assert marks(tmp_path) == {}
