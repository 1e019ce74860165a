"""Text to value and back, one function per kind of text. Refuses with a sentence on what is wrong.

Every function named `…_of` raises ValueError; its sentence is shown after "`key`: ".
"""

import json
import re
import shlex
from dataclasses import dataclass
from decimal import Decimal

from tminus.domain.plan.times import (
    DAY_MS,
    format_duration,
    format_utc,
    parse_duration_ms,
    parse_relative_ms,
    parse_utc_ms,
)
from tminus.plan.scalar import braced_template
from tminus.plan.tree import Text, Tree

LONGEST_MS = 400 * DAY_MS  # a year and some: more is a slip of the unit
JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def show_percent(parts: int, per_percent: int) -> str:
    """`0.1 %` for 1000 parts where one percent is 10 000."""
    number = Decimal(parts) / per_percent
    return f"{number.normalize():f} %"


def json_text(value: Tree) -> str:
    """The JSON that a YAML value stands for.

    Unquoted numbers, `true`, `false` and `null` are what they look like; everything else is text.

    Raises:
        ValueError: a value is missing.
    """
    if isinstance(value, list):
        return f"[{','.join(json_text(item) for item in value)}]"
    if isinstance(value, dict):
        if template := braced_template(value):
            raise ValueError(
                f'it holds {template} without quotes, which YAML reads as a mapping; write "{template}"'
            )
        members = (f"{json.dumps(key, ensure_ascii=False)}:{json_text(item)}" for key, item in value.items())
        return f"{{{','.join(members)}}}"
    if value.is_missing:
        raise ValueError('there is a key without a value; write null, or "" for empty text')
    if not value.quoted and (value in {"true", "false", "null"} or JSON_NUMBER.fullmatch(value)):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)


