"""Under load nothing is lost: switches, reloads, restarts of whoever is not in the path."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.load import Load
from tests.dataplane.plane import ROUTER, Plane, ask, plane, settle
from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as made:
        made.serve_blue()
        made.prepare_green()
        yield made


@pytest.fixture
def live(both: Plane) -> Plane:
    both.router.commit_route(Route(Slot.BLUE, epoch=2))
    return both


@pytest.mark.req("R6", "R26")
def test_twenty_switches_under_load_lose_nothing_and_send_no_write_twice(live: Plane) -> None:
    with Load(live.port) as load:
        for number in range(20):
            there, back = (Slot.BLUE, Slot.GREEN) if number % 2 else (Slot.GREEN, Slot.BLUE)
            live.router.commit_route(Route(there, epoch=2))
            acknowledged_s = time.monotonic()
            load.wait_for(30)
            assert load.report.last_began_s.get(back.value, 0.0) <= acknowledged_s
    assert load.report.losses == []
    for slot in Slot:
        different, reached = live.posts(slot)
        assert different == reached


def test_a_share_is_split_as_written(live: Plane) -> None:
    live.router.write_route(Route(Slot.BLUE, Slot.GREEN, 3_000, generation=20, epoch=2))
    with Load(live.port, rate=600) as load:
        load.wait_for(1_000)
    share = load.report.served["green"] / load.report.requests
    # 30 % of a thousand draws: the bounds are five standard deviations away.
    assert 0.225 < share < 0.375
    assert load.report.losses == []


@pytest.mark.req("R10")
def test_counters_are_exact_to_the_request(live: Plane) -> None:
    live.router.write_route(Route(Slot.BLUE, Slot.GREEN, 5_000, generation=21, epoch=2))
    with Load(live.port, rate=500) as load:
        load.wait_for(700)
    sample = live.router.read_counters(7)
    for slot in Slot:
        counts = sample.total(slot, 21, None)
        assert counts.requests == load.report.served[slot.value]
        assert counts.answers == counts.requests
        assert counts.failures == 0
        assert counts.within[-1] == counts.answers


@pytest.mark.req("R10")
def test_classes_and_the_meter_are_counted_apart(live: Plane) -> None:
    live.router.write_route(Route(Slot.BLUE, generation=22, epoch=2))
    for target, method in (
        ("/login", "POST"),
        ("/login/x?y=1", "POST"),
        ("/loginx", "POST"),
        ("/login", "GET"),
        ("/?status=500", "GET"),
        ("/stream?chunks=1&pause_ms=1", "GET"),
    ):
        ask(live.port, target, method)
    ask(live.port, "/login", "POST", X_Tminus_Meter="7")
    found = {
        entry.route_class: (entry.counts.requests, entry.counts.failures, entry.counts.answers)
        for entry in live.router.read_counters(1).classes
        if entry.generation == 22
    }
    assert found == {"login": (2, 0, 2), "other": (3, 1, 3), "streams": (1, 0, 0), "meter": (1, 0, 1)}


def test_a_slow_answer_is_in_no_bucket_below_it(live: Plane) -> None:
    live.router.write_route(Route(Slot.BLUE, generation=23, epoch=2))
    ask(live.port, "/?wait_ms=110")
    counts = live.router.read_counters(1).total(Slot.BLUE, 23, None)
    assert (counts.slower_than(100), counts.slower_than(1_000)) == (1, 0)


def test_what_the_router_answers_itself_counts_against_the_slot(live: Plane) -> None:
    live.router.write_route(Route(Slot.BLUE, generation=24, epoch=2))
    for slot in Slot:
        live.router.expel_slot(slot)
    try:
        status, _ = ask(live.port, "/", "POST")
    finally:
        for slot in Slot:
            live.admit(slot)
    counts = live.router.read_counters(1).total(Slot.BLUE, 24, None)
    assert (status, counts.requests, counts.failures) == (503, 1, 1)


def test_a_request_without_any_answer_counts_against_the_slot(live: Plane) -> None:
    """On a connection that has served before, HAProxy hangs up silently when the server does."""
    live.router.write_route(Route(Slot.BLUE, generation=25, epoch=2))
    with Load(live.port, rate=100, users=2) as load:
        load.wait_for(10)
        live.have_all(Slot.BLUE, "hangup")
        try:
            settle(lambda: any(loss.method == "POST" for loss in load.report.losses))
        finally:
            live.have_all(Slot.BLUE, "ok")
    assert load.report.lost > 0
    settle(lambda: live.router.read_router().in_flight[Slot.BLUE] == 0)
    counts = live.router.read_counters(1).total(Slot.BLUE, 25, None)
    assert counts.requests == load.report.requests
    assert counts.failures == load.report.lost


def test_five_reloads_under_load_lose_nothing(live: Plane) -> None:
    with Load(live.port) as load:
        for number in range(5):
            live.router.host(live.rehosted(f"sha256:reload{number}"))
            load.wait_for(60)
    assert load.report.losses == []
    assert live.router.read_router().hosting == "sha256:reload4"


def test_a_killed_supervisor_loses_nothing_and_its_successor_keeps_the_socket(live: Plane) -> None:
    pids = {name: reading.pid for name, reading in live.supervisor.programs().items()}
    with Load(live.port) as load:
        os.kill(live.supervisor.running(), signal.SIGKILL)
        load.wait_for(30)
        assert {name: reading.pid for name, reading in live.supervisor.programs().items()} == pids
        load.wait_for(30)
    assert load.report.losses == []


def test_a_killed_router_is_back_at_once_and_refuses_nobody(live: Plane) -> None:
    os.kill(live.supervisor.running(), signal.SIGKILL)  # so that the socket is a recovered one
    settle(lambda: ROUTER in live.supervisor.programs())
    with Load(live.port) as load:
        killed_s = time.monotonic()
        live.kill(ROUTER)
        answered_s = settle(lambda: ask(live.port)[0] == 200)
        load.wait_for(60)
    assert answered_s < 0.3
    assert [loss for loss in load.report.losses if loss.why == "ConnectionRefusedError"] == []
    # At most what was in flight on the open connections, and idle connections that noticed late.
    assert load.report.lost <= 12
    assert [loss for loss in load.report.losses if loss.began_s > killed_s + 0.3] == []


def test_what_is_in_flight_is_counted_and_cut(live: Plane) -> None:
    answers: list[str] = []

    def stream() -> None:
        try:
            ask(live.port, "/stream?chunks=200&pause_ms=50")
        except Exception as error:  # noqa: BLE001 - the kind of failure is what is compared
            answers.append(type(error).__name__)

    threads = [threading.Thread(target=stream) for _ in range(3)]
    for thread in threads:
        thread.start()
    settle(lambda: live.router.read_router().in_flight[Slot.BLUE] == 3)
    assert live.router.cut_slot(Slot.BLUE) == 3
    for thread in threads:
        thread.join()
    assert answers == ["IncompleteRead"] * 3
    settle(lambda: live.router.read_router().in_flight[Slot.BLUE] == 0)


def test_a_patient_lease_outlives_a_silence_that_ends_a_short_one(live: Plane) -> None:
    live.router.write_route(live.trial(watch=Watch.PATIENT, generation=26))
    silent_s = time.monotonic()
    settle(lambda: time.monotonic() - silent_s > 1.3)
    assert live.router.read_router().distrust is Distrust.NONE
    assert ask(live.port) == (200, "green")


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    with plane(tmp_path / ("deep" * 30), instances=1) as made:
        made.serve_blue()
        assert ask(made.port) == (200, "blue")
