"""Durations, times relative to T-0 and UTC instants, all as integer milliseconds. Must not read a clock."""

import re
from datetime import UTC, datetime
from typing import NewType

Millis = NewType("Millis", int)
"""A duration in milliseconds, where a type must tell it from a plain number."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_RELATIVE = re.compile(r"T(?:([+-])(.+))?")


def parse_duration_ms(text: str) -> int:
    """Milliseconds in `90s`, `1h30m`, `250ms`, `7d`.

    Raises:
        ValueError: the text is not a number with a unit, or a sequence of these.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m, 1h30m or 7d")
    return sum(round(float(number) * _UNITS_MS[unit]) for number, unit in _PART.findall(text))


def parse_relative_ms(text: str) -> int:
    """Milliseconds from T-0 to `T-24h` (negative), `T+10m` (positive) or `T` (zero).

    Raises:
        ValueError: the text is not of that form.
    """
    match = _RELATIVE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time relative to T-0 such as T-24h, T-30m or T+10m")
    sign, duration = match.groups()
    if duration is None:
        return 0
    amount = parse_duration_ms(duration)
    return -amount if sign == "-" else amount


def format_duration(duration_ms: int) -> str:
    """The shortest exact form that `parse_duration_ms` reads back: `1h30m`, `250ms`, `0s`."""
    if duration_ms < 0:
        return f"-{format_duration(-duration_ms)}"
    parts = []
    rest = duration_ms
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_relative(offset_ms: int) -> str:
    """`T-30m`, `T+10m`, `T-0` for an offset from T-0 in milliseconds."""
    if offset_ms == 0:
        return "T-0"
    return f"T{'-' if offset_ms < 0 else '+'}{format_duration(abs(offset_ms))}"


def format_utc(at_ms: int) -> str:
    """`2025-12-20 14:00:05 UTC` for milliseconds since the epoch."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_utc_clock(at_ms: int) -> str:
    """`14:00:05` (UTC) for milliseconds since the epoch."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S")


def parse_utc_ms(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 instant with `Z`, `UTC` or an offset.

    Raises:
        ValueError: the text is no instant, or names no zone.
    """
    normal = re.sub(r"\s*(?:UTC|Z)$", "+00:00", text.strip())
    try:
        instant = datetime.fromisoformat(normal)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an instant such as 2025-12-20T14:00Z") from error
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; write 2025-12-20T14:00Z")
    return round(instant.timestamp() * 1000)
