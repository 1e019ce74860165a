"""Promotion: the route is committed, read back, and only then is the candidate the stable slot."""

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    ENTERED_MS,
    NO_ANSWER,
    NOW_MS,
    STABLE,
    a_router,
    held,
    launch,
    order,
    phases,
    sent,
    step,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import CommitRoute
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.route import Route
from tminus.domain.launch.state import Hold
from tminus.domain.plan.limit import Consequence
from tminus.engine.decide.launch.bounds import MOST_ATTEMPTS, PROMOTE_DEADLINE_MS

pytestmark = pytest.mark.req("R20")

PROMOTING = launch(Phase.PROMOTING, confirmed=False)
REST = Route(CANDIDATE, generation=5, epoch=12)
DONE = a_router(PROMOTING, route=REST, committed=REST)
COMMIT_KEY = "promoting:commit-route:5-2"
FULL_DISK = sent(
    CommitRoute(REST),
    performed=False,
    attempts=MOST_ATTEMPTS,
    last_ms=NOW_MS - 60_000,
    code="disk-full",
    why="no space",
)


def test_the_route_is_committed_to_the_candidate() -> None:
    assert [entry.command for entry in step(PROMOTING).commands] == [CommitRoute(REST)]


def test_a_commit_that_is_read_back_makes_the_candidate_stable() -> None:
    assert step(PROMOTING, router=DONE).events == (
        ev.RouteConfirmed("green 100 %"),
        ev.Promoted(CANDIDATE),
        ev.PhaseEntered(Phase.WATCHING, "green is stable now"),
    )


@pytest.mark.parametrize(
    "router",
    [
        a_router(PROMOTING, route=REST),
        a_router(PROMOTING, committed=REST),
        a_router(PROMOTING, route=REST, committed=Route(STABLE)),
        NO_ANSWER,
    ],
    ids=["in force only", "on disk only", "another on disk", "no answer"],
)
def test_half_a_commit_promotes_nothing(router: object) -> None:
    assert not step(PROMOTING, router=router).state.promoted


def test_a_held_promotion_commits_nothing() -> None:
    assert step(launch(Phase.PROMOTING, confirmed=False, hold=held())).commands == ()


def test_a_commit_that_fails_again_and_again_holds() -> None:
    decided = step(launch(Phase.PROMOTING, confirmed=False, commands={COMMIT_KEY: FULL_DISK}))
    assert decided.state.hold is not None
    assert decided.state.hold.why == "could not commit green 100 %: no space [disk-full]"


def test_a_resumed_promotion_commits_again() -> None:
    state = launch(Phase.PROMOTING, confirmed=False, commands={COMMIT_KEY: FULL_DISK}, hold=held())
    decided = step(state, orders=(order("resume"),))
    assert decided.state.hold is None
    assert [entry.command for entry in decided.commands] == [CommitRoute(REST)]


@pytest.mark.parametrize("router", [a_router(PROMOTING), NO_ANSWER], ids=["without effect", "no answer"])
def test_a_commit_that_is_not_seen_in_time_holds(router: object) -> None:
    due_ms = ENTERED_MS + PROMOTE_DEADLINE_MS
    decided = [step(PROMOTING, router=router, now_ms=now_ms) for now_ms in (due_ms - 1, due_ms)]
    assert [each.state.hold is not None for each in decided] == [False, True]


def test_a_resumed_promotion_has_its_whole_time_again() -> None:
    due_ms = ENTERED_MS + PROMOTE_DEADLINE_MS
    hold = Hold("tminus", "not seen", due_ms, due_ms + 3_600_000)
    state = launch(Phase.PROMOTING, confirmed=False, hold=hold)
    assert step(state, now_ms=due_ms + 5_000, orders=(order("resume"),)).state.hold is None


def test_before_the_commit_a_trigger_still_rolls_back() -> None:
    fired = Judged(fired=(Fired("error rate", Consequence.ROLLBACK, "5 of 10 failed"),))
    assert phases(step(PROMOTING, judged=fired)) == [Phase.ROLLING_BACK]


def test_a_commit_that_stands_is_not_rolled_back_by_a_trigger() -> None:
    fired = Judged(fired=(Fired("error rate", Consequence.ROLLBACK, "5 of 10 failed"),))
    assert phases(step(PROMOTING, router=DONE, judged=fired)) == [Phase.WATCHING]
