"""HAProxy as router: the port's contract on the real one, and what only a real one can get wrong."""

import errno
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataplane.harness import PlaneHarness
from tests.dataplane.plane import ROUTER, ask, free_port, settle
from tminus.adapters.haproxy import config
from tminus.adapters.haproxy.binary import find_binary
from tminus.adapters.haproxy.capabilities import CAPABILITIES
from tminus.adapters.haproxy.console import Console
from tminus.adapters.router.fence import FENCE
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.router import Hosting
from tminus.testing.contract.router import BLUE, RouterHarness, VersionsContract, trial

pytestmark = pytest.mark.integration


@pytest.fixture
def real(tmp_path: Path) -> Iterator[PlaneHarness]:
    harness = PlaneHarness(tmp_path)
    yield harness
    harness.close()


class TestHaproxy(VersionsContract):
    @pytest.fixture
    def harness(self, real: PlaneHarness) -> RouterHarness:
        return real


@pytest.fixture
def serving(real: PlaneHarness) -> PlaneHarness:
    real.router().host(real.hosting())
    for slot in Slot:
        real.plane.admit(slot)
    real.router().commit_route(BLUE)
    return real


def test_it_can_do_everything() -> None:
    assert CAPABILITIES.name == "haproxy"
    assert CAPABILITIES.weights
    assert CAPABILITIES.breaker
    assert CAPABILITIES.lease
    assert CAPABILITIES.drain
    assert CAPABILITIES.class_counts


def test_a_missing_binary_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refusal:
        find_binary()
    assert refusal.value.code == "haproxy-missing"


def test_an_old_binary_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\necho 'HAProxy version 2.6.12-1+deb12u1 2023/12/16'\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(Refused) as refusal:
        find_binary()
    assert refusal.value.code == "haproxy-too-old"


def test_a_configuration_that_haproxy_rejects_is_refused_with_its_own_words(real: PlaneHarness) -> None:
    wrong = replace(real.hosting(), addresses={Slot.BLUE: ("no-such-host.invalid:80",), Slot.GREEN: ()})
    with pytest.raises(Refused) as refusal:
        real.router().host(wrong)
    assert refusal.value.code == "router-config-rejected"
    assert "no-such-host.invalid" in refusal.value.why
    with pytest.raises(Unavailable):
        real.router().read_router()


def test_values_cannot_add_lines_to_the_configuration() -> None:
    hosting = Hosting("d", "127.0.0.1", 1, {}, "/x\nglobal", (), 1, 1, 1, 1)
    with pytest.raises(Refused):
        config.render(hosting)
    with pytest.raises(Refused):
        config.render(replace(hosting, health_path="/", route_classes=(RouteClass("a b", ("/",)),)))


def test_awkward_values_are_taken_literally(real: PlaneHarness) -> None:
    classes = (RouteClass("odd", ("/a\"b'c\\d$e",)), RouteClass("root", ("/",), ("PUT",)))
    real.router().host(replace(real.hosting(), route_classes=classes))
    real.plane.admit(Slot.BLUE)
    real.router().commit_route(BLUE)
    ask(real.plane.port, "/a\"b'c\\d$e/more")
    ask(real.plane.port, "/", "PUT")
    found = {entry.route_class: entry.counts.requests for entry in real.router().read_counters(1).classes}
    assert found == {"odd": 1, "root": 1}


