"""What OpenTofu and Ansible print is played by a script here, as they document it."""

import json
from pathlib import Path

import pytest

from tests.probes.repository import Repository, ask, made, said
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.drift import DRIFT, DriftSettings, DriftTool

pytestmark = pytest.mark.req("R13")


def change(kind: str, address: str) -> dict[str, object]:
    return {"@level": "info", "type": kind, "change": {"resource": {"addr": address}, "action": "update"}}


def summary(changed: int) -> dict[str, object]:
    return {"@level": "info", "type": "change_summary", "changes": {"add": 0, "change": changed, "remove": 0}}


def prints(*lines: object, code: int = 0) -> str:
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    return f"cat <<'END'\n{text}\nEND\nexit {code}"


def recap(*hosts: tuple[str, int, int, int]) -> list[str]:
    rows = [
        f"{host:<26}: ok=2    changed={changed}    unreachable={lost}    failed={failures}    skipped=0"
        for host, changed, lost, failures in hosts
    ]
    return ["PLAY [web] ****", "TASK [nginx.conf] ****", "changed: [web1]", "", "PLAY RECAP ********", *rows]


def judge(repository: Repository, tmp_path: Path, tool: DriftTool, body: str) -> Answer:
    program = tmp_path / "tool"
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    playbook = "site.yaml" if tool is DriftTool.ANSIBLE else ""
    asked = made(DriftSettings, tool, playbook=playbook, program=str(program))
    return ask(DRIFT, asked, repository.around())


ADDRESS = "module.web.aws_lb.front"


@pytest.mark.parametrize(
    ("body", "outcome", "why"),
    [
        (prints({"type": "version"}, summary(0)), Outcome.PASS, "nothing differs from the configuration"),
        (
            prints(change("planned_change", ADDRESS), summary(1), code=2),
            Outcome.FAIL,
            f"1 resource differs: {ADDRESS}",
        ),
        (prints(change("resource_drift", ADDRESS), summary(0)), Outcome.FAIL, f"changed outside: {ADDRESS}"),
        (prints(summary(1), code=2), Outcome.FAIL, "the plan has changes, of no resource"),
        (
            prints({"@level": "error", "@message": "Error: no\n credentials"}, code=1),
            Outcome.INCONCLUSIVE,
            "tool ended with 1: Error: no credentials",
        ),
        (prints("no JSON", "[[[", code=0), Outcome.INCONCLUSIVE, "tool ended with 0 and tells of no plan"),
        ("exit 2", Outcome.INCONCLUSIVE, "tool ended with 2 and tells of no plan"),
    ],
)
def test_a_plan_without_changes_passes(
    repository: Repository, tmp_path: Path, body: str, outcome: Outcome, why: str
) -> None:
    answer = judge(repository, tmp_path, DriftTool.OPENTOFU, body)
    assert (answer.outcome, answer.why.replace(f"{tmp_path}/", "")) == (outcome, why)


@pytest.mark.parametrize(
    ("body", "outcome", "why"),
    [
        (
            prints(*recap(("web1", 0, 0, 0), ("web2", 0, 0, 0))),
            Outcome.PASS,
            "nothing would change on 2 hosts",
        ),
        (
            prints(*recap(("web1", 2, 0, 0), ("web2", 0, 0, 0))),
            Outcome.FAIL,
            "2 tasks would change something: web1 (2)",
        ),
        (
            prints(*recap(("web1", 2, 0, 0), ("web2", 0, 1, 0)), code=4),
            Outcome.INCONCLUSIVE,
            "tool ended with 4; not looked at as a whole: web2",
        ),
        (prints("PLAY RECAP ****"), Outcome.INCONCLUSIVE, "tool looked at no host"),
        (
            prints("ERROR! no such playbook", code=1),
            Outcome.INCONCLUSIVE,
            "tool ended with 1; not looked at as a whole: no host",
        ),
    ],
)
def test_a_playbook_that_would_change_nothing_passes(
    repository: Repository, tmp_path: Path, body: str, outcome: Outcome, why: str
) -> None:
    answer = judge(repository, tmp_path, DriftTool.ANSIBLE, body)
    assert (answer.outcome, answer.why.replace(f"{tmp_path}/", "")) == (outcome, why)


def test_without_the_program_nothing_is_learnt(repository: Repository) -> None:
    asked = DriftSettings(DriftTool.OPENTOFU, program="no-such-tofu")
    answer = ask(DRIFT, asked, repository.around())
    assert said(answer) == (Outcome.INCONCLUSIVE, "no-such-tofu: No such file or directory")


def test_settings_that_cannot_be_run_are_refused() -> None:
    for bad in (
        {"tool": DriftTool.ANSIBLE},
        {"tool": DriftTool.OPENTOFU, "playbook": "site.yaml"},
        {"tool": DriftTool.ANSIBLE, "playbook": "--version"},
        {"tool": DriftTool.OPENTOFU, "directory": "/etc"},
    ):
        with pytest.raises(ValueError, match=r"playbook|below"):
            made(DriftSettings, **bad)
