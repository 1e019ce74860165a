"""The Docker Engine API over HTTP. Must not know what images and containers are for."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any
from urllib.parse import urlencode

from tminus.adapters.docker.dialing import Line
from tminus.ports.fault import Unavailable

CALL_LIMIT_S = 10.0
"""Of a call that changes something: it takes milliseconds, and seconds where the disk is slow."""

READ_LIMIT_S = 0.8
"""Of a reading: a driver that waits longer would lose its lease on the router."""

_LONGEST_ERROR = 600  # characters of an engine's own words
_HTTP_ERROR = 400

Query = Mapping[str, Any]
Body = bytes | IO[bytes] | Iterable[bytes]


class EngineError(Exception):
    """The engine answered with an error.

    Attributes:
        status: HTTP status; 0 where it came in the middle of a stream.
        why: its own words.
    """

    def __init__(self, status: int, why: str) -> None:
        """See the class."""
        super().__init__(why)
        self.status = status
        self.why = why[:_LONGEST_ERROR]


class Engine:
    """One engine. Calls from several threads are made one after the other."""

    def __init__(self, url: str, limit_s: float = CALL_LIMIT_S) -> None:
        """Makes no call; `url` as in `DOCKER_HOST`, `limit_s` for an answer."""
        self.url = url
        self._limit_s = limit_s
        self._line: Line | None = None
        self._lock = threading.Lock()

    def get(self, path: str, query: Query | None = None, *, limit_s: float | None = None) -> Any:  # noqa: ANN401 - JSON
        """What the engine answers.

        Raises:
            EngineError: it refuses.
            Unavailable: `engine-unreachable`.
        """
        return self.call("GET", path, query, limit_s=limit_s)

    def post(
        self,
        path: str,
        query: Query | None = None,
        body: object = None,
        *,
        limit_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """As `get`, for a call that changes something; `body` becomes JSON."""
        return self.call("POST", path, query, body, limit_s=limit_s)

    def delete(self, path: str, query: Query | None = None) -> None:
        """Removes; what is not there counts as removed."""
        try:
            self.call("DELETE", path, query)
        except EngineError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise

    def call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        *,
        limit_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """One call on the kept connection; None where the answer is empty."""
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        with self._lock, self._reaching():
            status, answer = self._exchange(method, _target(path, query), content, headers, limit_s)
        if status >= _HTTP_ERROR:
            raise EngineError(status, _words(answer))
        return json.loads(answer) if answer.strip() else None

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        limit_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer as a stream, on a connection of its own.

        Args:
            method: of the request.
            path: with a leading slash.
            query: parameters; values that are objects become JSON.
            body: sent as it comes.
            headers: more of them.
            limit_s: between two pieces of the answer.
            stop: ends the stream from another thread.

        Raises:
            EngineError: it refuses.
            Unavailable: `engine-unreachable`, also where the stream breaks off.
        """
        line = Line(self.url, limit_s or self._limit_s)
        over = threading.Event()
        if stop is not None:
            threading.Thread(target=_hang_up_when, args=(line, stop, over), daemon=True).start()
        try:
            with self._reaching():
                chunked = body is not None and not isinstance(body, bytes)
                line.request(method, _target(path, query), body, dict(headers or {}), encode_chunked=chunked)
                answer = line.getresponse()
                if answer.status >= _HTTP_ERROR:
                    raise EngineError(answer.status, _words(answer.read()))
                yield answer
        finally:
            over.set()
            line.close()

    def messages(
        self,
        path: str,
        query: Query | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        limit_s: float,
        stop: threading.Event | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The messages of a long call, such as a build, a push or a pull.

        Raises:
            EngineError: a message of them says that it failed.
            Unavailable: `engine-unreachable`.
        """
        with self.open("POST", path, query, body, headers, limit_s=limit_s, stop=stop) as answer:
            for line in answer:
                if not line.strip():
                    continue
                message: dict[str, Any] = json.loads(line)
                if "error" in message:
                    raise EngineError(0, str(message["error"]))
                yield message
        if stop is not None and stop.is_set():
            raise Unavailable("engine-unreachable", f"the call to {self.url} was ended")

    def close(self) -> None:
        """Closes the kept connection."""
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        """A kept connection ends with whoever kept it."""
        self._drop()

    def _exchange(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str], limit_s: float | None
    ) -> tuple[int, bytes]:
        kept = self._line is not None
        line = self._line = self._line or Line(self.url, self._limit_s)
        line.limit(limit_s or self._limit_s)
        try:
            return _ask(line, method, target, content, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._drop()
            if not kept:
                raise
        except (OSError, http.client.HTTPException):
            self._drop()
            raise
        # An engine closes a connection that was idle for long: that says nothing about this call.
        fresh = self._line = Line(self.url, limit_s or self._limit_s)
        try:
            return _ask(fresh, method, target, content, headers)
        except (OSError, http.client.HTTPException):
            self._drop()
            raise

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            why = f"the engine at {self.url} did not answer in time"
            raise Unavailable("engine-unreachable", why) from error
        except (OSError, http.client.HTTPException) as error:
            words = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
            why = f"no engine answers at {self.url} ({words}): start it, or name another in DOCKER_HOST"
            raise Unavailable("engine-unreachable", why) from error


def _ask(
    line: Line, method: str, target: str, content: bytes | None, headers: dict[str, str]
) -> tuple[int, bytes]:
    line.request(method, target, content, headers)
    answer = line.getresponse()
    return answer.status, answer.read()


def _target(path: str, query: Query | None) -> str:
    if not query:
        return path
    flat = {
        name: json.dumps(value) if isinstance(value, dict | list | bool) else value
        for name, value in query.items()
    }
    return f"{path}?{urlencode(flat)}"


def _words(answer: bytes) -> str:
    with contextlib.suppress(ValueError):
        body = json.loads(answer)
        if isinstance(body, dict):
            return str(body.get("message") or body.get("cause") or body)
    return answer.decode(errors="replace").strip()


def _hang_up_when(line: Line, stop: threading.Event, over: threading.Event) -> None:
    while not over.is_set():
        if stop.wait(0.1):
            line.hang_up()
            return
