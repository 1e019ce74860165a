"""The daemon's loop: one thread that sleeps until a client speaks, a program ends or a delay is over."""

import contextlib
import errno
import hashlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tminus.adapters.supervisor import files, keeper, listener, program, record, wire
from tminus.adapters.supervisor.command import start_command
from tminus.adapters.supervisor.identity import marked, marker_of, signal_group
from tminus.adapters.supervisor.listener import Held
from tminus.adapters.supervisor.program import Program
from tminus.adapters.supervisor.record import ProgramRecord, State
from tminus.ports.fault import PortFault, Refused, Unavailable
from tminus.ports.supervision import ProgramSpec

KEEPER = "."  # begins the names of programs of the supervisor's own
SAVE_AGAIN_S = 1.0  # between attempts to write the state to a disk that was full


@dataclass
class _Connection:
    """A client that is being read from."""

    stream: socket.socket
    until_s: float
    received: bytearray = field(default_factory=bytearray)


class Server:
    """Programs, sockets and clients of one supervisor."""

    def __init__(self, directory: Path) -> None:
        """Adopts what an earlier supervisor of `directory` left running.

        Raises:
            ValueError: the remembered state cannot be understood.
        """
        self._directory = directory
        self._marker = marker_of(directory)
        self._selector = selectors.DefaultSelector()
        self._connections: list[_Connection] = []
        self._ending = False
        self._shutting_down = False
        self._save_at_s: float | None = None
        state = record.load(directory)
        self._programs = {name: Program(entry, self._marker) for name, entry in state.programs.items()}
        found = marked(self._marker)
        for name, entry in self._programs.items():
            entry.adopt(found.get(name, []))
        self._held: dict[str, Held] = {}
        self._sockets: dict[str, socket.socket] = {}
        for held in state.sockets.values():
            self._held[held.name] = held
            self._take_back(held)
        self._listener = files.listen_at(directory / wire.SOCKET)

    def run(self) -> None:
        """Serves until told to leave or to shut down, or SIGTERM: that leaves everything running."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        self._selector.register(reader, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._ending:
            self._attend()
            if self._shutting_down and not self._programs:
                break
            for key, _ in self._selector.select(self._patience_s()):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Connection):
                    self._receive(key.data)
                elif key.fd == reader:
                    os.read(reader, 64)
        (self._directory / wire.SOCKET).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Lets go of every descriptor; programs run on."""
        for connection in [*self._connections]:
            self._hang_up(connection)
        for taken in (self._listener, *self._sockets.values()):
            taken.close()
        self._selector.close()

    def _end(self) -> None:
        self._ending = True

    def _attend(self) -> None:
        changed = False
        for entry in self._programs.values():
            changed |= entry.attend(self._inherited)
        for name in [name for name, entry in self._programs.items() if entry.gone]:
            self._programs.pop(name).watch(self._selector)
            changed = True
        now_s = time.monotonic()
        if changed or (self._save_at_s is not None and now_s >= self._save_at_s):
            self._save_or_later()
        for entry in self._programs.values():
            entry.watch(self._selector)
        for connection in [entry for entry in self._connections if now_s >= entry.until_s]:
            self._hang_up(connection)

    def _patience_s(self) -> float | None:
        dues = [entry.due_s() for entry in self._programs.values()]
        dues += [connection.until_s for connection in self._connections]
        dues.append(self._save_at_s)
        soonest_s = min((due for due in dues if due is not None), default=None)
        return None if soonest_s is None else max(0.0, soonest_s - time.monotonic())

    def _inherited(self, spec: ProgramSpec) -> int | None:
        if not spec.socket:
            return None
        if spec.socket not in self._sockets and spec.socket in self._held:
            # Who had it may have ended by now, and then the port is free.
            self._take_back(self._held[spec.socket])
        if spec.socket not in self._sockets:
            raise FileNotFoundError(errno.ENOENT, f"socket {spec.socket} is lost")
        return self._sockets[spec.socket].fileno()

    def _take_back(self, held: Held) -> None:
        users = [entry.record for entry in self._programs.values() if entry.record.spec.socket == held.name]
        pids = [identity.pid for entry in users for identity in entry.groups]
        found = listener.recover(held, pids, keeper_path(self._directory, held.name))
        try:
            self._keep_socket(held, found or listener.bind(held.host, held.port))
        except PortFault as fault:
            print(f"socket {held.name} is lost: {fault}", file=sys.stderr, flush=True)  # noqa: T201 - the daemon's log

    def _keep_socket(self, held: Held, taken: socket.socket) -> None:
        if former := self._sockets.pop(held.name, None):
            former.close()
        self._sockets[held.name] = taken
        self._held[held.name] = replace(held, inode=listener.inode_of(taken.fileno()))

    def _save(self) -> None:
        programs = {name: entry.record for name, entry in self._programs.items()}
        record.save(self._directory, State(programs, self._held))
        self._save_at_s = None

    def _save_or_later(self) -> None:
        # Programs that are found again by their marker need no record, so a full disk stops nobody's restart.
        try:
            self._save()
        except OSError as error:
            self._save_at_s = time.monotonic() + SAVE_AGAIN_S
            print(f"the state cannot be written: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the daemon's log

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            stream, _ = self._listener.accept()
            stream.settimeout(0)
            connection = _Connection(stream, time.monotonic() + wire.CONNECTION_LIMIT_S)
            self._connections.append(connection)
            self._selector.register(stream, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            content = connection.stream.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        connection.received += content
        if not content or len(connection.received) > wire.LINE_LIMIT_BYTES:
            self._hang_up(connection)
        elif connection.received.endswith(b"\n"):
            reply = wire.encode(self._answer(bytes(connection.received)))
            with contextlib.suppress(OSError):
                connection.stream.settimeout(wire.CONNECTION_LIMIT_S)
                connection.stream.sendall(reply)
            self._hang_up(connection)

    def _hang_up(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.stream)
        connection.stream.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ping": lambda _: {"pid": os.getpid()},
            "keep": self._keep,
            "drop": self._drop,
            "programs": self._readings,
            "replace": self._replace,
            "hold": self._hold,
            "release": self._release,
            "leave": self._leave,
            "shutdown": self._shutdown,
        }
        try:
            message = wire.decode(line)
            return actions[message["do"]](message)
        except PortFault as fault:
            return wire.fault_message(fault)
        except (ValueError, KeyError, TypeError) as error:
            return wire.fault_message(Refused("not-understood", f"{type(error).__name__}: {error}"))
        except OSError as error:
            return wire.fault_message(_disk_fault(error))

    def _keep(self, message: dict[str, Any]) -> dict[str, Any]:
        specs = [wire.spec_from(entry) for entry in message["programs"]]
        if self._shutting_down:
            raise Unavailable("supervisor-ending", "the supervisor is stopping its programs, and then itself")
        fresh = [spec for spec in specs if self._is_new(spec)]
        for spec in fresh:
            program.check(spec)
            self._need_socket(spec)
        # On record first: a supervisor that dies now starts them after its own restart.
        self._programs |= {spec.name: Program(ProgramRecord(spec), self._marker) for spec in fresh}
        try:
            self._save()
        except OSError:
            for spec in fresh:
                del self._programs[spec.name]
            raise
        self._start_all(fresh)
        return {}

    def _start_all(self, specs: list[ProgramSpec]) -> None:
        try:
            for spec in specs:
                self._programs[spec.name].start(self._inherited)
        except OSError as error:
            for spec in specs:
                self._programs[spec.name].stop()
            if error.errno in (errno.EACCES, errno.ENOENT, errno.ENOEXEC):
                raise Refused("command-not-found", f"a program cannot be run: {error}") from error
            raise Unavailable("start-failed", f"a program could not be started: {error}") from error
        finally:
            self._save_or_later()

    def _is_new(self, spec: ProgramSpec) -> bool:
        known = self._programs.get(spec.name)
        if known is None:
            return True
        if known.record.dropped:
            raise Unavailable("program-stopping", f"{spec.name} is still being stopped")
        if known.record.spec != spec:
            raise Refused("program-differs", f"{spec.name} runs with another specification")
        return False

    def _need_socket(self, spec: ProgramSpec) -> None:
        if spec.socket and spec.socket not in self._sockets:
            raise Refused("socket-missing", f"{spec.name} wants socket {spec.socket!r}, which is not held")

    def _drop(self, message: dict[str, Any]) -> dict[str, Any]:
        for name in message["names"]:
            if name in self._programs:
                self._programs[name].stop()
        self._save_or_later()
        return {}

    def _readings(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "programs": [
                wire.reading_message(entry.reading)
                for name, entry in self._programs.items()
                if not name.startswith(KEEPER)
            ]
        }

    def _replace(self, message: dict[str, Any]) -> dict[str, Any]:
        spec = wire.spec_from(message["program"])
        known = self._programs.get(spec.name)
        if known is None:
            return self._keep({"programs": [message["program"]]})
        if known.record.dropped:
            raise Unavailable("program-stopping", f"{spec.name} is still being stopped")
        program.check(spec)
        self._need_socket(spec)
        former = known.record.spec
        known.record = known.record.having(spec=spec)
        try:
            self._save()
            known.start(self._inherited)
        except OSError:
            known.record = known.record.having(spec=former)
            self._save_or_later()
            raise
        self._save_or_later()
        return {}

    def _hold(self, message: dict[str, Any]) -> dict[str, Any]:
        wanted = Held(message["name"], message["host"], int(message["port"]), 0)
        held = self._held.get(wanted.name)
        if held is None or (held.host, held.port) != (wanted.host, wanted.port):
            self._keep_socket(wanted, listener.bind(wanted.host, wanted.port))
            self._keep_twice(wanted.name)
            self._save_or_later()
        return {}

    def _keep_twice(self, name: str) -> None:
        """Gives a copy of the socket to a keeper, which outlives this process."""
        spec = keeper_spec(self._directory, name)
        entry = self._programs.get(spec.name)
        if entry is None or entry.record.dropped:
            entry = Program(ProgramRecord(spec), self._marker)
        self._programs[spec.name] = entry
        try:
            entry.start(self._inherited)
        except OSError as error:
            print(f"socket {name} is held but once: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the daemon's log
        for former in entry.record.leaving:
            signal_group(former, signal.SIGKILL)

    def _release(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._held.pop(message["name"], None):
            if taken := self._sockets.pop(message["name"], None):
                taken.close()
            self._stop_keepers(message["name"])
            self._save_or_later()
        return {}

    def _leave(self, _: dict[str, Any]) -> dict[str, Any]:
        # Nobody will come back for the sockets, and a port must not stay taken by who does not serve it.
        for name in self._held:
            self._stop_keepers(name)
        self._save_or_later()
        self._ending = True
        return {}

    def _stop_keepers(self, name: str) -> None:
        if entry := self._programs.get(keeper_spec(self._directory, name).name):
            entry.stop()

    def _shutdown(self, _: dict[str, Any]) -> dict[str, Any]:
        for entry in self._programs.values():
            entry.stop()
        for taken in self._sockets.values():
            taken.close()
        self._sockets.clear()
        self._held.clear()
        self._shutting_down = True
        self._save_or_later()
        return {}


def keeper_path(directory: Path, name: str) -> Path:
    """Where the keeper of a socket hands it over."""
    return directory / f"{KEEPER}{hashlib.sha256(name.encode()).hexdigest()[:8]}.sock"


def keeper_spec(directory: Path, name: str) -> ProgramSpec:
    """The program that holds a second copy of a socket, and starts a supervisor when this one is killed."""
    path = keeper_path(directory, name)
    return ProgramSpec(
        name=f"{KEEPER}{name}",
        argv=(
            *(sys.executable, "-I", "-S", keeper.__file__, str(path), "{fd}", str(directory)),
            *start_command(directory),
        ),
        environment=dict(os.environ),
        directory="/",
        log=os.devnull,
        restart=True,
        socket=name,
        stop_grace_ms=0,
    )


def _disk_fault(error: OSError) -> Unavailable:
    code = "disk-full" if error.errno in files.FULL else "disk-failed"
    return Unavailable(code, f"{error.strerror}: nothing changed")
