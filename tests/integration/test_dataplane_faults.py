"""With the controller passive, the router returns to blue by itself, and stays there."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.load import Load
from tests.dataplane.plane import Plane, ask, plane, settle
from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot

pytestmark = pytest.mark.integration


@pytest.fixture
def trying(tmp_path: Path) -> Iterator[Plane]:
    """Green has everything, under a lease that lasts."""
    with plane(tmp_path) as made:
        made.serve_blue()
        made.prepare_green()
        made.router.write_route(made.trial(watch=Watch.PATIENT))
        yield made


def distrust(made: Plane) -> Distrust:
    return made.router.read_router().distrust


@pytest.mark.req("R8", "R9")
def test_all_green_instances_killed_fail_only_what_was_in_flight(trying: Plane) -> None:
    with Load(trying.port) as load:
        pids = [trying.pid(name) for name in trying.names(Slot.GREEN)]
        killed_s = time.monotonic()
        for name in trying.names(Slot.GREEN):
            trying.kill(name)
        load.wait_for(150)
        settle(lambda: all(trying.pid(name) not in {0, *pids} for name in trying.names(Slot.GREEN)))
        load.wait_for(150)
    assert load.report.lost <= 12
    assert [loss for loss in load.report.losses if loss.method == "GET"] == []
    assert [loss for loss in load.report.losses if loss.began_s > killed_s + 0.1] == []
    # The supervisor has brought green back; the latch keeps it out of the trial.
    assert distrust(trying) in {Distrust.DOWN, Distrust.ERRORS}
    settle(lambda: trying.router.read_router().up[Slot.GREEN] == 2)
    assert {ask(trying.port)[1] for _ in range(10)} == {"blue"}


@pytest.mark.req("R8", "R9")
def test_green_that_fails_everything_is_latched_and_does_not_return(trying: Plane) -> None:
    with Load(trying.port) as load:
        failing_s = time.monotonic()
        trying.have_all(Slot.GREEN, "error")
        settle(lambda: distrust(trying) is Distrust.ERRORS)
        left_s = time.monotonic()
        load.wait_for(100)
        trying.have_all(Slot.GREEN, "ok")
        load.wait_for(100)
    assert left_s - failing_s < 1.0
    assert 5 <= load.report.lost <= 60
    assert load.report.last_began_s["green"] < left_s
    assert distrust(trying) is Distrust.ERRORS
    counts = trying.router.read_counters(1).total(Slot.GREEN, 1, None)
    assert counts.failures == load.report.lost


def test_a_few_requests_per_second_are_enough_to_latch(trying: Plane) -> None:
    trying.have_all(Slot.GREEN, "error")
    with Load(trying.port, rate=10, users=2) as load:
        settle(lambda: distrust(trying) is Distrust.ERRORS)
    assert load.report.lost <= 10


@pytest.mark.req("R8", "R9")
def test_green_that_turns_slow_is_latched(trying: Plane) -> None:
    with Load(trying.port) as load:
        trying.have_all(Slot.GREEN, "slow")
        settle(lambda: distrust(trying) is Distrust.SLOW)
        load.wait_for(50)
    assert load.report.losses == []
    assert ask(trying.port) == (200, "blue")


@pytest.mark.req("R8", "R9")
def test_a_silent_controller_loses_the_trial_within_its_lease(trying: Plane) -> None:
    trial = Route(Slot.BLUE, Slot.GREEN, 10_000, Watch.SHORT, generation=2, epoch=2)
    with Load(trying.port) as load:
        trying.router.write_route(trial)
        for _ in range(5):
            load.wait_for(75)
            trying.router.renew_lease(trial)
        assert distrust(trying) is Distrust.NONE
        silent_s = time.monotonic()
        settle(lambda: distrust(trying) is Distrust.LEASE)
        load.wait_for(50)
        assert 0.5 < load.report.last_began_s["green"] - silent_s + 0.01 < 1.2
        # A lease that has lapsed is not revived by renewing it.
        trying.router.renew_lease(trial)
        load.wait_for(30)
    assert distrust(trying) is Distrust.LEASE
    assert load.report.losses == []


def test_what_the_net_caught_counts_against_green(trying: Plane) -> None:
    trying.router.write_route(Route(Slot.BLUE, Slot.GREEN, 10_000, generation=3, epoch=2))
    trying.runtime.stop_slot(Slot.GREEN)
    settle(lambda: trying.runtime.read_slots()[Slot.GREEN].down)
    # Found out by this very request, or by a check just before: either way blue answers for green.
    assert ask(trying.port) == (200, "blue")
    counts = trying.router.read_counters(1).total(Slot.GREEN, 3, None)
    assert (counts.requests, counts.failures) == (1, 1)


def test_requests_that_were_sent_again_are_counted(trying: Plane) -> None:
    trying.router.write_route(Route(Slot.BLUE, Slot.GREEN, 10_000, generation=3, epoch=2))
    before = trying.router.read_replayed()
    trying.have_all(Slot.GREEN, "hangup")
    assert ask(trying.port)[0] == 502
    assert trying.router.read_replayed() > before


def test_an_expelled_slot_is_no_net_either(trying: Plane) -> None:
    trying.router.write_route(Route(Slot.GREEN, generation=4, epoch=2))
    trying.router.expel_slot(Slot.BLUE)
    trying.have_all(Slot.GREEN, "hangup")
    assert ask(trying.port)[0] == 502
    assert trying.router.read_router().admitted == {Slot.GREEN}


def test_green_that_hangs_is_left_by_new_requests(trying: Plane) -> None:
    """Stopped processes take connections and never answer."""
    for name in trying.names(Slot.GREEN):
        trying.kill(name, signal.SIGSTOP)
    try:
        assert settle(lambda: distrust(trying) is Distrust.DOWN) < 1.5
        assert ask(trying.port) == (200, "blue")
    finally:
        for name in trying.names(Slot.GREEN):
            trying.kill(name, signal.SIGCONT)
