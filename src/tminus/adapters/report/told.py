"""Numbers and times as reports tell them. Must not know which report."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

_LARGEST_DIGITS = 15  # what counts something has fewer
_FURTHEST_WEST_MS = 12 * 3_600_000  # a local time without its zone was no later than there
_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138
_FRACTION = re.compile(r"(\.\d{6})\d+")


def whole(value: Any) -> int | None:  # noqa: ANN401 - whatever a report holds
    """A whole number that counts something; None where it is none."""
    number = decimal(value)
    if number is None or number != number.to_integral_value() or number < 0:
        return None
    return int(number)


def decimal(value: Any) -> Decimal | None:  # noqa: ANN401 - as above
    """A finite number of a size that can be meant, also where it is written as text; else None."""
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        return None
    if isinstance(value, str) and len(value) > 64:  # noqa: PLR2004 - no number is written longer
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() >= _LARGEST_DIGITS:
        return None
    return number


def moment(value: Any) -> tuple[int, bool] | None:  # noqa: ANN401 - as above
    """When something was, and whether that is exact.

    Milliseconds since the epoch. Without a zone it is the latest moment that can be meant, and not exact.
    Takes ISO 8601, and seconds or milliseconds since the epoch. None where it is no time.
    """
    number = decimal(value)
    if number is not None:
        at = int(number if abs(number) >= _MILLISECONDS_FROM else number * 1000)
        return (at, True) if at > 0 else None
    if not isinstance(value, str):
        return None
    try:
        at_time = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        if at_time.tzinfo is not None:
            return int(at_time.timestamp() * 1000), True
        return int(at_time.replace(tzinfo=UTC).timestamp() * 1000) + _FURTHEST_WEST_MS, False
    except (ValueError, OverflowError):
        return None


def oldest(moments: list[tuple[int, bool]]) -> dict[str, int | bool | None]:
    """The oldest of several, as a summary tells it: `told_ms` and `exact`."""
    if not moments:
        return {"told_ms": None, "exact": False}
    at_ms, exact = min(moments)
    return {"told_ms": at_ms, "exact": exact}


def objects(value: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - as above
    """The objects of a list, which may be none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def inside(owner: Any, name: str) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    """The object of that name, empty where there is none."""
    found = owner.get(name) if isinstance(owner, dict) else None
    return found if isinstance(found, dict) else {}


def text(value: Any, most: int = 120) -> str:  # noqa: ANN401 - as above
    """A text on one line, empty where it is none."""
    if not isinstance(value, str):
        return ""
    shown = "".join(each if each.isprintable() else " " for each in value[: 4 * most])
    return " ".join(shown.split())[:most]
