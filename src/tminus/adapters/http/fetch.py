"""One bounded request. Follows no redirect and sends nothing twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tminus.adapters.http.connection import Connection, Exchange, Trouble, parse_origin
from tminus.adapters.http.wire import request_bytes
from tminus.domain.watch.measurement import MeasuredState, Missed
from tminus.ports.metrics import Fetched

_FIXED = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "tminus-measure"),
    ("Connection", "close"),
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A complete answer.

    Attributes:
        status: redirects are answers too.
        headers: lower-case name to value; values of repeated headers are joined by `, `.
        body: its bytes.
        duration_ms: from before the connection to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int


def fetch(url: str, headers: Sequence[tuple[str, str]], limit_ms: int, most_bytes: int) -> Fetched | Missed:
    """See `ports.metrics.Fetch`."""
    found = look(url, headers, limit_ms, most_bytes)
    if isinstance(found, Missed):
        return found
    return Fetched(found.status, found.headers.get("content-type", ""), found.body)


def look(
    url: str,
    headers: Sequence[tuple[str, str]],
    limit_ms: int,
    most_bytes: int,
    method: str = "GET",
    body: bytes | None = None,
) -> Looked | Missed:
    """The whole answer to one request, or why there is none; see `ports.metrics.Fetch`."""
    given = {name.lower() for name, _ in headers}
    fixed = [(name, value) for name, value in _FIXED if name.lower() not in given]
    try:
        origin = parse_origin(url)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = request_bytes(method, path, origin.authority, (*fixed, *headers), body)
        with Connection(origin, keep_body=most_bytes) as connection:
            exchange = connection.exchange(request, method, limit_ms / 1000)
    except UnicodeError:
        return Missed(MeasuredState.UNREACHABLE, "its host is no name that can be looked up")
    except ValueError:
        return Missed(MeasuredState.INVALID, "its address or a header cannot be sent as it is")
    return _answer(exchange, most_bytes)


def _answer(exchange: Exchange, most_bytes: int) -> Looked | Missed:
    answer = exchange.answer
    announced = answer.headers.get("content-length", "")
    too_large = answer.method != "HEAD" and announced.isdigit() and int(announced) > most_bytes
    if answer.body_length > most_bytes or too_large:
        return Missed(MeasuredState.INVALID, f"its answer is larger than {most_bytes} bytes")
    if exchange.trouble is not Trouble.NONE:
        states = {Trouble.TIME: MeasuredState.SLOW, Trouble.WIRE: MeasuredState.INVALID}
        return Missed(states.get(exchange.trouble, MeasuredState.UNREACHABLE), exchange.why)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return Missed(MeasuredState.INVALID, "its answer is compressed, which nobody asked for")
    return Looked(answer.status, answer.headers, bytes(answer.body), exchange.duration_us // 1000)
