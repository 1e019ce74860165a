"""A journal that takes no events: nothing goes forward, protection does."""

from typing import Any

import pytest

from tests.unit.engine.launches import (
    COUNTED,
    ENTERED_MS,
    NEW,
    NOW_MS,
    PASS,
    SMOKE_PASSED,
    WALKED,
    fired,
    kinds,
    launch,
    on_target,
    order,
    phases,
    step,
)
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.plan.limit import Consequence

pytestmark = pytest.mark.req("R8")

CLOSED: dict[str, Any] = {"journal_open": False}
LATE_MS = ENTERED_MS + 86_400_000
# In each of these phases the same observation leads on while the journal takes events.
READY = [
    launch(Phase.COUNTDOWN, artifact=NEW, jobs=COUNTED),
    launch(Phase.CUTOVER),
    launch(Phase.VERIFYING, jobs={"smoke": SMOKE_PASSED, "critical-paths": WALKED}),
    launch(Phase.BAKING),
]


@pytest.mark.parametrize("state", READY, ids=lambda state: state.phase.value)
def test_nothing_goes_forward(state: Any) -> None:  # noqa: ANN401 - a LaunchState
    seen: dict[str, Any] = {"now_ms": LATE_MS, "judged": on_target(PASS), "jobs": {}}
    assert step(state, **seen).events != ()
    assert step(state, **seen, **CLOSED).events == ()


@pytest.mark.parametrize("phase", list(Phase))
def test_no_command_is_sent(phase: Phase) -> None:
    assert step(launch(phase), **CLOSED).commands == ()


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_a_trigger_moves_traffic_back(phase: Phase) -> None:
    decided = step(launch(phase), judged=fired(Consequence.ROLLBACK), **CLOSED)
    assert phases(decided) == [Phase.ROLLING_BACK]
    assert len(decided.protect) == 1


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_a_person_moves_traffic_back(phase: Phase) -> None:
    decided = step(launch(phase), orders=(order("rollback"),), **CLOSED)
    assert kinds(decided) == ["order-taken", "phase-entered", "alert-fired"]
    assert len(decided.protect) == 1


def test_a_rollback_that_was_decided_moves_traffic() -> None:
    assert len(step(launch(Phase.ROLLING_BACK), **CLOSED).protect) == 1


@pytest.mark.parametrize("phase", sorted(set(Phase) - TERMINAL))
def test_the_wait_says_what_is_wrong(phase: Phase) -> None:
    waiting = step(launch(phase), **CLOSED).waiting
    assert (waiting.what, waiting.since_ms, waiting.unblock) == (
        "the journal to take events again",
        NOW_MS,
        "free disk space where the journal lies",
    )
