"""The kinds of values that a plan holds, as types for its models. Must not know which key holds which."""

import re
import shlex
from enum import StrEnum
from typing import Annotated, TypeVar

from tminus.domain.plan.secret import SecretRef, parse_secret_ref
from tminus.domain.plan.times import format_duration, parse_utc_ms
from tminus.plan.parse import (
    METHODS,
    SEMVER,
    Moment,
    argv_of,
    asset_path_of,
    base_url_of,
    count_of,
    duration_ms_of,
    header_value_of,
    json_text,
    listen_of,
    method_of,
    moment_of,
    parts_of,
    pointer_of,
    rate_of,
    request_line_of,
    show_listen,
    show_percent,
    show_t0,
    statuses_of,
    step_argv_of,
    t0_of,
    version_of,
)
from tminus.plan.scalar import Scalar, Schema, nearest
from tminus.plan.statement import sql_of

E = TypeVar("E", bound=StrEnum)

PPM_PER_PERCENT = 10_000
BP_PER_PERCENT = 100


def _pattern(text: str, noun: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{str(text)!r} is not {noun}")
    return str(text)


def _matching(
    noun: str, example: str, pattern: str, *, code: str = "plan-bad-name", also: Schema | None = None
) -> Scalar:
    compiled = re.compile(pattern)
    return Scalar(
        noun,
        example,
        lambda text: _pattern(text, noun, compiled),
        code=code,
        schema={"type": "string", "pattern": f"^(?:{pattern})$", **(also or {})},
    )


def one_of(members: type[E]) -> Scalar:
    """The scalar of an enumeration."""
    words = [member.value for member in members]

    def parse(text: str) -> E:
        if text not in words:
            meant = nearest(text, words)
            hint = f"; did you mean `{meant}`?" if meant else ""
            raise ValueError(f"{str(text)!r} is not one of {', '.join(words)}{hint}")
        return members(str(text))

    return Scalar(
        f"one of {', '.join(words)}", words[0], parse, code="plan-bad-choice", schema={"enum": words}
    )


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$",
    "examples": ["30s", "10m", "1h30m"],
}
_NUMBER_OR_TEXT = {"type": ["string", "number"]}
_SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}

