"""A small HTTP server for machines: `GET /metrics`, and `POST /alerts` where a token is known.

Every connection has a time limit and every body a bound, and more than a few at once are turned away: what
asks for figures must never hold up what drives launches.
"""

import hmac
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from tminus.ports.fault import PortFault, Refused

MOST_CONNECTIONS = 8
"""Prometheus, Alertmanager and a person at once; beyond these the endpoint is being abused."""

READ_LIMIT_S = 5.0
"""Between two pieces of a request; both programs send theirs in one."""

WHOLE_LIMIT_S = 15.0
"""For a request and its answer together."""

BODY_LIMIT_BYTES = 1024 * 1024
"""Alertmanager cuts a group at `max_alerts`; a thousand alerts are half as much."""

Page = Callable[[], str]
Notify = Callable[[bytes], str]


class Endpoint:
    """Serves in threads of its own from `start` to `close`.

    Args:
        host: to listen on; the loopback unless somebody says otherwise.
        port: 0 takes a free one.
        page: what `GET /metrics` answers; may raise PortFault.
        content_type: of that page.
        notify: takes the body of `POST /alerts` and says what became of it; raises ValueError for one that
            it does not understand, PortFault when it cannot be kept now. None where nothing is taken in.
        token: bearer token that `POST /alerts` must carry.
    """

    def __init__(
        self,
        host: str,
        port: int,
        page: Page,
        content_type: str,
        notify: Notify | None = None,
        token: str = "",
    ) -> None:
        """Binds the address.

        Raises:
            Refused: `endpoint-taken`.
        """
        self.page, self.content_type, self.notify, self.token = page, content_type, notify, token
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            why = f"nothing can listen on {host}:{port}: {error.strerror or error}"
            raise Refused("endpoint-taken", why) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(READ_LIMIT_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        over = threading.Timer(WHOLE_LIMIT_S, self._cut, (request,))
        over.daemon = True
        over.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        del request, client_address  # a client that went away is nothing to tell of

    @staticmethod
    def _cut(request: socket.socket) -> None:
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_LIMIT_S
    server_version = "tminus"
    sys_version = ""

    @property
    def _endpoint(self) -> Endpoint:
        return cast("_Server", self.server).endpoint

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._say(HTTPStatus.NOT_FOUND, "figures are at /metrics\n")
            return
        try:
            page = self._endpoint.page()
        except PortFault as fault:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{fault}\n")
            return
        self._say(HTTPStatus.OK, page, self._endpoint.content_type)

    def do_POST(self) -> None:
        endpoint = self._endpoint
        if self.path != "/alerts" or endpoint.notify is None:
            self._say(HTTPStatus.NOT_FOUND, "nothing is taken in here\n")
            return
        sent = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if not endpoint.token or not hmac.compare_digest(sent, f"Bearer {endpoint.token}".encode()):
            self._say(HTTPStatus.UNAUTHORIZED, "the bearer token is not the agent's\n")
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            self._say(HTTPStatus.LENGTH_REQUIRED, "the length of the body must be said\n")
        elif int(length) > BODY_LIMIT_BYTES:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_LIMIT_BYTES} bytes are read\n")
        else:
            self._take(endpoint.notify, self.rfile.read(int(length)))

    def _take(self, notify: Notify, body: bytes) -> None:
        try:
            answer = notify(body)
        except ValueError as error:
            self._say(HTTPStatus.BAD_REQUEST, f"{error}\n")
        except PortFault as fault:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{fault}\n")  # Alertmanager sends it again
        else:
            self._say(HTTPStatus.OK, f"{answer}\n")

    def _say(self, status: HTTPStatus, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Nothing: a scrape every few seconds is nothing to tell of, and a header may hold a secret."""
        del format, args
