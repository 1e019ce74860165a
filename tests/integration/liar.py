"""An HTTP server that answers whatever a test wants, also what no server should."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Liar:
    url: str
    answer: Answer
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        self.over.wait(30)

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(300):
            if self.over.wait(0.1):
                return
            handler.wfile.write(f"X-{number}: drip\r\n".encode())


def says(body: object, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def garbles(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def floods(handler: BaseHTTPRequestHandler) -> None:
    """A body without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        handler.wfile.write(b"1," * 32_768)


class _Server(ThreadingHTTPServer):
    """Takes a burst of callers: the usual queue of five would refuse some of a load."""

    request_queue_size = 128


@contextmanager
def lying(answer: Answer | None = None) -> Iterator[Liar]:
    liar = Liar("", answer or says({}))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            liar.paths.append(self.path)
            liar.headers.append(dict(self.headers.items()))
            with suppress(OSError):
                liar.answer(self)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    liar.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        liar.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
