import json

import pytest

from tests.probes.repository import Repository, ask, said
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.coverage import COVERAGE, CoverageSettings

pytestmark = pytest.mark.req("R17")


def cobertura(rate: str = "0.75", more: str = "") -> str:
    lines = "".join(f'<line number="{n}" hits="{int(n < 4)}"/>' for n in range(1, 5))
    return f"""<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>
<coverage line-rate="{rate}" {more}><packages><package><classes>
<class filename="shop/cart.py"><methods><method><lines>{lines}</lines></method></methods>
<lines>{lines.replace('number="1"', 'number="1" condition-coverage="50% (1/2)"')}</lines></class>
</classes></package></packages></coverage>"""


def coverage_py(covered: int = 3, percent: float = 75.0) -> str:
    summary = {"covered_lines": covered, "num_statements": 4}
    return json.dumps(
        {"meta": {}, "files": {"a.py": {"summary": summary}}, "totals": {"percent_covered": percent}}
    )


LCOV = """TN:
SF:shop/cart.js
DA:1,1
DA:2,5
DA:3,1
DA:4,0
BRDA:1,0,0,1
BRDA:1,0,1,-
end_of_record
"""
TWICE = f"{LCOV}TN:other\nSF:shop/cart.js\nDA:4,2\nend_of_record\n"


def judge(repository: Repository, report: str, lines: str = "", branches: str = "") -> Answer:
    repository.write("coverage.out", report)
    return ask(COVERAGE, CoverageSettings(("coverage.out",), lines, branches), repository.around())


@pytest.mark.parametrize("report", [cobertura(), coverage_py(), LCOV])
def test_each_format_is_judged_by_its_lines_just_inside_and_just_outside(
    repository: Repository, report: str
) -> None:
    assert said(judge(repository, report, "75 %")) == (Outcome.PASS, "tests reach 75 % of 4 lines")
    assert said(judge(repository, report, "75.0001 %")) == (
        Outcome.FAIL,
        "tests reach 75 % of 4 lines, at least 75.0001 % is wanted",
    )


@pytest.mark.parametrize("report", [cobertura(), LCOV])
def test_branches_are_judged_apart(repository: Repository, report: str) -> None:
    answer = judge(repository, report, "75 %", "60%")
    assert said(answer) == (Outcome.FAIL, "tests reach 50 % of 2 branches, at least 60% is wanted")
    assert ("branches_ppm", 500_000) in answer.facts


def test_a_line_that_stands_there_twice_counts_once_as_reached(repository: Repository) -> None:
    assert said(judge(repository, TWICE, "100 %")) == (Outcome.PASS, "tests reach 100 % of 4 lines")


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (cobertura(rate="0.99"), "it claims 99.00 % and its lines make 75.00 %"),
        (coverage_py(covered=1, percent=99.0), "it claims 99.00 % and its lines make 25.00 %"),
        ("<testsuites/>", "its outermost element is not coverage: no Cobertura report"),
        ("{}", "it has no files and totals: no report of coverage.py"),
        ("hello", "it is neither Cobertura XML, JSON of coverage.py nor lcov"),
        ("SF:a\nDA:1,x\n", "a line does not say how often it was hit"),
    ],
)
def test_a_report_that_lies_or_is_none_says_nothing(repository: Repository, report: str, why: str) -> None:
    assert said(judge(repository, report, "10 %")) == (Outcome.INCONCLUSIVE, f"coverage.out: {why}")


@pytest.mark.parametrize(("report", "branches"), [("SF:a\nend_of_record\n", ""), (coverage_py(), "50 %")])
def test_nothing_counted_is_no_coverage(repository: Repository, report: str, branches: str) -> None:
    answer = judge(repository, report, "" if branches else "50 %", branches)
    name = "branches" if branches else "lines"
    assert said(answer) == (Outcome.INCONCLUSIVE, f"the reports hold no {name}, and none is no coverage")


@pytest.mark.parametrize("limits", [("", ""), ("0 %", ""), ("101 %", ""), ("80", "")])
def test_settings_that_ask_for_nothing_are_refused(limits: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="%"):
        CoverageSettings(("coverage.out",), *limits)