def test_a_taken_port_is_refused(real: PlaneHarness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(Refused) as refusal:
            real.router().host(replace(real.hosting(), port=other.getsockname()[1]))
        assert refusal.value.code == "port-taken"


def test_unhosting_ends_the_router_and_frees_the_port(serving: PlaneHarness) -> None:
    serving.router().unhost()
    serving.router().unhost()
    settle(lambda: ROUTER not in serving.plane.supervisor.programs())
    with socket.create_server(("127.0.0.1", serving.plane.port)):
        pass
    with pytest.raises(Unavailable):
        serving.router().read_router()


def test_a_router_that_was_unhosted_serves_the_committed_route_again(serving: PlaneHarness) -> None:
    serving.router().unhost()
    settle(lambda: ROUTER not in serving.plane.supervisor.programs())
    serving.router().host(serving.hosting())
    assert serving.send(3) == {Slot.BLUE: 3}


def test_another_port_is_taken_over_without_ending_the_router(serving: PlaneHarness) -> None:
    moved = replace(serving.hosting(), digest="sha256:moved", port=free_port())
    serving.router().host(moved)
    assert ask(moved.port) == (200, "blue")


def test_a_stale_epoch_is_refused_even_after_the_router_forgot_it(serving: PlaneHarness) -> None:
    serving.router().write_route(trial(epoch=9))
    serving.restart_router()
    assert serving.router().read_router().route.epoch == 1
    with pytest.raises(Refused) as refusal:
        serving.router().write_route(trial(epoch=8))
    assert refusal.value.code == "stale-epoch"


def test_a_frozen_writer_does_not_hold_up_one_with_a_higher_epoch(serving: PlaneHarness) -> None:
    """A stopped process keeps its lock; a rollback must not wait for it."""
    fence = serving.plane.directory / "haproxy" / FENCE
    with subprocess.Popen(["flock", fence, "sleep", "1000"], start_new_session=True) as frozen:
        try:
            settle(lambda: not _lockable(fence))
            with pytest.raises(Unavailable) as fault:
                serving.router().write_route(BLUE)
            assert fault.value.code == "fence-busy"
            serving.router().write_route(replace(BLUE, epoch=2))
        finally:
            os.killpg(frozen.pid, signal.SIGKILL)
    assert serving.router().read_router().route.epoch == 2


def test_on_a_full_disk_a_route_is_written_and_none_committed(
    serving: PlaneHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable) as fault:
        serving.router().commit_route(replace(BLUE, epoch=5))
    assert fault.value.code == "disk-full"
    assert serving.router().read_router().route == BLUE
    serving.router().write_route(trial(epoch=5))
    reading = serving.router().read_router()
    assert (reading.route, reading.committed) == (trial(epoch=5), BLUE)


def test_a_slot_is_down_for_the_router_until_its_checks_succeed(real: PlaneHarness) -> None:
    real.plane.have_all(Slot.GREEN, "unhealthy")
    real.router().host(real.hosting())
    real.router().admit_slot(Slot.GREEN)
    assert real.router().read_router().up[Slot.GREEN] == 0
    real.pass_ms(600)
    assert real.router().read_router().up[Slot.GREEN] == 0
    real.plane.have_all(Slot.GREEN, "ok")
    real.settle(lambda: real.router().read_router().up[Slot.GREEN] == 2)


def test_instances_that_every_check_calls_down_are_asked_all_the_same(serving: PlaneHarness) -> None:
    """A machine without a moment to spare misses every check, and still answers."""
    router = serving.router()
    for slot in Slot:
        serving.plane.have_all(slot, "unhealthy")
    serving.settle(lambda: not any(router.read_router().up.values()))
    answers = [ask(serving.plane.port, method=method) for method in ("GET", "POST") * 20]
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {Slot.BLUE}
    for slot in Slot:
        serving.plane.have_all(slot, "ok")
    serving.settle(lambda: all(router.read_router().up.values()))


def test_a_client_that_leaves_is_no_failure(serving: PlaneHarness) -> None:
    with socket.create_connection(("127.0.0.1", serving.plane.port)) as client:
        client.sendall(b"GET /?wait_ms=200 HTTP/1.1\r\nHost: x\r\n\r\n")
        settle(lambda: serving.router().read_router().in_flight[Slot.BLUE] == 1)
    settle(lambda: serving.router().read_router().in_flight[Slot.BLUE] == 0)
    counts = serving.router().read_counters(1).total(Slot.BLUE, 0, None)
    assert (counts.requests, counts.failures) == (1, 0)


def test_haproxy_runs_with_a_clean_environment(serving: PlaneHarness) -> None:
    content = Path(f"/proc/{serving.plane.pid(ROUTER)}/environ").read_bytes().decode()
    names = {entry.partition("=")[0] for entry in content.split("\0") if entry}
    assert names == {config.FD_VARIABLE, "TMINUS_SUPERVISED"}


def test_the_truth_probe_answers_on_its_own_socket_alone(serving: PlaneHarness) -> None:
    serving.router().write_route(trial(watch=Watch.SHORT))
    probe = Console(serving.plane.directory / "haproxy").probe()
    assert (probe.slot, probe.trusted, probe.latch, probe.leases) == ("green", True, 0, (True, True))
    assert probe.up == {"blue", "green"}
    assert ask(serving.plane.port) == (200, "green")
    assert serving.router().read_counters(1).total(Slot.GREEN, 1, None).requests == 1


def test_the_standalone_configuration_serves_without_tminus(serving: PlaneHarness, tmp_path: Path) -> None:
    hosting = replace(serving.hosting(), port=free_port())
    path = tmp_path / "standalone.cfg"
    path.write_text(config.render_standalone(hosting, Route(Slot.GREEN)), encoding="utf-8")
    with subprocess.Popen(
        [find_binary().path, "-db", "-f", path], env={}, stderr=subprocess.DEVNULL
    ) as alone:
        try:
            settle(lambda: _connects(hosting.port))
            settle(lambda: ask(hosting.port) == (200, "green"))
        finally:
            alone.kill()


def _lockable(path: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode == 0


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return False
    return True
