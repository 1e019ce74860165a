"""Probes of what is there, as a plan names them and as the work `check` asks them."""

import textwrap
from pathlib import Path

import pytest

from tests.probes.repository import Repository
from tests.probes.test_drift import prints, summary
from tminus.adapters.check.ask import ask_once
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.verdict import Outcome
from tminus.plan.load import load_plan_text
from tminus.plugins import Place, questions
from tminus.ports.probes import Target

pytestmark = [pytest.mark.slow, pytest.mark.req("R3", "R17")]
OURS = {
    "alert-drill": "{url: 'http://127.0.0.1:9', labels: {severity: info}, within: 5s, token: 'env:TOKEN'}",
    "backups": "{oldest: 1h, command: [sh, backups.sh]}",
    "command": "{command: [sh, -c, 'test -f readme.md'], environment: {MODE: fast}}",
    "coverage": "{files: lcov.info, lines: 80 %}",
    "credentials": "{file: receipts.json, holders: [anna]}",
    "cyclonedx": "{files: bom.json, severity: critical, least_components: 1}",
    "document": "{path: readme.md, links: own}",
    "drift": "{tool: opentofu, program: ./tofu}",
    "error-tracker": "{dsn: 'env:TOKEN'}",
    "git": "{branch: main, allowed: ['docs/*']}",
    "junit": "{files: ['reports/*.xml'], most_skipped: 1, oldest: 1h}",
    "log-round-trip": "{write_file: in.log, loki: 'http://127.0.0.1:9', query: '{app=\"shop\"}'}",
    "performance": "{file: load.json, p95: 200ms, errors: 0.1 %}",
    "restore": "{url: 'env:TOKEN', rto: 1h, rpo: 1h}",
    "sarif": "{files: scan.sarif, level: error, score: '7.0'}",
    "secrets": "{scanner: gitleaks, program: no-such-scanner}",
}
ANSWERED = {
    "alert-drill": Outcome.INCONCLUSIVE,
    "backups": Outcome.FAIL,
    "credentials": Outcome.INCONCLUSIVE,
    "error-tracker": Outcome.INCONCLUSIVE,
    "log-round-trip": Outcome.INCONCLUSIVE,
    "restore": Outcome.FAIL,
    "secrets": Outcome.INCONCLUSIVE,
}
"""All others pass."""


def plan_text() -> str:
    head = "title: it holds\n      owner: devops"
    items = "".join(
        f"    own/{name}:\n      {head}\n      probe: {name}\n      with: {settings}\n"
        for name, settings in OURS.items()
    )
    return f"service: shop\nversion: 1.4.0\nrun: {{command: serve}}\nchecks:\n  items:\n{items}"


def lay_out(repository: Repository) -> None:
    files = {
        "reports/a.xml": "<testsuite tests='1'><testcase name='a'/></testsuite>",
        "lcov.info": "SF:a\nDA:1,1\nend_of_record\n",
        "bom.json": '{"bomFormat": "CycloneDX", "components": [{"name": "a"}], "vulnerabilities": []}',
        "scan.sarif": '{"runs": [{"tool": {"driver": {"name": "Scan"}}, "results": []}]}',
        "load.json": '{"requests": 1000, "failed": 0, "p95_us": 1000}',
        "backups.sh": """echo '{"backups": []}'\n""",
        "tofu": f"#!/bin/sh\n{textwrap.dedent(prints(summary(0)))}\n",
    }
    for path, content in files.items():
        repository.write(path, content)
    (repository.path / "tofu").chmod(0o755)
    repository.git("tag", "--annotate", "--message", "release", "v1.4.0")


def test_a_plan_names_them_and_each_is_asked_with_what_it_says(
    repository: Repository, tmp_path: Path
) -> None:
    lay_out(repository)
    checks = load_plan_text(plan_text()).plan.checks
    assert checks is not None
    items = [each for each in checks.items if each.checklist == "own"]
    assert {each.item for each in items} == {f"own/{name}" for name in OURS}
    (tmp_path / "backups").mkdir()
    target = Target("shop", "production", "1.4.0", "v1.4.0", repository.first)
    place = Place(target, repository.path, tmp_path / "backups", tmp_path)
    secrets = {"env:TOKEN": "hunter2-hunter2"}

    def secret(ref: SecretRef) -> str:
        return secrets[ref.text()]

    answers = {each.item.removeprefix("own/"): each for each in ask_once(questions(items, place, secret))}
    found = {name: (answer.outcome, answer.why) for name, answer in answers.items()}
    wrong = {name: said for name, said in found.items() if said[0] is not ANSWERED.get(name, Outcome.PASS)}
    assert wrong == {}
    assert "hunter2" not in repr(answers)
