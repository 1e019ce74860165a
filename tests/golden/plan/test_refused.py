"""Each refused plan with everything that is said about it."""

from pathlib import Path

import pytest

from tminus.domain.problem import ProblemError
from tminus.plan.load import load_plan

REFUSED = Path(__file__).with_name("refused")


@pytest.mark.parametrize("name", sorted(path.stem for path in REFUSED.glob("*.yaml")))
def test_a_refused_plan_is_told_everything_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REFUSED)
    with pytest.raises(ProblemError) as refusal:
        load_plan(f"{name}.yaml")
    assert f"{refusal.value}\n" == Path(f"{name}.txt").read_text(encoding="utf-8")


def test_no_text_about_a_refused_plan_repeats_a_secret() -> None:
    assert [
        path.name for path in REFUSED.glob("*.txt") if "hunter2" in path.read_text(encoding="utf-8")
    ] == []


def test_every_expectation_belongs_to_a_plan() -> None:
    assert {path.stem for path in REFUSED.glob("*.txt")} == {path.stem for path in REFUSED.glob("*.yaml")}
