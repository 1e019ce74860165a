"""JSON as sources of metrics write it, read without trust. Must not know which source wrote it."""

import json
from decimal import Decimal
from typing import Any

_MOST_DIGITS = 100  # of a whole number: what counts something has fewer, and more are slow to read


def parse_answer(body: bytes) -> Any:  # noqa: ANN401 - any JSON, its numbers as Decimal
    """The JSON in an answer, every number a Decimal.

    Raises:
        ValueError: it is none; a sentence says so without quoting it.
    """
    try:
        text = body.decode("utf-8")
        found = json.loads(text, parse_constant=_constant, parse_float=Decimal, parse_int=_whole)
    except (ValueError, RecursionError, ArithmeticError):
        raise ValueError(f"its {len(body)} bytes are not JSON") from None
    return found


def number_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A number of parsed JSON as text.

    Raises:
        ValueError: it is no number.
    """
    if isinstance(value, Decimal):
        return str(value)
    kind = {dict: "an object", list: "a list", str: "text", bool: "true or false"}.get(type(value), "null")
    raise ValueError(f"it answered {kind} instead of a number")


def _constant(name: str) -> Decimal:
    # Python's own writer makes them; they are numbers that no limit can judge.
    return Decimal(name.replace("Infinity", "Inf"))


def _whole(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return Decimal(text)
