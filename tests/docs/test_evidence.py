"""The page on evidence gives the numbers that the code has."""

import re

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import text_of
from tminus.domain.watch.evidence.clean_run import clean_run
from tminus.domain.watch.evidence.detector import RESTARTS, START
from tminus.domain.watch.evidence.metric import Group
from tminus.domain.watch.evidence.rules import TEMPER, WEIGHTS

PAGE = text_of(ROOT / "docs/concepts/evidence.md")
ROWS = re.findall(r"^\| ([0-9.]+) %(?:, [^|]*)? \| (\d+) \|$", PAGE, re.MULTILINE)


def test_the_table_of_clean_cases_is_there() -> None:
    assert len(ROWS) == 4


@pytest.mark.parametrize(("percent", "cases"), ROWS)
def test_a_pass_takes_as_many_clean_cases_as_the_page_says(percent: str, cases: str) -> None:
    assert clean_run(float(percent) / 100) == int(cases)


def test_the_formula_has_the_constants_of_the_code() -> None:
    assert f"R_j(0) = {START} ;  {RESTARTS} restarts share {1 - START:.1f} evenly" in PAGE
    assert f"**Tempering**: {TEMPER} times the dispersion for rollbacks" in PAGE
    assert f"relative {WEIGHTS[Group.RELATIVE]}, availability {WEIGHTS[Group.AVAILABILITY]}" in PAGE
    assert WEIGHTS[Group.PAYMENT] == WEIGHTS[Group.LATENCY]
    assert f"payment and latency {WEIGHTS[Group.LATENCY]} each" in PAGE