SEMVER = (
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def version_of(text: str) -> str:
    """A semantic version (semver.org 2.0.0) without a leading v."""
    if re.fullmatch(SEMVER, text):
        return str(text)
    said = f"{str(text)!r} is not a semantic version (major.minor.patch, without a leading v)"
    for meant in (text.removeprefix("v"), f"{text}.0", f"{text}.0.0"):
        if re.fullmatch(SEMVER, meant):
            raise ValueError(f"{said}; did you mean {meant}?")
    raise ValueError(said)


def duration_ms_of(text: str) -> int:
    """Milliseconds of a duration above zero."""
    duration_ms = parse_duration_ms(str(text))
    if not 0 < duration_ms <= LONGEST_MS:
        raise ValueError(f"{str(text)!r} is not between 1ms and {format_duration(LONGEST_MS)}")
    return duration_ms


def t0_of(text: str) -> int | None:
    """T-0 in milliseconds since the epoch; None for `now`."""
    return None if text == "now" else parse_utc_ms(str(text))


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: milliseconds since the epoch, or from T-0 when `relative`."""

    ms: int
    relative: bool


def moment_of(text: str) -> Moment:
    """A point in time, absolute or relative to T-0."""
    if text.startswith("T"):
        return Moment(parse_relative_ms(str(text)), relative=True)
    return Moment(parse_utc_ms(str(text)), relative=False)


def show_t0(at_ms: int | None) -> str:
    """T-0 as `tminus plan` prints it."""
    return "now" if at_ms is None else format_utc(at_ms)


def count_of(text: str, highest: int) -> int:
    """A whole number from 1 to `highest`."""
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"{str(text)!r} is not a whole number")
    if text.startswith("0") and text != "0":
        raise ValueError(f"{str(text)!r} has leading zeros, which some read as octal; write it without")
    count = int(text) if len(text) <= len(str(highest)) else highest + 1
    if not 1 <= count <= highest:
        raise ValueError(f"{text!s} is not between 1 and {highest}")
    return count


def parts_of(text: str, per_percent: int, *, sign_needed: bool) -> int:
    """A percentage above zero in parts, `per_percent` of which are one percent."""
    number = text.removesuffix("%").rstrip()
    percent = Decimal(number) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", number) else None
    if percent is None or (sign_needed and not text.endswith("%")):
        raise ValueError(f"{str(text)!r} is not a percentage")
    parts = percent * per_percent
    if not 0 < percent <= 100 or parts != int(parts):  # noqa: PLR2004 - per cent
        finest = show_percent(1, per_percent)
        raise ValueError(f"{str(text)!r} is not above 0 % and at most 100 %, in steps of {finest}")
    return int(parts)


_PORT = re.compile(r"\{port\}|\$PORT\b|\$\{PORT\}")
SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})
"""Words of a command line that count on a shell."""


def argv_of(value: Tree) -> tuple[str, ...]:
    """The argument vector of a command line or a list of words."""
    if not isinstance(value, Text):
        words = [str(item) for item in value if isinstance(item, Text)]
        if isinstance(value, dict) or len(words) < len(value):
            raise ValueError("it is neither text nor a list of words")
    else:
        try:
            words = shlex.split(value)
        except ValueError:
            raise ValueError("it has a quote that is not closed") from None
        if used := next((word for word in words if word in SHELL_WORDS), ""):
            shell = '["sh", "-c", "..."]'
            raise ValueError(f"it uses {used!r}, but no shell runs it; write {shell} where a shell is wanted")
        if any(re.search(r"\$(?:PORT\b|\{PORT\})", word) for word in words):
            raise ValueError("it uses $PORT, but no shell fills it in; write {port}")
    if not words or not words[0]:
        raise ValueError("it names no program")
    if any("\0" in word for word in words):
        raise ValueError("it holds a zero byte")
    return tuple(words)


def step_argv_of(value: Tree) -> tuple[str, ...]:
    """The argument vector of a command that serves no requests, and so has no port."""
    words = value if isinstance(value, list) else [value]
    if any(isinstance(word, str) and _PORT.search(word) for word in words):
        raise ValueError("it names a port, but nothing sends it requests, so it has none")
    return argv_of(value)


def listen_of(text: str) -> tuple[str | None, int]:
    """Host, None when not given, and port."""
    match = re.fullmatch(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):)?(?P<port>[0-9]{1,6})", text)
    if match is None:
        raise ValueError(f"{str(text)!r} is not host:port")
    host, port = match["host"], int(match["port"])
    if not 1 <= port <= 65_535:  # noqa: PLR2004 - the range of TCP ports
        raise ValueError(f"port {port} is not between 1 and 65535")
    return (host.strip("[]") if host else None), port


def show_listen(listen: tuple[str | None, int]) -> str:
    """`127.0.0.1:8080`."""
    host, port = listen
    return f"[{host}]:{port}" if host and ":" in host else f"{host or ''}:{port}"


def base_url_of(text: str) -> str:
    """An http or https address without a slash at its end.

    Raises:
        ValueError: it is none; what holds an @ may hold a password and is not repeated.
    """
    if "@" in text:
        raise ValueError("it holds an @; an address in a plan names no user and no password")
    match = re.fullmatch(
        r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?(?:/[^\s?#]*)?", text
    )
    if match is None:
        raise ValueError(f"{str(text)!r} is not an http or https address without a query")
    if match["port"] and not 1 <= int(match["port"][1:]) <= 65_535:  # noqa: PLR2004 - the range of TCP ports
        raise ValueError(f"port {match['port'][1:]} is not between 1 and 65535")
    return str(text).rstrip("/")


def source_url_of(text: str) -> str:
    """An http or https address that may have a query, and `{slot}` and `{version}` in its path or query.

    Raises:
        ValueError: it is none; what holds an @ may hold a password and is not repeated.
    """
    base, _, query = text.partition("?")
    if not re.fullmatch(r"[^\s#@]*", query):
        raise ValueError("its query holds a space, a # or an @; percent-encode them")
    origin = re.match(r"https?://[^/]*", base)
    if origin and "{" in origin[0]:
        raise ValueError("it has braces in its host; name slots in the path or query")
    base_url_of(base)
    return str(text)


def flag_of(text: str) -> bool:
    """Yes or no, in the words that YAML's versions have for them."""
    if text in {"yes", "true"}:
        return True
    if text in {"no", "false"}:
        return False
    raise ValueError(f"{str(text)!r} is neither yes nor no")


def asset_path_of(text: str) -> str:
    """A path prefix that claims less than everything."""
    if not re.fullmatch(r"/[^\s#?]*", text):
        raise ValueError(f"{str(text)!r} is not a path that starts with a slash")
    if not text.strip("/"):
        raise ValueError(f"{str(text)!r} would make every answer a static file")
    return str(text)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def method_of(text: str) -> str:
    """An HTTP method."""
    if text not in METHODS:
        raise ValueError(f"{str(text)!r} is not one of {', '.join(METHODS)}")
    return str(text)


def request_line_of(text: str) -> tuple[str, str]:
    """Method and path."""
    method, _, path = text.partition(" ")
    if method not in METHODS or not re.fullmatch(r"/[^\s#]*", path) or "\0" in path:
        raise ValueError(f"{str(text)!r} is not a method in capitals and a path")
    return method, path


def header_value_of(text: str) -> str:
    """The value of a header."""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise ValueError("it holds a line break or a control character")
    return str(text)


def pointer_of(text: str) -> str:
    """A JSON pointer (RFC 6901)."""
    if text and not re.fullmatch(r"(/([^~/]|~[01])*)+", text):
        raise ValueError(f"{str(text)!r} is not a JSON pointer")
    return str(text)


def statuses_of(value: Tree) -> tuple[int, ...]:
    """One or more HTTP statuses."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("it names no status")
    if not all(isinstance(item, Text) and re.fullmatch("[1-5][0-9][0-9]", item) for item in items):
        raise ValueError("it is not an HTTP status between 100 and 599, or a list of these")
    return tuple(int(str(item)) for item in items)


def rate_of(text: str) -> int:
    """Requests a second."""
    number = re.sub(r"\s*/\s*s$", "", text)
    return count_of(number, 1_000)
