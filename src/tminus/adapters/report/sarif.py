"""A parsed SARIF report, counted. Pure; must not read a file.

SARIF 2.1.0, section 3.27 (results), 3.18 and 3.19 (tools and their components). A scan that did not finish,
or that was none, has no findings to count and is no good news.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tminus.adapters.report.told import decimal, inside, moment, objects, oldest, text, whole

LEVELS = ("none", "note", "warning", "error")
"""How bad a result is, the least first."""

NO_SCORE = -1
"""In place of a score of a result that has none, and whose rule has none."""

MOST_NAMES = 10
"""Results that a summary names."""

_TENTHS = 10


class NoScanError(ValueError):
    """The report is well formed, and tells of no scan that could have found anything."""


@dataclass(frozen=True, slots=True)
class _Result:
    level: str
    tenths: int
    rule: str
    place: str


def _badness(result: _Result) -> tuple[int, int, str, str]:
    return -result.tenths, -LEVELS.index(result.level), result.rule, result.place


@dataclass(slots=True)
class _Found:
    results: list[_Result] = field(default_factory=list)
    suppressed: int = 0
    rules: int = 0
    tools: set[str] = field(default_factory=set)
    commits: set[str] = field(default_factory=set)
    moments: list[tuple[int, bool]] = field(default_factory=list)


def sarif_summary(report: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What a report says.

    Returns:
        `findings`: rows of a level, a score (`security-severity` of the result or its rule, in tenths,
        `NO_SCORE` without one) and how many results have both, neither suppressed nor gone; `suppressed`;
        `rules` and `tools` that the runs name; `commits` that were scanned; `names` of the worst; `told_ms`,
        `exact` as `told.oldest`.

    Raises:
        ValueError: this is no SARIF report.
        TypeError: as ValueError.
        NoScanError: no run, or one that did not finish.
    """
    runs = _list(_object(report, "SARIF").get("runs"), "it has no list `runs`: no SARIF report")
    if not runs:
        raise NoScanError("the report tells of no run")
    found = _Found()
    for run in runs:
        _read_run(_object(run, "SARIF"), found)
    rows = Counter((each.level, each.tenths) for each in found.results)
    worst = sorted(found.results, key=_badness)
    return {
        "findings": [[level, tenths, count] for (level, tenths), count in sorted(rows.items())],
        "suppressed": found.suppressed,
        "rules": found.rules,
        "tools": sorted(found.tools),
        "commits": sorted(found.commits),
        "names": [f"{each.level} {each.rule} {each.place}".strip() for each in worst[:MOST_NAMES]],
        **oldest(found.moments),
    }


def _read_run(run: Mapping[str, Any], found: _Found) -> None:
    invocations = objects(run.get("invocations"))
    if any(each.get("executionSuccessful") is False for each in invocations):
        raise NoScanError("the report tells of a scan that did not finish")
    if run.get("results") is None:
        raise NoScanError("the report tells of a run without results")
    results = _list(run["results"], "its results are no list")
    tool = inside(run, "tool")
    components = [inside(tool, "driver"), *objects(tool.get("extensions"))]
    found.tools.add(text(components[0].get("name"), 60))
    found.rules += sum(len(objects(each.get("rules"))) for each in components)
    ends = [moment(each.get("endTimeUtc") or each.get("startTimeUtc")) for each in invocations]
    found.moments += [each for each in ends if each is not None]
    for source in objects(run.get("versionControlProvenance")):
        found.commits.update({text(source.get("revisionId"), 64)} - {""})
    known = [_Rules(each) for each in components]
    for result in results:
        if not isinstance(result, dict):
            raise TypeError("a result is no object")
        if _is_gone(result):
            continue
        if _is_suppressed(result):
            found.suppressed += 1
        else:
            found.results.append(_result(result, _rule_of(result, known)))


class _Rules:
    """Rules of one component of a tool, by place and by name."""

    def __init__(self, component: Mapping[str, Any]) -> None:
        rules = component.get("rules")
        self._all = rules if isinstance(rules, list) else []
        self._by_id = {str(each.get("id")): each for each in objects(self._all)}

    def find(self, index: Any, name: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - any JSON
        at = whole(index)
        if at is not None and at < len(self._all) and isinstance(self._all[at], dict):
            rule: Mapping[str, Any] = self._all[at]
            return rule
        return self._by_id.get(str(name))


def _rule_of(result: Mapping[str, Any], known: list[_Rules]) -> Mapping[str, Any]:
    reference = inside(result, "rule")
    index = reference.get("index", result.get("ruleIndex"))
    name = reference.get("id", result.get("ruleId"))
    # Extensions are counted from 0, and stand behind the driver here.
    component = whole(inside(reference, "toolComponent").get("index"))
    place = 0 if component is None else component + 1
    found = known[place].find(index, name) if place < len(known) else None
    return found or {}


def _is_gone(result: Mapping[str, Any]) -> bool:
    return result.get("baselineState") == "absent" or result.get("kind", "fail") != "fail"


def _is_suppressed(result: Mapping[str, Any]) -> bool:
    return any(each.get("status", "accepted") == "accepted" for each in objects(result.get("suppressions")))


def _result(result: Mapping[str, Any], rule: Mapping[str, Any]) -> _Result:
    usual = inside(rule, "defaultConfiguration").get("level", "warning")
    level = result.get("level", usual)
    scores = (decimal(inside(owner, "properties").get("security-severity")) for owner in (result, rule))
    score = next((each for each in scores if each is not None), None)
    tenths = NO_SCORE if score is None else int(max(Decimal(0), score) * _TENTHS)
    rule_id = text(result.get("ruleId") or inside(result, "rule").get("id") or rule.get("id"), 80)
    # A level that nobody knows is not taken for harmless.
    return _Result(level if level in LEVELS else "error", tenths, rule_id, _place(result))


def _place(result: Mapping[str, Any]) -> str:
    for location in objects(result.get("locations")):
        physical = inside(location, "physicalLocation")
        file = text(inside(physical, "artifactLocation").get("uri"), 160)
        line = whole(inside(physical, "region").get("startLine"))
        return f"{file}:{line}" if file and line is not None else file
    return ""


def _object(value: Any, what: str) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        raise TypeError(f"it is no {what} report")
    return value


def _list(value: Any, why: str) -> list[Any]:  # noqa: ANN401 - any JSON
    if not isinstance(value, list):
        raise TypeError(why)
    return value
