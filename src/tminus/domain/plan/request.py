"""A request with an expected answer: one line of a smoke suite or a critical path. Must not send anything."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what its answer must be.

    Attributes:
        name: shown in the log, for example `POST /auth/login`.
        method: HTTP method in capitals.
        path: absolute path with query; `{name}` is replaced by a captured variable.
        headers: (name, value) pairs; values may hold `{name}`.
        body: request body as text, may hold `{name}`; None sends none.
        expect_status: statuses of which the answer must have one; never empty.
        expect_json: (JSON pointer, expected value as JSON text) pairs, RFC 6901.
        capture: (variable, JSON pointer) pairs taken from the answer for later requests.
        limit_ms: the answer must be complete within this time.
    """

    name: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    expect_status: tuple[int, ...] = (200,)
    expect_json: tuple[tuple[str, str], ...] = ()
    capture: tuple[tuple[str, str], ...] = ()
    limit_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """How one request went. `why` is empty when it passed; secrets and bodies never enter it."""

    name: str
    passed: bool
    duration_ms: int
    status: int = 0
    why: str = ""