Words = Annotated[str, Scalar("text", '"a line of text"', str, schema=_SCALAR_SCHEMA)]
Label = Annotated[
    str,
    _matching(
        "a name of at most 63 lower-case letters, digits and inner hyphens",
        "payment-app",
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    ),
]
ClassName = Annotated[
    str, _matching("a name of lower-case letters, digits and hyphens", "login", r"[a-z][a-z0-9-]{0,31}")
]
AlertName = Annotated[str, _matching("the name of an alert", "HighErrorRate", r"[A-Za-z_][A-Za-z0-9_]{0,99}")]
ProjectCode = Annotated[
    str,
    _matching(
        "a document code of letters, digits and hyphens (at most 20)",
        "PAY",
        r"[A-Za-z0-9][A-Za-z0-9-]{0,19}",
        also={"type": ["string", "number"]},
    ),
]
EnvName = Annotated[
    str, _matching("a name of an environment variable", "DATABASE_URL", r"[A-Za-z_][A-Za-z0-9_]*")
]
Version = Annotated[
    str,
    Scalar(
        "a semantic version",
        "1.4.0 or 1.4.0-rc.1",
        version_of,
        code="plan-bad-version",
        schema={"type": "string", "pattern": f"^{SEMVER}$"},
    ),
]
Tag = Annotated[str, _matching("a git tag", "v1.4.0", r"[^\s~^:?*\[\\-][^\s~^:?*\[\\]*")]
Branch = Annotated[str, _matching("a git branch", "main", r"[^\s~^:?*\[\\-][^\s~^:?*\[\\]*")]
Commit = Annotated[
    str,
    _matching(
        "the id of a commit: 7 to 64 hexadecimal digits",
        "3f2a91c",
        r"[0-9a-f]{7,64}",
        also={"type": ["string", "number"]},
    ),
]
Duration = Annotated[
    int,
    Scalar(
        "a duration",
        "30s, 10m, 1h30m or 7d",
        duration_ms_of,
        format_duration,
        "plan-bad-duration",
        _DURATION_SCHEMA,
    ),
]
T0 = Annotated[
    int | None,
    Scalar(
        "a point in time in UTC or with an offset, or `now`",
        "2025-12-20T14:00Z",
        t0_of,
        show_t0,
        "plan-bad-time",
        {"type": "string", "examples": ["2025-12-20T14:00Z", "now"]},
    ),
]
Instant = Annotated[
    int,
    Scalar(
        "a point in time",
        "2025-12-20T14:00Z",
        lambda text: parse_utc_ms(str(text)),
        code="plan-bad-time",
        schema={"type": "string", "examples": ["2025-12-20T14:00Z"]},
    ),
]
WindowMoment = Annotated[
    Moment,
    Scalar(
        "a point in time, absolute or relative to T-0",
        "2025-12-20T14:00Z or T+1h",
        moment_of,
        code="plan-bad-time",
        schema={"type": "string", "examples": ["2025-12-20T14:00Z", "T", "T+1h"]},
    ),
]
Instances = Annotated[
    int,
    Scalar(
        "a whole number",
        "3",
        lambda text: count_of(text, 100),
        schema={"type": "integer", "minimum": 1, "maximum": 100},
    ),
]
Requests = Annotated[
    int,
    Scalar(
        "a whole number",
        "20",
        lambda text: count_of(text, 1_000_000),
        schema={"type": "integer", "minimum": 1},
    ),
]
Rate = Annotated[
    int,
    Scalar(
        "a number of requests a second",
        "20/s",
        rate_of,
        lambda rate: f"{rate}/s",
        schema={"type": ["string", "integer"]},
    ),
]
_PERCENTAGE = Scalar(
    "a percentage",
    "0.1 %",
    lambda text: parts_of(text, PPM_PER_PERCENT, sign_needed=True),
    lambda parts: show_percent(parts, PPM_PER_PERCENT),
    "plan-bad-percentage",
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$", "examples": ["0.1 %", "1 %"]},
)
Percentage = Annotated[int, _PERCENTAGE]
OptionalDuration = Annotated[
    int | None,
    Scalar("a duration", "200ms", duration_ms_of, format_duration, "plan-bad-duration", _DURATION_SCHEMA),
]
Step = Annotated[
    int,
    Scalar(
        "a share of the traffic in percent",
        "10 or 10 %",
        lambda text: parts_of(text, BP_PER_PERCENT, sign_needed=False),
        lambda parts: show_percent(parts, BP_PER_PERCENT),
        "plan-bad-percentage",
        {"type": ["string", "number"], "examples": [10, "0.5 %"]},
    ),
]
_COMMAND_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": _SCALAR_SCHEMA, "minItems": 1}]}
CommandLine = Annotated[
    tuple[str, ...],
    Scalar(
        "a command line, or a list of words",
        '"python -m http.server {port}"',
        argv_of,
        shlex.join,
        "plan-bad-command",
        _COMMAND_SCHEMA,
        takes_any=True,
    ),
]
StepLine = Annotated[
    tuple[str, ...],
    Scalar(
        "a command line, or a list of words",
        '"python -m app.task"',
        step_argv_of,
        shlex.join,
        "plan-bad-command",
        _COMMAND_SCHEMA,
        takes_any=True,
    ),
]
Sql = Annotated[
    str,
    Scalar("one SQL statement", '"select count(*) from orders"', sql_of, code="plan-bad-sql"),
]
Address = Annotated[
    tuple[str | None, int],
    Scalar(
        "host:port",
        "127.0.0.1:8080",
        listen_of,
        show_listen,
        "plan-bad-address",
        {"type": ["string", "integer"]},
    ),
]
UrlPath = Annotated[
    str, _matching("a path that starts with a slash", "/healthz", r"/[^\s#?]*", code="plan-bad-path")
]
OptionalPath = Annotated[
    str | None, _matching("a path that starts with a slash", "/healthz", r"/[^\s#]*", code="plan-bad-path")
]
RequestPath = Annotated[
    str, _matching("a path that starts with a slash", "/assets/app.js", r"/[^\s#]*", code="plan-bad-path")
]
AssetPath = Annotated[
    str,
    Scalar(
        "a path below the root",
        "/assets",
        asset_path_of,
        code="plan-bad-path",
        schema={"type": "string", "pattern": r"^/[^\s#?]*[^\s#?/][^\s#?]*$"},
    ),
]
CookieName = Annotated[str | None, _matching("the name of a cookie", "slot", r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")]
Edge = Annotated[
    str | None,
    Scalar(
        "an http or https address",
        "https://cdn.example.com",
        base_url_of,
        code="plan-bad-url",
        schema={"type": "string", "pattern": "^https?://[^\\s@?#]+$"},
    ),
]
Method = Annotated[
    str,
    Scalar(
        "an HTTP method in capitals",
        "POST",
        method_of,
        code="plan-bad-request",
        schema={"enum": list(METHODS)},
    ),
]
RequestLine = Annotated[
    tuple[str, str],
    Scalar(
        "a method and a path",
        "POST /auth/login",
        request_line_of,
        " ".join,
        "plan-bad-request",
        {"type": "string", "pattern": rf"^({'|'.join(METHODS)}) /", "examples": ["POST /auth/login"]},
    ),
]
HeaderName = Annotated[
    str, _matching("the name of a header", "Accept", r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", code="plan-bad-request")
]
HeaderValue = Annotated[
    str, Scalar("text", "application/json", header_value_of, code="plan-bad-request", schema=_SCALAR_SCHEMA)
]
Pointer = Annotated[
    str,
    Scalar(
        "a JSON pointer",
        "/user/id",
        pointer_of,
        code="plan-bad-request",
        schema={"type": "string", "pattern": "^(/.*)?$"},
    ),
]
JsonValue = Annotated[
    str,
    Scalar("a JSON value", '"paid", 12 or true', json_text, str, "plan-bad-request", {}, takes_any=True),
]
JsonBody = Annotated[
    str | None,
    Scalar(
        "a JSON value",
        "{amount: 12, currency: EUR}",
        json_text,
        str,
        "plan-bad-request",
        {},
        takes_any=True,
    ),
]
Statuses = Annotated[
    tuple[int, ...],
    Scalar(
        "an HTTP status, or a list of these",
        "200 or [200, 201]",
        statuses_of,
        lambda statuses: ", ".join(map(str, statuses)),
        "plan-bad-request",
        {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]},
        takes_any=True,
    ),
]
Secret = Annotated[
    SecretRef,
    Scalar(
        "a reference to a secret",
        "env:NAME, file:PATH or command:LINE",
        parse_secret_ref,
        SecretRef.text,
        "plan-secret-not-reference",
        {"type": "string", "pattern": "^(env|file|command):.+$", "examples": ["env:DATABASE_URL"]},
    ),
]
