"""What `tminus plan` and `tminus schema` print, in full."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tminus.cli.plan import command as plan
from tminus.cli.schema import command as schema
from tminus.domain.problem import ProblemError
from tminus.plan.load import load_plan
from tminus.plan.schema import launch_schema

SESSIONS = Path(__file__).with_name("sessions")


def run(command: click.Command, *arguments: str) -> str:
    outcome = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.output


@pytest.fixture(autouse=True)
def in_the_folder_of_the_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SESSIONS)


@pytest.mark.req("R2")
@pytest.mark.parametrize("name", ["least", "handbook", "late", "database", "checks"])
def test_a_plan_is_shown_with_its_timeline_and_every_choice(name: str) -> None:
    digest = load_plan(f"{name}.yaml").digest
    shown = run(plan, f"{name}.yaml").replace(digest, "sha256:DIGEST")
    assert shown == Path(f"{name}.txt").read_text(encoding="utf-8")


def test_the_json_holds_the_same() -> None:
    shown = json.loads(run(plan, "handbook.yaml", "--json"))
    assert sorted(shown) == ["choices", "digest", "forecast", "notes", "plan", "timeline"]
    assert shown["plan"]["run"]["secrets"] == [["DATABASE_URL", {"source": "env", "locator": "DATABASE_URL"}]]
    assert shown["forecast"] == {
        "end_offset_ms": 690_000,
        "slack_ms": 2_910_000,
        "safe_abort_offset_ms": 4_230_000,
        "promotion_offset_ms": 4_290_000,
        "close_offset_ms": 86_400_000,
    }
    assert shown["timeline"][0] == {
        "offset_ms": -86_400_000,
        "phase": "countdown",
        "what": "v1.0.0 is built and its digest recorded, at the latest",
        "latest_ms": -86_400_000,
    }


def test_a_plan_that_does_not_load_is_refused_with_its_problems() -> None:
    with pytest.raises(ProblemError, match="plan-not-found"):
        CliRunner().invoke(plan, ["nowhere.yaml"], catch_exceptions=False)


def test_the_schema_is_printed_as_json() -> None:
    assert json.loads(run(schema)) == launch_schema()
