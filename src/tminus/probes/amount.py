"""Shares and counts as settings write them and answers show them. Must not know what is counted."""

import re
from decimal import Decimal

PPM = 1_000_000
"""All of something, in parts per million."""

_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,4})?)\s*%")
_PPM_PER_PERCENT = 10_000


def ppm_of(text: str) -> int:
    """Parts per million in `80 %` or `0.1%`; above 100 % too, as for a growth.

    Raises:
        ValueError: it is none.
    """
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a share such as 80 % or 0.1 %")
    return int(Decimal(match[1]) * _PPM_PER_PERCENT)


def show_ppm(ppm: int) -> str:
    """`92.31 %`, as many digits as there are, at most four."""
    return f"{(Decimal(ppm) / _PPM_PER_PERCENT).normalize():f} %"


def share_ppm(part: int, of: int) -> int:
    """Parts per million, rounded down: a share that is shown never reaches a limit that it missed."""
    return part * PPM // of


def counted(number: int, one: str, more: str = "") -> str:
    """`1 test`, `2 tests`; `more` is the plural where it is not made by an s."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def listed(names: list[str], most: int = 5) -> str:
    """The first of these names, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
