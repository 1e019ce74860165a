"""What every implementation of `ports.supervision` must do: programs and sockets that outlive their asker."""

import abc
from collections.abc import Callable
from dataclasses import replace

import pytest

from tminus.ports.fault import Refused
from tminus.ports.supervision import ListeningSockets, ProgramReading, ProgramSpec, Supervision

ABSENT = ProgramReading("", 0, 0, 0)


class SupervisionHarness(abc.ABC):
    """What the suite needs beside the ports."""

    @abc.abstractmethod
    def supervision(self) -> Supervision:
        """The supervisor, as a controller that has just been started sees it."""

    @abc.abstractmethod
    def sockets(self) -> ListeningSockets:
        """The same supervisor's sockets."""

    @abc.abstractmethod
    def program(self, name: str, *, socket: str = "") -> ProgramSpec:
        """A program of several processes that runs until it is stopped.

        Given a socket, it inherits that, and tells predecessors to finish on `replace`.
        """

    @abc.abstractmethod
    def address(self) -> tuple[str, int]:
        """Host and port where nobody listens."""

    @abc.abstractmethod
    def occupy(self, host: str, port: int) -> None:
        """Somebody else listens there."""

    @abc.abstractmethod
    def connects(self, host: str, port: int) -> bool:
        """Whether a connection is taken."""

    @abc.abstractmethod
    def processes(self, name: str) -> int:
        """How many processes of a program run."""

    @abc.abstractmethod
    def kill(self, name: str) -> None:
        """The leading process of a program dies at once."""

    @abc.abstractmethod
    def kill_supervisor(self) -> None:
        """The supervisor dies at once, and whatever starts it again does so at the next call or sooner."""

    @abc.abstractmethod
    def settle(self, condition: Callable[[], bool]) -> None:
        """Lets time pass until the condition holds; fails after a while."""


class SupervisionContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> SupervisionHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_a_kept_program_runs_and_keeping_it_again_does_nothing(self, harness: SupervisionHarness) -> None:
        """Idempotent."""
        harness.supervision().keep([harness.program("a")])
        before = _reading(harness, "a")
        harness.supervision().keep([harness.program("a")])
        assert before.pid > 0
        assert _reading(harness, "a") == before

    def test_another_specification_is_refused(self, harness: SupervisionHarness) -> None:
        """What runs is never changed behind somebody's back."""
        harness.supervision().keep([harness.program("a")])
        before = _reading(harness, "a")
        with pytest.raises(Refused) as refusal:
            harness.supervision().keep([replace(harness.program("a"), stop_grace_ms=1)])
        assert refusal.value.code == "program-differs"
        assert _reading(harness, "a") == before

    def test_a_command_that_does_not_exist_starts_none_of_them(self, harness: SupervisionHarness) -> None:
        """All or nothing."""
        wrong = replace(harness.program("b"), argv=("no-such-command-anywhere",))
        with pytest.raises(Refused) as refusal:
            harness.supervision().keep([harness.program("a"), wrong])
        assert refusal.value.code == "command-not-found"
        assert harness.supervision().programs() == {}

    def test_a_dead_program_is_started_again_and_counted(self, harness: SupervisionHarness) -> None:
        """Its remaining processes go with it."""
        harness.supervision().keep([harness.program("a")])
        first = _reading(harness, "a")
        whole = harness.processes("a")
        harness.kill("a")
        harness.settle(lambda: _reading(harness, "a").pid not in {0, first.pid})
        assert _reading(harness, "a").restarts == 1
        harness.settle(lambda: harness.processes("a") == whole)

    def test_a_dropped_program_is_gone_with_its_whole_group(self, harness: SupervisionHarness) -> None:
        """A reading tells when; dropping it again, or what was never there, does nothing."""
        harness.supervision().keep([harness.program("a"), harness.program("b")])
        harness.supervision().drop(["a"])
        harness.supervision().drop(["a", "never"])
        harness.settle(lambda: "a" not in harness.supervision().programs())
        assert harness.processes("a") == 0
        assert _reading(harness, "b").pid > 0

    def test_a_dropped_program_can_be_kept_anew(self, harness: SupervisionHarness) -> None:
        """With another specification too."""
        harness.supervision().keep([harness.program("a")])
        harness.supervision().drop(["a"])
        harness.settle(lambda: "a" not in harness.supervision().programs())
        harness.supervision().keep([replace(harness.program("a"), stop_grace_ms=1)])
        assert _reading(harness, "a").pid > 0

    def test_programs_outlive_their_supervisor_and_are_adopted(self, harness: SupervisionHarness) -> None:
        """The same processes, under supervision as before."""
        harness.supervision().keep([harness.program("a")])
        before = _reading(harness, "a")
        harness.kill_supervisor()
        assert _reading(harness, "a") == before
        harness.kill("a")
        harness.settle(lambda: _reading(harness, "a").pid not in {0, before.pid})
        harness.supervision().drop(["a"])
        harness.settle(lambda: "a" not in harness.supervision().programs())
        assert harness.processes("a") == 0

    def test_a_program_that_dies_without_a_supervisor_is_started_by_the_next(
        self, harness: SupervisionHarness
    ) -> None:
        """Desired programs are on disk."""
        harness.supervision().keep([harness.program("a")])
        first = _reading(harness, "a").pid
        harness.kill_supervisor()
        harness.kill("a")
        harness.settle(lambda: _reading(harness, "a").pid not in {0, first})

    def test_a_held_socket_takes_connections_before_any_program(self, harness: SupervisionHarness) -> None:
        """They wait; holding it again does nothing."""
        host, port = harness.address()
        harness.sockets().hold_socket("s", host, port)
        harness.sockets().hold_socket("s", host, port)
        assert harness.connects(host, port)

    def test_a_taken_port_is_refused_by_its_name(self, harness: SupervisionHarness) -> None:
        """The operator sees which."""
        host, port = harness.address()
        harness.occupy(host, port)
        with pytest.raises(Refused) as refusal:
            harness.sockets().hold_socket("s", host, port)
        assert refusal.value.code == "port-taken"
        assert f"{host}:{port}" in refusal.value.why

    def test_a_released_socket_takes_no_connection(self, harness: SupervisionHarness) -> None:
        """Nobody waits in a queue that nobody serves."""
        host, port = harness.address()
        harness.sockets().hold_socket("s", host, port)
        harness.sockets().release_socket("s")
        harness.sockets().release_socket("s")
        assert not harness.connects(host, port)

    def test_a_socket_outlives_its_supervisor_and_its_program(self, harness: SupervisionHarness) -> None:
        """Not one after the other: the supervisor first, and then the program, which had the only copy."""
        host, port = harness.address()
        harness.sockets().hold_socket("s", host, port)
        harness.supervision().keep([harness.program("a", socket="s")])
        first = _reading(harness, "a").pid
        harness.kill_supervisor()
        assert _reading(harness, "a").pid == first
        harness.kill("a")
        assert harness.connects(host, port)
        harness.settle(lambda: _reading(harness, "a").pid not in {0, first})

    def test_a_replaced_program_hands_over_to_its_successor(self, harness: SupervisionHarness) -> None:
        """The predecessor finishes; the socket never closes."""
        host, port = harness.address()
        harness.sockets().hold_socket("s", host, port)
        harness.supervision().keep([harness.program("a", socket="s")])
        first = _reading(harness, "a").pid
        whole = harness.processes("a")
        harness.sockets().replace(harness.program("a", socket="s"))
        assert _reading(harness, "a").pid not in {0, first}
        assert harness.connects(host, port)
        harness.settle(lambda: harness.processes("a") == whole)
        assert _reading(harness, "a").restarts == 0


def _reading(harness: SupervisionHarness, name: str) -> ProgramReading:
    return harness.supervision().programs().get(name, ABSENT)
