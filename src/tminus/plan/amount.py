"""Values of limits as text: an amount with its unit, or a factor. Must not know which limit holds which."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from tminus.domain.plan.metric import MICRO
from tminus.domain.plan.times import format_duration
from tminus.plan.kinds import PPM_PER_PERCENT
from tminus.plan.parse import duration_ms_of, parts_of, show_percent
from tminus.plan.scalar import Scalar

LARGEST = 9_000_000_000  # in millionths it still is a whole number that JSON keeps exactly
_AMOUNT = re.compile(r"(?P<number>[0-9]{1,10}(?:\.[0-9]{1,6})?)\s*(?P<unit>[^\s0-9.][^\s]{0,15})?")
_FACTOR = re.compile(r"(?P<number>[0-9]{1,4}(?:\.[0-9]{1,3})?)\s*x")

SCALES = ({"us": 1, "ms": 1_000, "s": 1_000_000}, {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9})
"""Units that are converted into each other."""


class Factor(int):
    """So many times a reference, in millionths."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """A number in millionths of its unit; the unit is empty where none was written."""

    micro: int
    unit: str = ""

    @property
    def text(self) -> str:
        """As it would be written in a plan."""
        number = f"{(Decimal(self.micro) / MICRO).normalize():f}"
        return f"{number} {self.unit}" if self.unit else number


def factor_of(text: str) -> Factor:
    """A factor such as `1.5x`.

    Raises:
        ValueError: it is none, or is zero.
    """
    match = _FACTOR.fullmatch(text)
    parts = int(Decimal(match["number"]) * MICRO) if match else 0
    if not parts:
        raise ValueError(f"{str(text)!r} is not a factor such as 1.5x")
    return Factor(parts)


def amount_of(text: str) -> Amount | Factor:
    """A number with or without a unit, or a factor.

    Raises:
        ValueError: it is neither, or too large.
    """
    if _FACTOR.fullmatch(text):
        return factor_of(text)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"{str(text)!r} is not a number with a unit, or a factor")
    number = Decimal(match["number"])
    if number > LARGEST:
        raise ValueError(f"{str(text)!r} is above {LARGEST}; write it in a larger unit")
    return Amount(int(number * MICRO), match["unit"] or "")


def in_unit(amount: Amount, unit: str) -> int | None:
    """The amount in millionths of `unit`; None where it cannot be told in it."""
    if amount.unit == unit:
        return amount.micro
    for scale in SCALES:
        if amount.unit in scale and unit in scale:
            return amount.micro * scale[amount.unit] // scale[unit]
    return None


def _rate_of(text: str) -> int:
    return factor_of(text) if text.endswith("x") else parts_of(text, PPM_PER_PERCENT, sign_needed=True)


def _time_of(text: str) -> int:
    return factor_of(text) if text.endswith("x") else duration_ms_of(text)


def _show(value: object) -> str:
    if isinstance(value, Factor):
        return f"{(Decimal(value) / MICRO).normalize():f}x"
    return value.text if isinstance(value, Amount) else str(value)


OptionalAmount = Annotated[
    Amount | Factor | None,
    Scalar(
        "a value with its unit, or a factor",
        "80 %, 300 ms, 12 or 1.5x",
        amount_of,
        _show,
        "plan-bad-limit",
        {"type": ["string", "number"], "examples": ["80 %", "300 ms", 12, "1.5x"]},
    ),
]
ErrorRate = Annotated[
    int | None,
    Scalar(
        "a percentage, or a factor",
        "0.1 % or 1.5x",
        _rate_of,
        lambda value: _show(value) if isinstance(value, Factor) else show_percent(value, PPM_PER_PERCENT),
        "plan-bad-percentage",
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(%|x)$", "examples": ["0.1 %", "1.5x"]},
    ),
]
AnswerTime = Annotated[
    int | None,
    Scalar(
        "a duration, or a factor",
        "200ms or 1.5x",
        _time_of,
        lambda value: _show(value) if isinstance(value, Factor) else format_duration(value),
        "plan-bad-duration",
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$|^[0-9]+(\.[0-9]+)?\s*x$",
            "examples": ["200ms", "1.5x"],
        },
    ),
]
