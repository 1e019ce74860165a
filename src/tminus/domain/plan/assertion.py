"""Whether an answer is what its request expects. Must not send anything; never quotes an answer."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from tminus.domain.plan.request import Request, RequestAnswer

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ABSENT = object()
_SECOND_LINE = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request.

    Attributes:
        status: of the complete answer.
        body: its bytes.
        duration_ms: from before the connection to the last byte.
    """

    status: int
    body: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged answer and the variables that later requests may use; none where it did not pass."""

    answer: RequestAnswer
    captured: Mapping[str, str]


class PointerError(LookupError):
    """A JSON pointer leads nowhere."""


class UnfilledError(ValueError):
    """A request uses a variable that no earlier request has captured, or a value that fits in no header."""


def judge_answer(request: Request, answer: Answer) -> Judged:
    """Status, time limit, expected values and captures, in that order; the first that fails is told.

    Values of the answer are described, not quoted, unless they are numbers, booleans or null.
    """
    why, captured = _judge(request, answer)
    told = RequestAnswer(request.name, not why, answer.duration_ms, answer.status, why)
    return Judged(told, {} if why else captured)


def fill(request: Request, variables: Mapping[str, str], declared: frozenset[str]) -> Request:
    """The request with `{name}` replaced in path, header values and body.

    Only declared names are replaced: a body may hold `{name}` for reasons of its own. In a path a value is
    percent-encoded; in a body that is JSON it is written as the inside of a JSON string.

    Args:
        request: as planned.
        variables: values known so far.
        declared: names that some request captures, or that the suite was given.

    Raises:
        UnfilledError: a declared name has no value yet, or a header value would span lines.
    """
    is_json = request.body is not None and _parse(request.body.encode()) is not _ABSENT
    headers = tuple((name, _filled(value, variables, declared, "plain")) for name, value in request.headers)
    for name, value in headers:
        if _SECOND_LINE.search(value):
            raise UnfilledError(f"the value for header {name} spans lines")
    return replace(
        request,
        path=_filled(request.path, variables, declared, "path"),
        headers=headers,
        body=None
        if request.body is None
        else _filled(request.body, variables, declared, "json" if is_json else "plain"),
    )


def resolve(document: Any, pointer: str) -> Any:  # noqa: ANN401 - any JSON, floats included
    """The value that an RFC 6901 pointer names in a parsed JSON document.

    Raises:
        PointerError: it names nothing.
    """
    if not pointer:
        return document
    if not pointer.startswith("/"):
        raise PointerError(f"{pointer!r} does not start with '/'")
    value = document
    for token in pointer[1:].split("/"):
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _is_index(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise PointerError("nothing is there")
    return value


def same_json(left: Any, right: Any) -> bool:  # noqa: ANN401 - any JSON, floats included
    """Equality of JSON values: 1 is 1.0, true is not 1, the order of members does not count."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[name], right[name]) for name in left)
    return bool(left == right)


def describe(value: Any) -> str:  # noqa: ANN401 - any JSON, floats included
    """A value as it may stand in a log: numbers, booleans and null plainly, everything else by its kind."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else str(value)[:20]
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"


def _judge(request: Request, answer: Answer) -> tuple[str, dict[str, str]]:
    if answer.status not in request.expect_status:
        expected = " or ".join(map(str, request.expect_status)) or "none: the request expects no status"
        return f"status {answer.status}, expected {expected}", {}
    if answer.duration_ms > request.limit_ms:
        return f"took {answer.duration_ms} ms, limit {request.limit_ms} ms", {}
    if not request.expect_json and not request.capture:
        return "", {}
    document = _parse(answer.body)
    if document is _ABSENT:
        return f"the answer of {len(answer.body)} bytes is not JSON", {}
    for pointer, text in request.expect_json:
        why = _compare(document, pointer, text)
        if why:
            return f"{pointer or 'the whole answer'}: {why}", {}
    captured: dict[str, str] = {}
    for name, pointer in request.capture:
        try:
            captured[name] = _as_text(resolve(document, pointer))
        except PointerError as error:
            return f"{pointer or 'the whole answer'}: cannot be captured as {name}: {error}", {}
    return "", captured


def _compare(document: Any, pointer: str, text: str) -> str:  # noqa: ANN401 - any JSON, floats included
    expected = _parse(text.encode())
    if expected is _ABSENT:
        return "the expected value is not JSON"
    try:
        found = resolve(document, pointer)
    except PointerError as error:
        return str(error)
    if same_json(expected, found):
        return ""
    shown = describe(found)
    return f"found {'another ' if shown == describe(expected) else ''}{shown}, expected {describe(expected)}"


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON, floats included
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict) or value is None:
        raise PointerError(f"{describe(value)} is there")
    return json.dumps(value)


def _filled(text: str, variables: Mapping[str, str], declared: frozenset[str], place: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in declared:
            return match[0]
        if name not in variables:
            raise UnfilledError(f"{{{name}}} has no value: the request that captures it did not pass")
        if place == "path":
            return quote(variables[name], safe="")
        return json.dumps(variables[name])[1:-1] if place == "json" else variables[name]

    return _VARIABLE.sub(value, text)


def _parse(content: bytes) -> Any:  # noqa: ANN401 - any JSON, floats included
    try:
        return json.loads(content, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return _ABSENT


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("beyond the range of numbers")
    return value


def _is_index(name: str) -> bool:
    return name == "0" or (name.isascii() and name.isdigit() and not name.startswith("0"))
