"""Servers that do what no server should, for whatever asks over a network. Must not know who asks."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from enum import StrEnum

_LOCAL = "127.0.0.1"
_DRIP_S = 0.05
_FLOOD_BYTES = 64 * 1024
_GREETING_BYTES = 64 * 1024
_PATIENCE_S = 0.2  # for a greeting of the one who asks: some wait for the server to speak first
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_DEEP = b"[" * 100_000


class Scene(StrEnum):
    """What the other side does."""

    DOWN = "down"
    HANGS = "hangs"
    DRIPS = "drips"
    CLOSES = "closes"
    GARBLES = "garbles"
    FLOODS = "floods"
    TRUNCATES = "truncates"
    NONSENSE = "nonsense"
    EMPTY = "empty"
    DEEP = "deep"
    HUGE = "huge"
    ECHOES = "echoes"
    REDIRECTS = "redirects"
    FAILS = "fails"


@contextlib.contextmanager
def lying(scene: Scene) -> Iterator[tuple[str, int]]:
    """Host and port of a server that plays that scene to whoever comes, while the context lasts."""
    over = threading.Event()
    listener = socket.create_server((_LOCAL, 0))
    port: int = listener.getsockname()[1]
    if scene is Scene.DOWN:
        listener.close()
        yield _LOCAL, port
        return
    callers: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        # Its end may come at any moment: whoever asked has had enough.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_DRIP_S)
            _PLAYS[scene](connection, over)

    def accept() -> None:
        while not over.is_set():
            if not select.select([listener], [], [], _DRIP_S)[0]:
                continue
            connection, _ = listener.accept()
            caller = threading.Thread(target=serve, args=(connection,), daemon=True)
            callers.append(caller)
            caller.start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield _LOCAL, port
    finally:
        over.set()
        thread.join()
        listener.close()
        for caller in callers:
            caller.join()


def _hang(connection: socket.socket, over: threading.Event) -> None:
    del connection
    over.wait()


def _drip(connection: socket.socket, over: threading.Event) -> None:
    content = iter(_OK + b"X-Drip: " + b"x" * 10_000)
    for byte in content:
        if over.wait(_DRIP_S):
            return
        connection.sendall(bytes([byte]))


def _close(connection: socket.socket, over: threading.Event) -> None:
    del connection, over


def _garble(connection: socket.socket, over: threading.Event) -> None:
    del over
    _greeting(connection)
    connection.sendall(bytes(range(256)) * 16)


def _flood(connection: socket.socket, over: threading.Event) -> None:
    _greeting(connection)
    _endless(connection, over)


def _huge(connection: socket.socket, over: threading.Event) -> None:
    _greeting(connection)
    connection.sendall(_OK + b'\r\n{"a": "')
    _endless(connection, over)


def _endless(connection: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            connection.sendall(b"A" * _FLOOD_BYTES)


def _echo(connection: socket.socket, over: threading.Event) -> None:
    """Every secret that was sent comes back, as HTTP to whoever speaks it, else as it came."""
    while not over.is_set():
        heard = _greeting(connection)
        if b" HTTP/1.1\r\n" in heard:
            connection.sendall(_said(heard, b"200 OK"))
            return
        connection.sendall(b"-ERR " + heard)
        if not heard:
            return


def _says(content: bytes, status: bytes = b"200 OK", *headers: bytes) -> Callable[..., None]:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        del over
        _greeting(connection)
        connection.sendall(_said(content, status, *headers))

    return answer


def _said(content: bytes, status: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(content), b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def _truncate(connection: socket.socket, over: threading.Event) -> None:
    del over
    _greeting(connection)
    connection.sendall(_OK + b'Content-Length: 1000\r\n\r\n{"a": ')


def _greeting(connection: socket.socket) -> bytes:
    connection.settimeout(_PATIENCE_S)
    with contextlib.suppress(TimeoutError):
        return connection.recv(_GREETING_BYTES)
    return b""


_PLAYS: dict[Scene, Callable[[socket.socket, threading.Event], None]] = {
    Scene.HANGS: _hang,
    Scene.DRIPS: _drip,
    Scene.CLOSES: _close,
    Scene.GARBLES: _garble,
    Scene.FLOODS: _flood,
    Scene.TRUNCATES: _truncate,
    Scene.NONSENSE: _says(b"it works!"),
    Scene.EMPTY: _says(b"{}"),
    Scene.DEEP: _says(_DEEP),
    Scene.HUGE: _huge,
    Scene.ECHOES: _echo,
    Scene.REDIRECTS: _says(b"", b"302 Found", b"Location: /elsewhere"),
    Scene.FAILS: _says(b"{}", b"500 Internal Server Error"),
}
