"""The controller's sign of life: given in a trial that is its own, and to nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    COUNTED,
    GENERATION,
    INSTANCES,
    NO_ANSWER,
    STABLE,
    a_router,
    fired,
    held,
    launch,
    route_of,
    step,
)
from tminus.domain.launch.command import RenewLease
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Consequence
from tminus.engine.decide.launch.bounds import REST_TICK_MS, TRIAL_TICK_MS

pytestmark = pytest.mark.req("R6")


def renewed(state: LaunchState, **changes: Any) -> bool:  # noqa: ANN401 - fields of Observation
    return step(state, **changes).unjournalled == (RenewLease(route_of(state)),)


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_the_lease_of_a_trial_is_renewed_in_every_tick(phase: Phase) -> None:
    assert renewed(launch(phase))


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_a_held_trial_keeps_its_lease(phase: Phase) -> None:
    assert renewed(launch(phase, hold=held()))


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_a_trial_keeps_its_lease_while_the_journal_takes_no_events(phase: Phase) -> None:
    assert renewed(launch(phase), journal_open=False)


@pytest.mark.parametrize("phase", sorted(set(Phase) - TRIAL))
def test_outside_a_trial_no_lease_is_renewed(phase: Phase) -> None:
    assert step(launch(phase)).unjournalled == ()


CUTOVER = launch(Phase.CUTOVER)


@pytest.mark.parametrize(
    "changes",
    [
        {"router": NO_ANSWER},
        {"router": a_router(CUTOVER, distrust=Distrust.LEASE)},
        {"router": a_router(CUTOVER, route=replace(route_of(CUTOVER), watch=Watch.NONE))},
        {"router": a_router(CUTOVER, route=replace(route_of(CUTOVER), generation=GENERATION))},
        {"router": a_router(CUTOVER, route=Route(CANDIDATE, STABLE, 1_000, Watch.SHORT, GENERATION + 1))},
    ],
    ids=["no reading", "lapsed", "unwatched", "an earlier trial", "another candidate"],
)
def test_what_is_not_this_trial_in_trust_is_not_renewed(changes: dict[str, Any]) -> None:
    state = launch(Phase.CUTOVER, confirmed=False, tried=False)
    assert step(state, **changes).unjournalled == ()


def test_the_tick_that_rolls_back_renews_nothing() -> None:
    assert step(CUTOVER, judged=fired(Consequence.ROLLBACK)).unjournalled == ()


def test_a_rollback_that_cannot_move_traffic_yet_keeps_the_lease() -> None:
    state = launch(Phase.ROLLING_BACK)
    waiting = a_router(state, up={STABLE: 0, CANDIDATE: INSTANCES})
    assert renewed(state, router=waiting)


@pytest.mark.parametrize("phase", sorted(TRIAL | {Phase.ROLLING_BACK}))
def test_a_trial_is_looked_at_more_often_than_its_lease_is_long(phase: Phase) -> None:
    state = launch(phase)
    assert step(state).next_ms == TRIAL_TICK_MS
    assert state.plan.lease.shift_ms > TRIAL_TICK_MS * 3


@pytest.mark.parametrize("phase", [Phase.CLOSED, Phase.ROLLED_BACK, Phase.SCRUBBED])
def test_at_rest_looks_are_seconds_apart(phase: Phase) -> None:
    assert step(launch(phase)).next_ms == REST_TICK_MS


@pytest.mark.parametrize(("wait_ms", "next_ms"), [(5_000, REST_TICK_MS), (300, 300), (1, 1)])
def test_a_countdown_is_looked_at_when_t0_comes(wait_ms: int, next_ms: int) -> None:
    state = launch(Phase.COUNTDOWN, artifact="sha256:new", jobs=COUNTED, t0_ms=1_700_000_000_000 + wait_ms)
    assert step(state).next_ms == next_ms


def test_a_rollback_does_not_revive_a_lease_that_lapsed() -> None:
    state = launch(Phase.ROLLING_BACK)
    lapsed = a_router(state, up={STABLE: 0, CANDIDATE: INSTANCES}, distrust=Distrust.LEASE)
    assert step(state, router=lapsed).unjournalled == ()
