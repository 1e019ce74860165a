"""Critical findings in parsed SARIF and CycloneDX reports. Pure; must not read a file.

SARIF 2.1.0, section 3.27 (results); CycloneDX 1.4 and later, `vulnerabilities` and their `analysis` (VEX).
A scan that did not finish, or that was none, has no findings to count and is no good news.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

CRITICAL_SCORE = Decimal("9.0")
"""From here on CVSS calls a severity critical."""

_SETTLED = frozenset({"resolved", "resolved_with_pedigree", "false_positive", "not_affected"})


class NoScanError(ValueError):
    """The report is well formed, and tells of no scan that could have found anything."""


def sarif_critical(report: Any) -> int:  # noqa: ANN401 - any JSON
    """Results that are critical, neither suppressed nor gone.

    By `security-severity` of the result or its rule, 9.0 or above; where neither has one, by level `error`.

    Raises:
        ValueError: this is no SARIF report.
        NoScanError: no run, or one that did not finish.
    """
    runs = _list(_object(report, "SARIF").get("runs"), "it has no list `runs`: no SARIF report")
    if not runs:
        raise NoScanError("the report tells of no run")
    count = 0
    for run in runs:
        body = _object(run, "SARIF")
        invocations = body.get("invocations") or []
        if any(isinstance(each, dict) and each.get("executionSuccessful") is False for each in invocations):
            raise NoScanError("the report tells of a scan that did not finish")
        if body.get("results") is None:
            raise NoScanError("the report tells of a run without results")
        rules = _rules(body)
        results = _list(body["results"], "its results are no list")
        count += sum(_is_critical_result(result, rules) for result in results)
    return count


def cyclonedx_critical(report: Any) -> int:  # noqa: ANN401 - any JSON
    """Vulnerabilities rated critical, or 9.0 or above, that no VEX analysis has settled.

    Raises:
        ValueError: this is no CycloneDX report.
        NoScanError: it lists no vulnerabilities at all, as a bill of materials alone does.
    """
    body = _object(report, "CycloneDX")
    if body.get("bomFormat") != "CycloneDX":
        raise ValueError("its bomFormat is not CycloneDX")
    if "vulnerabilities" not in body:
        raise NoScanError("the report has no list of vulnerabilities: it may be a bill of materials alone")
    found = _list(body["vulnerabilities"], "its vulnerabilities are no list")
    return sum(_is_critical_vulnerability(each) for each in found)


def _rules(run: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    tool = run.get("tool")
    driver = tool.get("driver") if isinstance(tool, dict) else None
    rules = driver.get("rules") if isinstance(driver, dict) else None
    if not isinstance(rules, list):
        return {}
    by_index = {f"#{index}": rule for index, rule in enumerate(rules) if isinstance(rule, dict)}
    by_id = {str(rule.get("id")): rule for rule in by_index.values()}
    return {**by_id, **by_index}


def _is_critical_result(result: Any, rules: Mapping[str, Mapping[str, Any]]) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(result, dict):
        raise TypeError("a result is no object")
    accepted = [
        each
        for each in result.get("suppressions") or []
        if isinstance(each, dict) and each.get("status", "accepted") == "accepted"
    ]
    if accepted or result.get("baselineState") == "absent" or result.get("kind", "fail") != "fail":
        return False
    rule = rules.get(f"#{result.get('ruleIndex')}") or rules.get(str(result.get("ruleId"))) or {}
    for owner in (result, rule):
        score = _score(_inside(owner, "properties").get("security-severity"))
        if score is not None:
            return score >= CRITICAL_SCORE
    usual = _inside(rule, "defaultConfiguration").get("level", "warning")
    return bool(result.get("level", usual) == "error")


def _is_critical_vulnerability(vulnerability: Any) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(vulnerability, dict):
        raise TypeError("a vulnerability is no object")
    if _inside(vulnerability, "analysis").get("state") in _SETTLED:
        return False
    return any(
        rating.get("severity") == "critical" or (_score(rating.get("score")) or 0) >= CRITICAL_SCORE
        for rating in _objects(vulnerability.get("ratings"))
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - any JSON
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _inside(owner: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = owner.get(name)
    return found if isinstance(found, dict) else {}


def _score(value: Any) -> Decimal | None:  # noqa: ANN401 - any JSON
    if not isinstance(value, Decimal | str):
        return None
    try:
        score = Decimal(value)
    except InvalidOperation:
        return None
    return score if score.is_finite() else None


def _object(value: Any, what: str) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        raise TypeError(f"it is no {what} report")
    return value


def _list(value: Any, why: str) -> list[Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, list):
        raise TypeError(why)
    return value
