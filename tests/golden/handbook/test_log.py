"""The log of a launch beside the handbook's own, step for step: `log.json` says what stands for what.

The launch is that of the payment service, with its plan as it is in `examples`, in a simulated world.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.golden.log.worlds import lines, scenario
from tminus.domain.canonical import Json
from tminus.domain.launch.route import Watch
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.secret import SecretRef
from tminus.domain.report.log import LogLine, seconds
from tminus.domain.watch.counts import ClassCounts
from tminus.plan.load import load_plan
from tminus.testing.world.world import World

pytestmark = pytest.mark.req("R19", "R20")

STEPS: Sequence[Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("log.json").read_text(encoding="utf-8")
)
EXAMPLE = ROOT / "examples" / "paymentapp" / "launch.yaml"
VALUES = {"@VERSION@": "1.1.0", "@REVISION@": "1_1_0", "@PORT@": "8080"}
CLASSES = ("login", "payment")


class AnySecret:
    """Every reference has a value."""

    def resolve(self, ref: SecretRef) -> str:
        return ref.text()


class PaymentWorld(World):
    """The payment service: its plan, its suites request by request, and requests of two classes."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(7, scenario(database=True))
        self.plan = plan
        self.physics.lease_ms = {Watch.SHORT: plan.lease.shift_ms, Watch.PATIENT: plan.lease.bake_ms}
        self.ports = replace(self.ports, secrets=AnySecret())
        counted = self.physics.sample_classes

        def by_class() -> tuple[ClassCounts, ...]:
            return tuple(replace(each, route_class=name) for each in counted() for name in CLASSES)

        self.physics.sample_classes = by_class  # type: ignore[method-assign]  # of this world alone

    def _answer(self, work: str, arguments: Json) -> Json:
        if work == "migrate":
            return {"before": "expand_1_0_0", "after": "expand_1_1_0"}
        if work != "smoke":
            return super()._answer(work, arguments)
        assert isinstance(arguments, dict)
        requests, targets = arguments["requests"], arguments["targets"]
        assert isinstance(requests, list)
        assert isinstance(targets, list)
        answers: list[Json] = [
            {
                "name": request["name"],
                "passed": True,
                "duration_ms": 80 + 10 * index,
                "status": 200,
                "why": "",
            }
            for index, request in enumerate(requests)
            if isinstance(request, dict)
        ]
        return {
            "passed": True,
            "targets": [{"target": each, "passed": True, "answers": answers} for each in targets],
        }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    text = EXAMPLE.read_text(encoding="utf-8")
    for mark, value in VALUES.items():
        text = text.replace(mark, value)
    file = tmp_path_factory.mktemp("plan") / "launch.yaml"
    file.write_text(text, encoding="utf-8")
    world = PaymentWorld(load_plan(file).plan)
    result = world.run()
    assert (result.violation, result.outcome) == ("", "promoted")
    return [said(line) for line in lines(world)]


def said(line: LogLine) -> str:
    return line.text if line.duration_ms is None else f"{line.text} ({seconds(line.duration_ms)})"


def missing(told: Sequence[str]) -> list[str]:
    """Steps of the handbook that the log lacks, or has at another place."""
    found: list[str] = []
    after = -1
    for step in STEPS:
        if step["ours"] is None:
            continue
        places = [index for index, text in enumerate(told) if re.search(step["ours"], text)]
        if "anywhere" in step:
            later = places
        else:
            later = [index for index in places if index >= after + (not step.get("same_line", False))]
        if not later:
            found.append(f"{step['at']} {step['handbook']}")
        elif "anywhere" not in step:
            after = later[0]
    return found


def test_every_step_of_the_handbook_s_log_is_in_ours_in_the_same_order(told: list[str]) -> None:
    assert missing(told) == [], "\n".join(told)


def test_only_what_the_team_itself_counts_is_not_in_ours() -> None:
    assert [step["handbook"] for step in STEPS if step["ours"] is None] == [
        "Active users: 450+",
        "Support tickets: 2",
    ]
    assert all(step.get("why") or step["ours"] for step in STEPS)


def test_a_step_that_is_left_out_is_noticed(told: list[str]) -> None:
    for step in STEPS:
        if step["ours"] is not None:
            without = [text for text in told if not re.search(step["ours"], text)]
            assert f"{step['at']} {step['handbook']}" in missing(without)


def test_steps_in_another_order_are_noticed(told: list[str]) -> None:
    smoke = next(index for index, text in enumerate(told) if text.startswith("Smoke tests on green"))
    switch = next(index for index, text in enumerate(told) if text.startswith("Switch traffic"))
    swapped = list(told)
    swapped[smoke], swapped[switch] = swapped[switch], swapped[smoke]
    assert missing(swapped)
    assert missing(list(reversed(told)))
