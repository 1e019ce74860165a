"""The supervisor daemon: the ports' contract, and what only a daemon can get wrong."""

import errno
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataplane.plane import free_port, settle
from tests.dataplane.processes import processes
from tminus.adapters.supervisor import record, wire
from tminus.adapters.supervisor.client import Supervisor
from tminus.adapters.supervisor.identity import Identity, alive, boot_id, identify, signal_group
from tminus.adapters.supervisor.listener import recover
from tminus.adapters.supervisor.server import KEEPER, Server, keeper_path
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.supervision import ProgramSpec
from tminus.testing.contract.supervision import SupervisionContract, SupervisionHarness

pytestmark = pytest.mark.slow  # real processes that start, die and are waited for

SCRIPT = 'for pid in "$@"; do kill "$pid"; done; sleep 1000 & sleep 1000 & wait'


class DaemonHarness(SupervisionHarness):
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._others: list[socket.socket] = []

    def supervision(self) -> Supervisor:
        return Supervisor(self.directory / "state")

    def sockets(self) -> Supervisor:
        return self.supervision()

    def program(self, name: str, *, socket: str = "") -> ProgramSpec:
        return ProgramSpec(
            name=name,
            argv=("sh", "-c", SCRIPT, "sh", "{pid}") if socket else ("sh", "-c", SCRIPT),
            environment={"PATH": os.environ["PATH"]},
            directory=str(self.directory),
            log=str(self.directory / f"{name}.log"),
            restart=True,
            socket=socket,
            stop_grace_ms=1_000,
        )

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", free_port()

    def occupy(self, host: str, port: int) -> None:
        other = socket.create_server((host, port))
        self._others.append(other)

    def connects(self, host: str, port: int) -> bool:
        try:
            socket.create_connection((host, port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    def processes(self, name: str) -> int:
        return len(processes(self.directory / "state", name))

    def kill(self, name: str) -> None:
        os.kill(self._recorded(name).pid, signal.SIGKILL)

    def kill_supervisor(self) -> None:
        self.signal_supervisor(signal.SIGKILL)

    def signal_supervisor(self, number: signal.Signals) -> None:
        """Returns once it has ended; another may have been started meanwhile."""
        supervisor = identify(self.supervision().running())
        assert supervisor is not None
        os.kill(supervisor.pid, number)
        settle(lambda: not alive(supervisor))

    def settle(self, condition: Callable[[], bool]) -> None:
        settle(condition)

    def close(self) -> None:
        self.supervision().shutdown()
        settle(lambda: self.supervision().running() == 0 and self.processes("") == 0)
        for other in self._others:
            other.close()

    def _recorded(self, name: str) -> Identity:
        # From the file, so that a dead supervisor is not started by looking.
        leader = record.load(self.directory / "state").programs[name].leader
        assert leader is not None
        return leader


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonHarness]:
    harness = DaemonHarness(tmp_path)
    yield harness
    harness.close()


class TestSupervisor(SupervisionContract):
    @pytest.fixture
    def harness(self, daemon: DaemonHarness) -> SupervisionHarness:
        return daemon


def test_there_is_only_ever_one_supervisor_per_directory(daemon: DaemonHarness) -> None:
    daemon.supervision().ensure_running()
    first = daemon.supervision().running()
    daemon.supervision().ensure_running()
    assert daemon.supervision().running() == first > 0


def test_leaving_lets_every_program_run_on_and_the_next_supervisor_adopts_them(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([daemon.program("a")])
    before = daemon.supervision().programs()
    daemon.supervision().leave()
    daemon.settle(lambda: daemon.supervision().running() == 0)
    assert daemon.processes("a") == 3
    assert daemon.supervision().programs() == before


def test_sigterm_leaves_every_program_running(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([daemon.program("a")])
    os.kill(daemon.supervision().running(), signal.SIGTERM)
    daemon.settle(lambda: daemon.supervision().running() == 0)
    assert daemon.processes("a") == 3


def test_shutdown_stops_every_program_and_then_the_supervisor(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([daemon.program("a"), daemon.program("b")])
    daemon.supervision().shutdown()
    daemon.settle(lambda: daemon.supervision().running() == 0)
    assert (daemon.processes("a"), daemon.processes("b")) == (0, 0)


def test_shutdown_stops_what_runs_without_a_supervisor(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    daemon.supervision().keep([daemon.program("a", socket="s")])
    daemon.signal_supervisor(signal.SIGTERM)
    daemon.supervision().shutdown()
    daemon.settle(lambda: daemon.processes("") == 0)
    daemon.settle(lambda: not daemon.connects(host, port))
    daemon.settle(lambda: daemon.supervision().running() == 0)
    daemon.supervision().shutdown()
    assert daemon.supervision().running() == 0


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(daemon: DaemonHarness) -> None:
    deaf = replace(
        daemon.program("a"),
        argv=("sh", "-c", "trap '' TERM; sleep 1000 & while :; do wait; done"),
        stop_grace_ms=300,
    )
    daemon.supervision().keep([deaf])
    daemon.settle(lambda: daemon.processes("a") == 2)
    daemon.supervision().drop(["a"])
    began_s = time.monotonic()
    assert daemon.supervision().programs()["a"].pid > 0
    daemon.settle(lambda: daemon.supervision().programs() == {})
    assert 0.2 < time.monotonic() - began_s < 2
    assert daemon.processes("a") == 0


def test_a_program_being_stopped_cannot_be_kept(daemon: DaemonHarness) -> None:
    deaf = replace(daemon.program("a"), argv=("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"))
    daemon.supervision().keep([deaf])
    daemon.settle(lambda: daemon.processes("a") > 1)
    daemon.supervision().drop(["a"])
    with pytest.raises(Unavailable) as fault:
        daemon.supervision().keep([deaf])
    assert fault.value.code == "program-stopping"


def test_a_program_that_keeps_dying_is_started_ever_more_slowly(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([replace(daemon.program("a"), argv=("sh", "-c", "exit 1"))])
    began_s = time.monotonic()
    daemon.settle(lambda: daemon.supervision().programs()["a"].restarts == 3)
    # At once, after 0.2 s, after 0.5 s.
    assert 0.6 < time.monotonic() - began_s < 3


def test_a_program_without_restart_is_left_dead(daemon: DaemonHarness) -> None:
    once = replace(daemon.program("a"), argv=("sh", "-c", "exit 0"), restart=False)
    daemon.supervision().keep([once])
    daemon.settle(lambda: daemon.supervision().programs()["a"].pid == 0)
    daemon.supervision().keep([once])
    assert daemon.supervision().programs()["a"].restarts == 0


def test_a_process_without_a_record_is_found_by_its_mark(daemon: DaemonHarness) -> None:
    """A supervisor may die after it has started a program and before it has written down which."""
    daemon.supervision().keep([daemon.program("a")])
    before = daemon.supervision().programs()
    daemon.kill_supervisor()
    state = daemon.directory / "state" / record.STATE
    content = json.loads(state.read_bytes())
    content["programs"][0]["leader"] = None
    state.write_text(json.dumps(content), encoding="utf-8")
    assert daemon.supervision().programs()["a"].pid == before["a"].pid
    assert daemon.processes("a") == 3


def test_a_recycled_number_is_never_signalled() -> None:
    mine = identify(os.getpid())
    assert mine is not None
    assert alive(mine)
    for other in (replace(mine, start=mine.start + 1), replace(mine, boot="another")):
        assert not alive(other)
        signal_group(other, signal.SIGKILL)
    assert mine.boot == boot_id()


def test_the_state_is_for_this_user_alone(daemon: DaemonHarness) -> None:
    secret = replace(daemon.program("a"), environment={"PATH": os.environ["PATH"], "TOKEN": "hunter2"})
    daemon.supervision().keep([secret])
    state = daemon.directory / "state"
    assert b"hunter2" in (state / record.STATE).read_bytes()
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (state, state / record.STATE, state / "s.sock")
    }
    assert modes == {"state": 0o700, record.STATE: 0o600, "s.sock": 0o600}
    assert "hunter2" not in repr(secret)


def test_output_goes_to_a_file_that_is_put_aside_when_it_is_large(daemon: DaemonHarness) -> None:
    log = daemon.directory / "a.log"
    log.write_bytes(b"x" * (9 * 1024 * 1024))
    daemon.supervision().keep([replace(daemon.program("a"), argv=("sh", "-c", "echo said; exec sleep 1000"))])
    daemon.settle(lambda: log.read_bytes() == b"said\n")
    assert (daemon.directory / "a.log.1").stat().st_size == 9 * 1024 * 1024


def test_a_taken_port_names_who_has_it(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.occupy(host, port)
    with pytest.raises(Refused) as refusal:
        daemon.sockets().hold_socket("s", host, port)
    assert f"by pid {os.getpid()} (" in refusal.value.why


def test_an_address_of_another_host_is_refused(daemon: DaemonHarness) -> None:
    with pytest.raises(Refused) as refusal:
        daemon.sockets().hold_socket("s", "192.0.2.1", free_port())
    assert refusal.value.code == "address-unknown"


def test_a_new_supervisor_takes_the_socket_from_its_keeper(daemon: DaemonHarness) -> None:
    """The way that is left where the kernel does not let one process look into another."""
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    state = daemon.directory / "state"
    path = keeper_path(state, "s")
    daemon.settle(path.exists)
    taken = recover(record.load(state).sockets["s"], [], path)
    assert taken is not None
    with taken:
        assert taken.getsockname() == (host, port)


def test_a_dead_keeper_is_replaced_and_never_shown(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    first = daemon._recorded(f"{KEEPER}s")
    daemon.kill(f"{KEEPER}s")
    state = daemon.directory / "state"
    daemon.settle(lambda: record.load(state).programs[f"{KEEPER}s"].leader not in {None, first})
    assert daemon.supervision().programs() == {}


def test_a_killed_supervisor_is_started_again_though_nobody_calls(daemon: DaemonHarness) -> None:
    """Between launches no controller may look for months."""
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    daemon.supervision().keep([daemon.program("a", socket="s")])
    first = daemon.supervision().running()
    daemon.kill_supervisor()
    daemon.settle(lambda: daemon.supervision().running() not in {0, first})
    assert daemon.processes(KEEPER) == 1
    assert daemon.processes("a") == 3


def test_a_supervisor_that_ended_in_order_is_not_started_again(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    daemon.signal_supervisor(signal.SIGTERM)
    ended_s = time.monotonic()
    daemon.settle(lambda: time.monotonic() - ended_s > 0.5)
    assert daemon.supervision().running() == 0
    assert daemon.connects(host, port)


def test_leaving_frees_a_port_that_no_program_serves(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    daemon.supervision().leave()
    daemon.settle(lambda: not daemon.connects(host, port))


def test_a_socket_that_nobody_holds_any_more_is_bound_again(daemon: DaemonHarness) -> None:
    host, port = daemon.address()
    daemon.sockets().hold_socket("s", host, port)
    # Stopped first, or it would start another keeper at once.
    supervisor = daemon.supervision().running()
    os.kill(supervisor, signal.SIGSTOP)
    daemon.kill(f"{KEEPER}s")
    os.kill(supervisor, signal.SIGKILL)
    daemon.settle(lambda: not daemon.connects(host, port))
    daemon.supervision().ensure_running()
    assert daemon.connects(host, port)


def test_a_silent_client_does_not_hold_the_supervisor_up(daemon: DaemonHarness) -> None:
    daemon.supervision().ensure_running()
    # The path is longer than a socket address may be, so it is reached as the client does.
    directory = os.open(daemon.directory / "state", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(f"/proc/self/fd/{directory}/s.sock")
        os.close(directory)
        assert daemon.supervision().programs() == {}
        silent.settimeout(5)
        assert silent.recv(1) == b""


def test_nonsense_is_refused_and_the_supervisor_goes_on(daemon: DaemonHarness) -> None:
    daemon.supervision().ensure_running()
    with pytest.raises(Refused) as refusal:
        daemon.supervision()._ask({"do": "nonsense"})
    assert refusal.value.code == "not-understood"
    assert daemon.supervision().programs() == {}


def test_an_idle_supervisor_uses_no_processor_time(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([daemon.program("a"), daemon.program("b")])
    pid = daemon.supervision().running()

    def switches() -> int:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    before, began_s = switches(), time.monotonic()
    settle(lambda: time.monotonic() - began_s > 1.0)
    assert switches() - before <= 4


def test_on_a_full_disk_no_program_is_started(
    daemon: DaemonHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(directory: Path, state: record.State) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = tmp_path / "here"
    directory.mkdir()
    server = Server(directory)
    monkeypatch.setattr(record, "save", full)
    reply = server._answer(wire.encode({"do": "keep", "programs": [wire.spec_message(daemon.program("a"))]}))
    assert (reply["fault"], reply["code"]) == ("unavailable", "disk-full")
    assert server._answer(wire.encode({"do": "programs"})) == {"programs": []}
    assert processes(directory, "a") == []
    server.close()


def test_whoever_only_looks_starts_no_supervisor(daemon: DaemonHarness) -> None:
    daemon.supervision().keep([daemon.program("a")])
    daemon.supervision().leave()
    daemon.settle(lambda: daemon.supervision().running() == 0)
    with pytest.raises(Unavailable, match="supervisor-silent"):
        Supervisor(daemon.directory / "state", revives=False).programs()
    assert (daemon.supervision().running(), daemon.processes("a")) == (0, 3)
