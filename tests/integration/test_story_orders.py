"""What people order takes effect on the real parts: rollback, abort before and in cutover, withdraw."""

import itertools

import pytest

from tests.integration.test_story_launch import RATE_PER_S, lost_nothing, serves
from tminus.domain.launch.phase import Phase
from tminus.testing.stand import Stand

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

_versions = (f"3.0.{number}" for number in itertools.count(1))


@pytest.mark.req("R6")
def test_a_rollback_from_bake_brings_stable_back_and_loses_nothing(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, {"bake": {"for": "60s", "reading": "10s"}})
    with stand.load(RATE_PER_S, run=version) as load:
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait(
            lambda: stand.state(launch).phase is Phase.BAKING and stand.state(launch).confirmed, "bake"
        )
        answer = stand.run("rollback", launch, "--reason", "the shop says so", "--by", "ann")
        assert (answer.returncode, answer.stdout.partition(":")[0]) == (0, "rollback")
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert (state.outcome, state.phase_why) == ("rolled-back", "rollback ordered by ann: the shop says so")
    serves(stand, state)


def test_an_abort_in_staging_scrubs_before_any_request_has_moved(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version)
    with stand.load(RATE_PER_S, run=version) as load:
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait_phase(launch, Phase.STAGING)
        stand.post(launch, "abort")
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert (state.outcome, state.cutover_ms) == ("scrubbed", None)
    assert version not in load.end().releases
    serves(stand, state)


def test_an_abort_in_cutover_rolls_back(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, {"shift": {"each": "5s"}})
    with stand.load(RATE_PER_S, run=version) as load:
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait(
            lambda: stand.state(launch).phase is Phase.CUTOVER and stand.state(launch).confirmed, "a shift"
        )
        stand.post(launch, "abort")
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert state.outcome == "rolled-back"
    serves(stand, state)


def test_a_first_launch_is_withdrawn_and_nothing_serves(fresh: Stand) -> None:
    fresh.sample.release("1.1.1", {"shift": "at-once", "bake": {"for": "60s", "reading": "10s"}})
    fresh.start_agent()
    launch = fresh.enter().launch
    fresh.wait(lambda: fresh.reading().route.live is not None, "the router, with something behind it")
    answer = fresh.run("withdraw", launch)
    assert answer.returncode == 0, answer.stderr
    state = fresh.wait_end(launch)
    fresh.end_agents()
    assert state.outcome == "withdrawn"
    assert fresh.reading().route.live is None
    assert not fresh.instances(state.candidate)
