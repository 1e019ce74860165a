"""Stopping a service wholly: what is refused, what is left, and how it is launched again."""

import http.client

import pytest

from tminus.cli.launch import enter
from tminus.testing.stand import ENVIRONMENT, Stand
from tminus.testing.traffic import LOCAL
from tminus.wiring import open_home

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

LIMIT_S = 120.0  # of a whole launch, on a machine that others use too


@pytest.fixture(scope="module")
def served(fresh: Stand) -> Stand:
    fresh.serve()
    return fresh


def answers(stand: Stand) -> bool:
    connection = http.client.HTTPConnection(LOCAL, stand.port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def stop(stand: Stand, *more: str) -> tuple[int, str]:
    done = stand.run("stop", stand.service, "--by", "ada", "--reason", "moved", *more)
    return done.returncode, done.stdout + done.stderr


def test_a_service_with_an_open_launch_is_not_stopped(served: Stand) -> None:
    served.sample.release("1.1.2", {"t0": "2099-01-01T00:00Z"})
    row = served.enter()
    code, said = stop(served, "--yes")
    assert (code, "[stop-launch-open]" in said, f"tminus abort {row.launch}" in said) == (1, True, True), said
    assert served.run("abort", row.launch).returncode == 0
    served.wait_end(row.launch)
    assert answers(served)


def test_a_service_of_another_environment_is_not_stopped(served: Stand) -> None:
    code, said = stop(served, "--yes", "--environment", "elsewhere")
    assert (code, "[stop-nothing]" in said) == (1, True), said
    assert answers(served)


def test_whoever_does_not_say_yes_stops_nothing(served: Stand) -> None:
    code, said = stop(served)
    assert (code, "will be stopped, and nobody answers. Go on?" in said) == (130, True), said
    assert answers(served)


def test_a_service_is_stopped_wholly_its_log_says_so_and_it_is_launched_again(served: Stand) -> None:
    last = served.home.store.book.launches(served.service, ENVIRONMENT)[-1].launch
    code, said = stop(served, "--yes")
    assert code == 0, said
    assert not answers(served)
    served.wait(lambda: not served.processes(), "the end of every process")
    shown = served.run("log", last, "--follow")
    assert "Order stop by ada: moved" in shown.stdout
    assert served.run("verify", last).returncode == 0
    assert stop(served, "--yes")[0] == 1
    lenient = [{"error_rate": "50 %", "over": "2s", "min_requests": 5, "then": "rollback"}]
    served.sample.release("1.1.3", {"t0": "now", "shift": "at-once", "triggers": lenient})
    home = open_home(served.home.root, served.environment)
    row = enter(home, served.sample.repository / "launch.yaml", "ada", allow_dirty_tree=False)
    home.close()
    assert served.state(row.launch).stable is None
    served.start_agent()
    hosted = "the router, with something behind it"
    served.wait(lambda: served.reading().route.live is not None, hosted, limit_s=LIMIT_S)
    with served.load(100, run="again"):
        assert served.wait_end(row.launch, limit_s=LIMIT_S).outcome == "promoted"
    assert answers(served)
    served.end_agents()
