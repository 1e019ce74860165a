"""A client that notes of every request when it began, when it ended, and which slot answered.

Requests begin at a steady pace, each on a connection that is idle, and are never sent twice. Times are of the
monotonic clock, which all processes of a machine share. SIGTERM ends it and writes the notes.
Usage: python benchmarks/prober.py PORT FILE [--rate 2000]
"""

import argparse
import selectors
import signal
import socket
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 64
LIMIT_NS = 5_000_000_000
SLOTS = {b"blue": 1, b"green": 2}
LOST, REFUSED, SLOW = 0, -1, -2
"""Of requests without an answer of 200: closed, not connected, not in time; else the status below zero."""
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n"
COLUMNS = 3


@dataclass(frozen=True)
class Note:
    """One request; a `slot` of 0 or less says why there was no complete answer of 200."""

    began_ns: int
    ended_ns: int
    slot: int

    @property
    def is_lost(self) -> bool:
        """It got no complete answer of 200."""
        return self.slot <= LOST

    @property
    def why(self) -> str:
        """Of one that was lost."""
        known = {
            LOST: "the connection was closed",
            REFUSED: "it could not connect",
            SLOW: "no answer in time",
        }
        waited = f"after {(self.ended_ns - self.began_ns) / 1e6:.1f} ms"
        return f"{known.get(self.slot, f'status {-self.slot}')} {waited}"


def read_notes(path: Path) -> list[Note]:
    """What a prober has written, by when the requests began."""
    flat = array("q")
    flat.frombytes(path.read_bytes())
    rows = (flat[number : number + COLUMNS] for number in range(0, len(flat), COLUMNS))
    return sorted((Note(*row) for row in rows), key=lambda note: note.began_ns)


class Prober:
    """Single-threaded; one request at a time on each connection."""

    def __init__(self, port: int, rate: int) -> None:
        self._port = port
        self._gap_ns = 1_000_000_000 // rate
        self._selector = selectors.DefaultSelector()
        self._idle: list[socket.socket] = []
        self._busy: dict[socket.socket, int] = {}
        self._heard: dict[socket.socket, bytes] = {}
        self.notes = array("q")
        self.ending = False

    def run(self) -> None:
        due_ns = time.monotonic_ns()
        while not self.ending or self._busy:
            now_ns = time.monotonic_ns()
            if not self.ending and now_ns >= due_ns:
                self._begin()
                # What could not be begun in time is left out: it was never sent.
                due_ns = max(due_ns + self._gap_ns, now_ns - 50 * self._gap_ns)
            wait_s = max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
            for key, _ in self._selector.select(min(wait_s, 0.05)):
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)
            if self._busy and now_ns - next(iter(self._busy.values())) > LIMIT_NS:
                self._end(next(iter(self._busy)), SLOW)

    def _begin(self) -> None:
        while self._idle and not _is_quiet(self._idle[-1]):
            self._close(self._idle[-1])
        if not self._idle and len(self._busy) >= CONNECTIONS:
            return
        began_ns = time.monotonic_ns()
        try:
            taken = self._idle.pop() if self._idle else self._open()
        except OSError:
            self.notes.extend((began_ns, time.monotonic_ns(), REFUSED))
            return
        self._busy[taken] = began_ns
        try:
            taken.send(REQUEST)
        except OSError:
            self._end(taken, LOST)

    def _open(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        self._selector.register(opened, selectors.EVENT_READ)
        self._heard[opened] = b""
        return opened

    def _read(self, taken: socket.socket) -> None:
        try:
            content = taken.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._end(taken, LOST)
            return
        heard = self._heard[taken] = self._heard[taken] + content
        head, found, body = heard.partition(b"\r\n\r\n")
        if not found:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if len(body) >= int(fields.get(b"content-length", b"0")):
            status = head[9:12]
            known = SLOTS.get(fields.get(b"x-slot", b""), LOST) if status == b"200" else 0
            self._end(taken, known or -int(status if status.isdigit() else 0))

    def _end(self, taken: socket.socket, slot: int) -> None:
        began_ns = self._busy.pop(taken, None)
        if began_ns is not None:
            self.notes.extend((began_ns, time.monotonic_ns(), slot))
        self._heard[taken] = b""
        if slot <= LOST:
            self._close(taken)
        else:
            self._idle.append(taken)

    def _close(self, taken: socket.socket) -> None:
        self._idle = [other for other in self._idle if other is not taken]
        self._selector.unregister(taken)
        taken.close()


def _is_quiet(taken: socket.socket) -> bool:
    """Whether an idle connection shows no end; a careful client sends nothing on one that has ended."""
    try:
        taken.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=int, default=2_000)
    arguments = parser.parse_args()
    prober = Prober(arguments.port, arguments.rate)

    def end(*_: object) -> None:
        prober.ending = True

    signal.signal(signal.SIGTERM, end)
    prober.run()
    arguments.file.write_bytes(prober.notes.tobytes())


if __name__ == "__main__":
    main()
