"""A server on loopback that does with each connection exactly what a test says."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[["Visitor", int], None]


class Visitor:
    """One connection, from the server's side."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.settimeout(20)
        self._buffer = b""

    def request(self) -> bytes:
        """The next request, whole; empty when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            content = self._connection.recv(65536)
            if not content:
                return b""
            self._buffer += content
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        lengths = [
            line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        length = int(lengths[0]) if lengths else 0
        while len(rest) < length:
            rest += self._connection.recv(65536)
        self._buffer = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def say(self, content: bytes) -> None:
        self._connection.sendall(content)

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def close(self) -> None:
        self._connection.close()


class ScriptedServer:
    """`connections` is how many were accepted; `requests` what was asked, in the order of arrival."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop_listening(self) -> None:
        """New connections are refused from now on."""
        # Closing alone does not wake the thread that accepts, and the socket would live on in it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                visitor = Visitor(connection)
                threading.Thread(target=self._serve, args=(visitor, self.connections), daemon=True).start()

    def _serve(self, visitor: Visitor, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(visitor):
            self._script(visitor, number)


@contextlib.contextmanager
def serving(script: Script) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script)
    try:
        yield server
    finally:
        server.stop_listening()


def answering(content: bytes = OK) -> Script:
    """Answers every request of every connection with the same bytes."""

    def script(visitor: Visitor, _number: int) -> None:
        while visitor.request():
            visitor.say(content)

    return script
