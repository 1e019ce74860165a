"""Probes of what scanners found: SARIF and CycloneDX."""

import json
from typing import Any

import pytest

from tests.probes.repository import HOUR_MS, Repository, ask, made, now_ms, said
from tminus.domain.plan.times import DAY_MS, Millis, format_utc
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.cyclonedx import CYCLONEDX, CyclonedxSettings, CyclonedxSeverity
from tminus.probes.sarif import SARIF, SarifLevel, SarifSettings

pytestmark = pytest.mark.req("R17")
RULES = [
    {"id": "sql-injection", "properties": {"security-severity": "8.8"}},
    {"id": "long-line", "defaultConfiguration": {"level": "note"}},
]
IN_EXTENSION = {"rule": {"index": 0, "toolComponent": {"index": 0}}, "ruleId": "from-pack"}
PACK = [{"name": "pack", "rules": [{"id": "from-pack", "defaultConfiguration": {"level": "error"}}]}]
ACCEPTED = {"suppressions": [{"kind": "inSource", "status": "accepted"}]}


def sarif(*results: dict[str, Any], **more: object) -> dict[str, Any]:
    tool = {"driver": {"name": "Scan", "rules": RULES}, "extensions": PACK}
    return {"version": "2.1.0", "runs": [{"tool": tool, "results": list(results), **more}]}


def scan(repository: Repository, report: object, commit: str | None = None, **settings: object) -> Answer:
    repository.write("scan.sarif", json.dumps(report))
    around = repository.around() if commit is None else repository.around(commit=commit)
    return ask(SARIF, made(SarifSettings, ("scan.sarif",), **settings), around)


@pytest.mark.parametrize(
    ("result", "settings", "why"),
    [
        ({"ruleId": "x", "level": "error"}, {}, "1 result of level error or worse"),
        ({"ruleId": "x"}, {"level": SarifLevel.WARNING}, "1 result of level warning or worse"),
        (IN_EXTENSION, {}, "1 result of level error or worse"),
        ({"ruleId": "sql-injection"}, {"score": "8.8"}, "1 result of level error or worse, or score 8.8"),
        ({"ruleId": "x", "level": "fatal"}, {}, "1 result of level error or worse"),
    ],
)
def test_what_is_too_bad_fails_and_is_named(
    repository: Repository, result: dict[str, Any], settings: dict[str, Any], why: str
) -> None:
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 3}}}
    answer = scan(repository, sarif({**result, "locations": [place]}), **settings)
    assert said(answer) == (Outcome.FAIL, why)
    assert answer.excerpt.endswith(f"{result['ruleId']} a.py:3")


@pytest.mark.parametrize(
    ("result", "settings"),
    [
        ({"ruleId": "x", "level": "warning"}, {}),
        ({"ruleId": "x", "level": "error", **ACCEPTED}, {}),
        ({"ruleId": "x", "level": "error", "baselineState": "absent"}, {}),
        ({"ruleId": "x", "level": "error", "kind": "pass"}, {}),
        ({"ruleId": "long-line"}, {"level": SarifLevel.WARNING}),
        ({"ruleId": "sql-injection", "level": "error"}, {"score": "8.9"}),
    ],
)
def test_what_is_milder_suppressed_or_gone_passes(
    repository: Repository, result: dict[str, Any], settings: dict[str, Any]
) -> None:
    answer = scan(repository, sarif(result), **settings)
    assert answer.outcome is Outcome.PASS
    assert answer.why.startswith("Scan found nothing of level")
    assert ("rules", 3) in answer.facts


@pytest.mark.parametrize(
    ("report", "settings", "why"),
    [
        ({"runs": []}, {}, "scan.sarif: the report tells of no run"),
        ({"runs": [{}]}, {}, "scan.sarif: the report tells of a run without results"),
        (
            sarif(invocations=[{"executionSuccessful": False}]),
            {},
            "scan.sarif: the report tells of a scan that did not finish",
        ),
        ([], {}, "scan.sarif: it is no SARIF report"),
        (sarif(), {"tool": "Other"}, "Scan has scanned, and not Other"),
        (sarif(), {"least_rules": 9}, "3 rules named, at least 9 must be"),
        (
            sarif(versionControlProvenance=[{"revisionId": "0" * 40}]),
            {},
            "the report is of commit 000000000000, and not of this one",
        ),
    ],
)
def test_no_finished_scan_of_this_commit_says_nothing(
    repository: Repository, report: object, settings: dict[str, Any], why: str
) -> None:
    assert said(scan(repository, report, **settings)) == (Outcome.INCONCLUSIVE, why)


def test_a_report_of_this_commit_counts(repository: Repository) -> None:
    report = sarif(versionControlProvenance=[{"revisionId": repository.first[:12]}])
    assert scan(repository, report).outcome is Outcome.PASS


