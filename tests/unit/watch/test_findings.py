"""Critical findings in the reports of scanners; what is no scan has none to count."""

import json
from pathlib import Path
from typing import Any

import pytest

from tminus.adapters.report.findings import cyclonedx_critical, sarif_critical
from tminus.adapters.report.sarif import NoScanError
from tminus.domain.watch.answer_text import parse_answer

pytestmark = pytest.mark.req("R9", "R17")


def parsed(body: Any) -> Any:  # noqa: ANN401 - any JSON
    return parse_answer(json.dumps(body).encode())


def sarif(*results: dict[str, Any], rules: list[dict[str, Any]] | None = None, **run: Any) -> Any:  # noqa: ANN401 - any JSON
    driver = {"driver": {"name": "scanner", "rules": rules or []}}
    return parsed({"version": "2.1.0", "runs": [{"tool": driver, "results": list(results), **run}]})


def vex(*vulnerabilities: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    return parsed({"bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": list(vulnerabilities)})


SEVERE = {"id": "R1", "properties": {"security-severity": "9.8"}}
MILD = {"id": "R2", "properties": {"security-severity": "4.0"}, "defaultConfiguration": {"level": "error"}}


@pytest.mark.parametrize(
    ("result", "count"),
    [
        ({"ruleId": "R1"}, 1),
        ({"ruleIndex": 0}, 1),
        ({"ruleId": "R2", "level": "error"}, 0),
        ({"ruleId": "R2", "properties": {"security-severity": 9.1}}, 1),
        ({"ruleId": "R1", "level": "note"}, 1),
        ({"ruleId": "R1", "suppressions": [{"kind": "external"}]}, 0),
        ({"ruleId": "R1", "suppressions": [{"kind": "external", "status": "rejected"}]}, 1),
        ({"ruleId": "R1", "baselineState": "absent"}, 0),
        ({"ruleId": "R1", "kind": "pass"}, 0),
        ({"ruleId": "unknown", "level": "error"}, 1),
        ({"ruleId": "unknown"}, 0),
    ],
)
def test_a_result_of_sarif_is_critical_by_its_severity(result: dict[str, Any], count: int) -> None:
    assert sarif_critical(sarif(result, rules=[SEVERE, MILD])) == count


@pytest.mark.parametrize(
    ("vulnerability", "count"),
    [
        ({"ratings": [{"severity": "high"}, {"severity": "critical"}]}, 1),
        ({"ratings": [{"score": 9.8, "method": "CVSSv31"}]}, 1),
        ({"ratings": [{"score": 8.9}]}, 0),
        ({"ratings": [{"severity": "critical"}], "analysis": {"state": "not_affected"}}, 0),
        ({"ratings": [{"severity": "critical"}], "analysis": {"state": "in_triage"}}, 1),
        ({}, 0),
    ],
)
def test_a_vulnerability_is_critical_unless_its_analysis_has_settled_it(
    vulnerability: dict[str, Any], count: int
) -> None:
    assert cyclonedx_critical(vex(vulnerability)) == count


def test_a_scan_that_found_nothing_found_nothing() -> None:
    assert (sarif_critical(sarif()), cyclonedx_critical(vex())) == (0, 0)


@pytest.mark.parametrize(
    "report",
    [
        parsed({"runs": []}),
        parsed({"runs": [{"tool": {}}]}),
        sarif(invocations=[{"executionSuccessful": False}]),
    ],
)
def test_no_finished_scan_is_no_good_news(report: object) -> None:
    with pytest.raises(NoScanError):
        sarif_critical(report)


def test_a_bill_of_materials_alone_is_no_scan() -> None:
    with pytest.raises(NoScanError, match="a bill of materials alone"):
        cyclonedx_critical(parsed({"bomFormat": "CycloneDX", "components": []}))


@pytest.mark.parametrize("report", [None, [], "x", {"runs": 1}, {"runs": [1]}, {"bomFormat": "SPDX"}])
def test_what_is_no_report_is_refused(report: object) -> None:
    for count in (sarif_critical, cyclonedx_critical):
        with pytest.raises((ValueError, TypeError)):
            count(report)


@pytest.mark.parametrize("name", ["README.md"])
def test_text_is_no_json(name: str) -> None:
    with pytest.raises(ValueError, match="are not JSON"):
        parse_answer(Path(name).read_bytes())
