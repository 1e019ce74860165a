"""The probe `http`: one address answers as it should, and on request from the edge of a CDN."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.http.fetch import Looked
from tminus.domain.plan.assertion import same_json
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import (
    at_pointer,
    check_address,
    get,
    json_in,
    known_address,
    own_address,
    scalar_text,
    secret_header,
    shown,
)
from tminus.probes.guard import guarded

_NO_LIMIT = Millis(0)
_NO_ADDRESS = "the service has no address yet"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What to ask, and what must be answered.

    Attributes:
        url: what is asked: an address, or a path of the service.
        status: statuses of which one must be answered.
        headers: headers that are sent.
        token: a secret that is sent too.
        header: in which header it is sent; a bearer's in `Authorization`, as it is in any other.
        expect_headers: headers that must be answered, and a text that each must contain, in any case.
        expect_json: JSON pointers, and the value that must stand at each, as JSON or as plain text.
        contains: a text that the body must contain.
        within: how long the answer may take; 0s looks at nothing but the probe's own limit.
        cached: asks twice, and the second answer must come from a cache: `Age`, `Cache-Status`, `X-Cache`
            or `CF-Cache-Status` say so.
    """

    url: str
    status: tuple[int, ...] = (200,)
    headers: tuple[tuple[str, str], ...] = ()
    token: SecretRef | None = None
    header: str = "Authorization"
    expect_headers: tuple[tuple[str, str], ...] = ()
    expect_json: tuple[tuple[str, str], ...] = ()
    contains: str = ""
    within: Millis = _NO_LIMIT
    cached: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if not self.status:
            raise ValueError("no status is expected: write at least one, such as 200")
        for pointer, _ in self.expect_json:
            if pointer and not pointer.startswith("/"):
                raise ValueError(f"{pointer!r} is no JSON pointer: it starts with /")


def _source(settings: HttpSettings, target: Target) -> str:
    return f"GET {known_address(settings.url, target)}"


def _ask(settings: HttpSettings, around: Around, limit_ms: int) -> Answer:
    headers = (*settings.headers, *secret_header(settings.token, settings.header, around))
    source = _source(settings, around.target)
    url = own_address(settings.url, around.target)
    if not url:
        return unknown(_NO_ADDRESS, source)
    deadline = Deadline(limit_ms)
    found = get(url, headers, deadline.left_ms)
    if settings.cached and not isinstance(found, Missed):
        found = get(url, headers, deadline.left_ms)
    if isinstance(found, Missed):
        return unknown(found.why, source)
    return _judged(settings, found, source)


def _judged(settings: HttpSettings, found: Looked, source: str) -> Answer:
    facts = {"status": found.status, "duration_ms": found.duration_ms}
    wrong = list(_wrong(settings, found))
    if settings.expect_json and found.status in settings.status:
        try:
            document = json_in(found)
        except ValueError as error:
            if not wrong:
                return unknown(f"{found.status}, but {error}", source, shown(found), **facts)
        else:
            wrong += _wrong_values(settings.expect_json, document)
    if settings.cached and not is_hit(found.headers):
        wrong.append("the second answer comes from no cache")
    if wrong:
        return failed("; ".join(wrong), source, shown(found), **facts)
    why = f"it answers {found.status} in {found.duration_ms} ms{', from a cache' if settings.cached else ''}"
    return passed(why, source, shown(found), **facts)


def _wrong(settings: HttpSettings, found: Looked) -> Iterator[str]:
    if found.status not in settings.status:
        yield f"status {found.status}, expected {' or '.join(map(str, settings.status))}"
    if settings.within and found.duration_ms > settings.within:
        yield f"it took {found.duration_ms} ms, limit {settings.within} ms"
    for name, text in settings.expect_headers:
        value = found.headers.get(name.lower())
        if value is None:
            yield f"it has no header {name}"
        elif text.lower() not in value.lower():
            yield f"its header {name} does not contain {text!r}"
    if settings.contains and settings.contains.encode() not in found.body:
        yield f"its body of {len(found.body)} bytes does not contain {settings.contains!r}"


def _wrong_values(expected: tuple[tuple[str, str], ...], document: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    for pointer, text in expected:
        try:
            value = at_pointer(document, pointer)
        except LookupError as error:
            yield str(error)
            continue
        if scalar_text(value) != text and not same_json(value, _meant(text)):
            yield f"at {pointer or 'its top'} stands {_kind(value)}, and not {text}"


def is_hit(headers: Mapping[str, str]) -> bool:
    """Whether a cache says that it had the answer: RFC 9111 §5.1, RFC 9211, and what CDNs write."""
    age = headers.get("age", "")
    if age.isascii() and age.isdigit() and int(age[:12]) > 0:
        return True
    if any("hit" in part.split(";")[1:] for part in _parts(headers.get("cache-status", ""))):
        return True
    says = (headers.get("x-cache", ""), headers.get("cf-cache-status", ""), headers.get("x-cache-status", ""))
    return any("hit" in each.lower().replace(",", " ").split() for each in says)


def _parts(text: str) -> Iterator[str]:
    """Members of a list, without the spaces around their parameters."""
    for part in text.lower().split(","):
        yield ";".join(each.strip() for each in part.split(";"))


def _meant(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return text


def _kind(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value without what could be anybody's: numbers, booleans and null are shown."""
    if isinstance(value, str):
        return f"another text of {len(value)} characters"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    return (scalar_text(value) or "null")[:40]


HTTP = ProbeKind(HttpSettings, guarded(_ask, _source))
"""See `HttpSettings`."""
