"""When scheduled work stays away from a database because a launch has it."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import DONE, NOW_MS, a_plan, launch
from tminus.domain.launch.event import JobEnded
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.database import Database, Migrations
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS
from tminus.engine.decide.launch.occupation import occupied_by

pytestmark = pytest.mark.req("R16")

DATABASE = Database(parse_secret_ref("env:SHOP"), Migrations(contract=("migrate",)))
PLAN = a_plan(database=DATABASE)


def at(phase: Phase, **changes: object) -> LaunchState:
    return replace(launch(phase, plan=PLAN), **changes)  # type: ignore[arg-type]  # fields of LaunchState


@pytest.mark.parametrize(
    ("ahead_ms", "why"),
    [(2 * HOUR_MS, ""), (35 * MINUTE_MS + 1, ""), (35 * MINUTE_MS, "it is past T-35m")],
)
def test_a_countdown_takes_the_database_just_before_its_own_backup(ahead_ms: int, why: str) -> None:
    assert occupied_by(at(Phase.COUNTDOWN, t0_ms=NOW_MS + ahead_ms), NOW_MS) == why


def test_a_countdown_without_a_time_has_the_database_at_once() -> None:
    assert occupied_by(at(Phase.COUNTDOWN, t0_ms=None), NOW_MS) == "it is ready to begin"


@pytest.mark.parametrize(
    "phase",
    [
        Phase.STAGING,
        Phase.CUTOVER,
        Phase.VERIFYING,
        Phase.BAKING,
        Phase.PROMOTING,
        Phase.ROLLING_BACK,
        Phase.SCRUBBING,
    ],
)
def test_a_launch_has_the_database_until_it_is_decided(phase: Phase) -> None:
    assert occupied_by(at(phase), NOW_MS) == f"it is {phase.value}"


def test_in_the_watch_the_database_is_free_but_for_retiring_and_a_contract() -> None:
    watching = at(Phase.WATCHING, promoted=True, retired=False)
    assert occupied_by(watching, NOW_MS) == "the former stable slot is being retired"
    retired = replace(watching, retired=True)
    assert occupied_by(retired, NOW_MS) == ""
    ordered = replace(retired, contracts=1, artifact="sha256:new")
    assert occupied_by(ordered, NOW_MS) == "its contract migration is ordered"
    ended = {**ordered.jobs, "contract-1": JobEnded("contract-1", DONE, {}, "", "")}
    assert occupied_by(replace(ordered, jobs=ended), NOW_MS) == ""


@pytest.mark.parametrize("phase", [Phase.CLOSED, Phase.ROLLED_BACK, Phase.SCRUBBED])
def test_an_ended_launch_has_nothing(phase: Phase) -> None:
    assert occupied_by(at(phase), NOW_MS) == ""


def test_a_launch_that_touches_no_database_leaves_it_free() -> None:
    assert occupied_by(launch(Phase.CUTOVER), NOW_MS) == ""
    adopting = replace(at(Phase.CUTOVER), plan=replace(PLAN, adopt=("127.0.0.1:1",)))
    assert occupied_by(adopting, NOW_MS) == ""
