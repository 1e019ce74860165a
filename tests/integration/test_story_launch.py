"""Launches from entry to end on the real parts, under load: good, bad, and without their agent."""

import itertools
import signal

import pytest

from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.testing.stand import Stand
from tminus.testing.sweep import METERED
from tminus.testing.traffic import Load

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

RATE_PER_S = 300
LONG_BAKE = {"bake": {"for": "5s", "reading": "1s"}}
_versions = (f"2.0.{number}" for number in itertools.count(1))


def lost_nothing(stand: Stand, load: Load) -> None:
    result = load.end()
    assert result.total.sent > RATE_PER_S
    assert (result.total.lost, result.total.cut, result.failures) == (0, 0, ())
    assert stand.sample.duplicates(load.run) == 0


def serves(stand: Stand, state: LaunchState) -> None:
    """What the launch ended with serves alone, and nothing else runs."""
    serving = state.candidate if state.outcome == "promoted" else state.stable
    reading = stand.reading()
    assert (reading.route.live, reading.route.candidate, reading.committed.live) == (serving, None, serving)
    assert [slot for slot in reading.up if stand.instances(slot)] == [serving]


@pytest.mark.req("R6", "R26")
def test_a_good_release_is_promoted_and_nobody_notices(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, METERED)
    with stand.load(RATE_PER_S, run=version) as load:
        stand.start_agent()
        launch = stand.enter().launch
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert (state.outcome, state.phase) == ("promoted", Phase.CLOSED)
    assert load.end().releases[version].count > 0
    assert state.loss is not None
    assert state.loss.sent > 0
    assert (state.loss.lost, state.loss.failed, state.loss.cut) == (0, 0, 0)
    serves(stand, state)


@pytest.mark.req("R6", "R10")
def test_a_bad_release_is_rolled_back_by_itself_and_loses_nothing(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, LONG_BAKE)
    with stand.load(RATE_PER_S, run=version) as load:
        stand.start_agent()
        launch = stand.enter().launch
        stand.wait_phase(launch, Phase.BAKING)
        stand.sample.switch(version).write_text("errors=20", encoding="utf-8")
        state = stand.wait_end(launch)
        total = load.end().total
    assert state.outcome == "rolled-back"
    assert {"router-fell-back", "trigger-fired"} & set(stand.kinds(launch))
    assert (total.lost, total.cut) == (0, 0)
    assert 0 < total.failed < 0.05 * total.sent
    serves(stand, state)


@pytest.mark.req("R26")
def test_an_agent_killed_in_bake_and_back_within_the_lease_promotes(stand: Stand) -> None:
    version = next(_versions)
    stand.sample.release(version, LONG_BAKE)
    with stand.load(RATE_PER_S, run=version) as load:
        agent = stand.start_agent()
        launch = stand.enter().launch
        stand.wait(
            lambda: stand.state(launch).phase is Phase.BAKING and stand.state(launch).confirmed, "bake"
        )
        stand.stop_child(agent, signal.SIGKILL)
        stand.start_agent()
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert state.outcome == "promoted"
    assert stand.kinds(launch).count(ev.DriverClaimed.kind) == 2
    serves(stand, state)


@pytest.mark.req("R26")
def test_an_agent_killed_in_cutover_leaves_traffic_with_stable_and_its_successor_rolls_back(
    stand: Stand,
) -> None:
    version = next(_versions)
    stand.sample.release(version, {"shift": {"each": "3s"}})
    with stand.load(RATE_PER_S, run=version) as load:
        agent = stand.start_agent()
        launch = stand.enter().launch
        state = stand.wait_phase(launch, Phase.CUTOVER)
        stand.wait(lambda: stand.state(launch).confirmed, "traffic on the candidate")
        stand.stop_child(agent, signal.SIGKILL)
        stand.wait(lambda: stand.reading().distrust == "lease", "the lease to lapse", 3)
        stand.start_agent()
        state = stand.wait_end(launch)
        lost_nothing(stand, load)
    assert state.outcome == "rolled-back"
    assert state.phase_why == "the controller was silent for longer than its lease"
    serves(stand, state)
