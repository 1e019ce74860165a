"""A parsed CycloneDX document, counted. Pure; must not read a file.

CycloneDX 1.4 and later: `components`, `vulnerabilities` and their `analysis` (VEX).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from tminus.adapters.report.told import decimal, inside, moment, objects, oldest, text

SEVERITIES = ("none", "info", "low", "medium", "high", "critical")
"""How bad a vulnerability is, the least first."""

UNKNOWN = "unknown"
"""In place of a severity that no rating tells."""

NOT_AFFECTED = "not_affected"
_SETTLED = frozenset({"resolved", "resolved_with_pedigree", "false_positive"})
_FROM = (("critical", Decimal(9)), ("high", Decimal(7)), ("medium", Decimal(4)), ("low", Decimal("0.1")))
_MOST_DEPTH = 100  # of components inside components
_MOST_VULNERABILITIES = 20_000  # of a document; a whole distribution has fewer


def cyclonedx_summary(report: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """What a document says.

    Returns:
        `components`, counted with those inside others; `vulnerabilities`: None without such a list, else a
        row for each with `id`, `severity` (the worst of its ratings, by its score where it has one),
        `settled` (by its analysis; `not_affected` apart), `claimed` (it is said to be `not_affected`),
        `justified` (with a justification), `analysed_ms` (when that was last said, None without a time);
        `digests` of what the document is about; `told_ms`, `exact` as `told.oldest`.

    Raises:
        ValueError: this is no CycloneDX document.
        TypeError: as ValueError.
    """
    if not isinstance(report, dict):
        raise TypeError("it is no CycloneDX report")
    if report.get("bomFormat") != "CycloneDX":
        raise ValueError("its bomFormat is not CycloneDX")
    listed = report.get("vulnerabilities")
    if listed is not None and not isinstance(listed, list):
        raise TypeError("its vulnerabilities are no list")
    if listed is not None and len(listed) > _MOST_VULNERABILITIES:
        raise ValueError(f"it lists more than {_MOST_VULNERABILITIES} vulnerabilities")
    metadata = inside(report, "metadata")
    at = moment(metadata.get("timestamp"))
    return {
        "components": _count(report.get("components"), 0),
        "vulnerabilities": None if "vulnerabilities" not in report else [_row(each) for each in listed or []],
        "digests": sorted(_digests(inside(metadata, "component"))),
        **oldest([] if at is None else [at]),
    }


def _count(components: Any, depth: int) -> int:  # noqa: ANN401 - any JSON
    if depth > _MOST_DEPTH:
        raise ValueError(f"its components are nested more than {_MOST_DEPTH} deep")
    found = objects(components)
    return len(found) + sum(_count(each["components"], depth + 1) for each in found if "components" in each)


def _row(vulnerability: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(vulnerability, dict):
        raise TypeError("a vulnerability is no object")
    analysis = inside(vulnerability, "analysis")
    state = analysis.get("state")
    at = moment(analysis.get("lastUpdated") or analysis.get("firstIssued"))
    return {
        "id": text(vulnerability.get("id"), 60),
        "severity": _severity(vulnerability),
        "settled": state in _SETTLED if isinstance(state, str) else False,
        "claimed": state == NOT_AFFECTED,
        "justified": bool(text(analysis.get("justification")) or text(analysis.get("detail"))),
        "analysed_ms": None if at is None else at[0],
    }


def _severity(vulnerability: Mapping[str, Any]) -> str:
    worst = UNKNOWN
    for rating in objects(vulnerability.get("ratings")):
        said = rating.get("severity")
        found = [said] if isinstance(said, str) and said in SEVERITIES else []
        score = decimal(rating.get("score"))
        if score is not None and _is_cvss(rating):
            found.append(next((name for name, least in _FROM if score >= least), "none"))
        for each in found:
            if worst == UNKNOWN or SEVERITIES.index(each) > SEVERITIES.index(worst):
                worst = each
    return worst


def _is_cvss(rating: Mapping[str, Any]) -> bool:
    # OWASP's and other methods have scales of their own; without a method CVSS is meant.
    return text(rating.get("method") or "CVSS").upper().startswith("CVSS")


def _digests(component: Mapping[str, Any]) -> set[str]:
    hashes = objects(component.get("hashes"))
    found = {text(each.get("content")).lower() for each in hashes if each.get("alg") == "SHA-256"}
    package = unquote(text(component.get("purl"), 500))
    digest = package.rpartition("sha256:")[2][:64] if "sha256:" in package else ""
    return {f"sha256:{each}" for each in found | {digest} if each}
