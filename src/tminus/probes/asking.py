"""What probes that ask over HTTP do alike: addresses, headers, JSON. Must not know what is asked for."""

import json
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from tminus.adapters.http.fetch import Looked, look
from tminus.domain.plan.assertion import PointerError, resolve
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, unknown
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import Missed
from tminus.ports.fault import Refused
from tminus.ports.probes import Around, Target

MOST_BYTES = 4 * 1024 * 1024
"""Of an answer: the targets of a large Prometheus fit, and so do thousands of answers in memory."""

SHOWN_CHARS = 600
"""Of an answer's body in an excerpt: a health document fits, a page of HTML shows what it is."""

_OK = 200
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
_OUR_NAME = ("User-Agent", "tminus-probe")
_SERVER_ERRORS = range(500, 600)


def own_address(url: str, target: Target) -> str:
    """`url`, or where it is a path that path of the service; empty where the service has no address yet."""
    if not url.startswith("/"):
        return url
    return urljoin(target.url, url) if target.url else ""


def known_address(url: str, target: Target) -> str:
    """The same for the name of a source, where it may be unknown."""
    return own_address(url, target) or url


def check_own_host(url: str, target: Target) -> None:
    """Returns where the address is on the service's own host or on this machine.

    Raises:
        Refused: `probe-foreign-host`.
    """
    host = urlsplit(url).hostname or ""
    if host in ("", "localhost", urlsplit(target.url).hostname) or _is_loopback(host):
        return
    why = f"{host} is not the host of the service: nobody else's is sent such requests"
    raise Refused("probe-foreign-host", why)


def check_address(url: str) -> None:
    """Returns where this is a path of the service, or the address of something that speaks HTTP.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("an address holds no user and no password: name a secret instead")
    if not url.startswith("/") and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"{url!r} is neither a path that starts with / nor an http or https address")


def secret_header(token: SecretRef | None, name: str, around: Around) -> tuple[tuple[str, str], ...]:
    """The header that carries a secret: `Authorization` as a bearer's, any other as it is.

    Raises:
        Refused: a secret is missing.
    """
    if token is None:
        return ()
    value = around.secret(token)
    return ((name, f"Bearer {value}" if name.lower() == "authorization" else value),)


def get(url: str, headers: tuple[tuple[str, str], ...], limit_ms: int) -> Looked | Missed:
    """One bounded GET request under this program's own name."""
    given = {name.lower() for name, _ in headers}
    named = headers if "user-agent" in given else (_OUR_NAME, *headers)
    return look(url, named, limit_ms, MOST_BYTES)


def get_json(url: str, headers: tuple[tuple[str, str], ...], limit_ms: int, source: str) -> Any | Answer:  # noqa: ANN401 - any JSON
    """The JSON that a source of knowledge answers with 200; else why nothing could be learnt from it."""
    found = get(url, headers, limit_ms)
    if isinstance(found, Missed):
        return unknown(found.why, source)
    if found.status != _OK:
        return unknown(f"it answered {found.status} instead of {_OK}", source, shown(found))
    try:
        return json_in(found)
    except ValueError as error:
        return unknown(str(error), source, shown(found))


def json_in(found: Looked) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of an answer, numbers as Decimal.

    Raises:
        ValueError: it is none.
    """
    return parse_answer(found.body)


def at_pointer(document: Any, pointer: str) -> Any:  # noqa: ANN401 - any JSON
    """What stands there.

    Raises:
        LookupError: nothing does.
    """
    try:
        return resolve(document, pointer)
    except PointerError:
        raise LookupError(f"nothing stands at {pointer or 'its top'}") from None


def scalar_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """Text, number, true, false and null of JSON as text; None for objects and lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < SHOWN_CHARS else str(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return None


def shown(found: Looked) -> str:
    """Status, kind and the beginning of an answer, as evidence."""
    kind = found.headers.get("content-type", "")[:80]
    text = found.body[:SHOWN_CHARS].decode("utf-8", errors="replace")
    return f"{found.status} {kind}\n{printable(text)}".strip()


def printable(text: str) -> str:
    """The text with everything that could steer a terminal replaced."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def is_server_error(status: int) -> bool:
    """500 to 599."""
    return status in _SERVER_ERRORS


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