def test_a_scan_that_ended_before_the_commit_was_made_is_old(repository: Repository) -> None:
    ended = format_utc(now_ms() - DAY_MS).replace(" UTC", "Z").replace(" ", "T")
    answer = scan(repository, sarif(invocations=[{"executionSuccessful": True, "endTimeUtc": ended}]))
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert "and the commit of" in answer.why


DIGEST = "ab" * 32


def bom(*vulnerabilities: dict[str, Any], **more: object) -> dict[str, Any]:
    part = {"type": "library", "name": "a", "components": [{"type": "library", "name": "b"}]}
    return {"bomFormat": "CycloneDX", "components": [part], "vulnerabilities": list(vulnerabilities), **more}


def vulnerability(severity: str = "high", **analysis: object) -> dict[str, Any]:
    return {
        "id": "CVE-2026-1",
        "ratings": [{"severity": severity}],
        **({"analysis": analysis} if analysis else {}),
    }


def look(repository: Repository, document: object, digest: str = "", **settings: object) -> Answer:
    repository.write("bom.json", json.dumps(document))
    asked = made(CyclonedxSettings, ("bom.json",), **settings)
    return ask(CYCLONEDX, asked, repository.around(digest=digest))


def test_an_open_vulnerability_at_the_limit_fails_and_a_milder_one_does_not(repository: Repository) -> None:
    answer = look(repository, bom(vulnerability()))
    assert said(answer) == (Outcome.FAIL, "1 vulnerability is high or worse")
    assert answer.excerpt == "high CVE-2026-1"
    fine = look(repository, bom(vulnerability("medium")))
    assert said(fine) == (Outcome.PASS, "2 components, 1 open vulnerabilities, none high or worse")
    assert {"components": 2, "medium": 1, "high": 0}.items() <= dict(fine.facts).items()


def test_a_score_counts_where_no_severity_is_told_and_neither_is_inconclusive(repository: Repository) -> None:
    scored = {"id": "A", "ratings": [{"score": 9.1, "method": "CVSSv31"}]}
    assert said(look(repository, bom(scored)))[0] is Outcome.FAIL
    other = {"id": "A", "ratings": [{"score": 9.1, "method": "OWASP"}]}
    assert said(look(repository, bom(other))) == (Outcome.INCONCLUSIVE, "1 vulnerability has no severity")


def test_a_claim_of_no_effect_needs_a_justification_and_does_not_count_for_ever(
    repository: Repository,
) -> None:
    recent, old = (
        format_utc(now_ms() - age_ms).replace(" UTC", "Z").replace(" ", "T")
        for age_ms in (HOUR_MS, 3 * DAY_MS)
    )
    claim = {"state": "not_affected", "justification": "code_not_reachable"}
    limit = Millis(DAY_MS)
    cases = {
        Outcome.PASS: [
            ({"state": "resolved"}, Millis(0)),
            (claim, Millis(0)),
            ({**claim, "lastUpdated": recent}, limit),
        ],
        Outcome.FAIL: [
            ({"state": "in_triage"}, Millis(0)),
            ({"state": "not_affected"}, Millis(0)),
            (claim, limit),
            ({**claim, "lastUpdated": old}, limit),
        ],
    }
    for outcome, analyses in cases.items():
        for analysis, oldest in analyses:
            answer = look(repository, bom(vulnerability(**analysis)), oldest_analysis=oldest)
            assert answer.outcome is outcome, (analysis, answer.why)


def test_a_bill_of_materials_alone_says_nothing_of_vulnerabilities(repository: Repository) -> None:
    document = {key: value for key, value in bom().items() if key != "vulnerabilities"}
    assert said(look(repository, document))[0] is Outcome.INCONCLUSIVE
    assert said(look(repository, document, severity=CyclonedxSeverity.NONE)) == (
        Outcome.PASS,
        "2 components are listed",
    )
    assert said(look(repository, bom(), least_components=3)) == (
        Outcome.FAIL,
        "2 components are listed, at least 3 must be",
    )


def test_the_document_must_be_of_the_artifact_where_that_is_asked_for(repository: Repository) -> None:
    about = {"component": {"purl": f"pkg:oci/shop@sha256%3A{DIGEST}"}}
    document = bom(metadata=about)
    own, other = f"sha256:{DIGEST}", f"sha256:{'0' * 64}"
    assert look(repository, document, own, of_artifact=True).outcome is Outcome.PASS
    assert look(repository, document, other, of_artifact=True).outcome is Outcome.INCONCLUSIVE
    assert look(repository, bom(), own, of_artifact=True).outcome is Outcome.INCONCLUSIVE
