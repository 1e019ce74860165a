"""What gitleaks and detect-secrets found, without the secrets. Pure; must not read a file."""

from typing import Any

from tminus.adapters.report.told import objects, text, whole

MOST_FOUND = 1_000
"""That a summary names; nobody reads more."""


def leaks_summary(report: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What a report says.

    Returns:
        `found`: rows of rule, path and line; nothing of what stands there.

    Raises:
        ValueError: this is no report of either.
        TypeError: as ValueError.
    """
    if isinstance(report, list):
        rows = [_row(each, "RuleID", "File", "StartLine") for each in report]
    elif isinstance(report, dict) and isinstance(report.get("results"), dict):
        found = [each for some in report["results"].values() for each in objects(some)]
        rows = [_row(each, "type", "filename", "line_number") for each in found]
    else:
        raise TypeError("it is no report of gitleaks or detect-secrets")
    return {"found": rows[:MOST_FOUND]}


def _row(found: Any, rule: str, path: str, line: str) -> list[Any]:  # noqa: ANN401 - any JSON
    if not isinstance(found, dict) or not text(found.get(path)):
        raise ValueError("what was found has no file")
    return [text(found.get(rule), 60), text(found.get(path), 200), whole(found.get(line)) or 0]
