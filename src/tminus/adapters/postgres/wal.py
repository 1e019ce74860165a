"""Segments of the write-ahead log in a folder: their names, and how far they are filled. Asks no server."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
_PAGE_BYTES = 8192
_LOG_BYTES = 1 << 32


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log.

    Attributes:
        path: of the file.
        name: without the mark of one that is still written.
        partial: it is still written, and padded with zeros.
        start: position of its first byte in the log.
    """

    path: Path
    name: str
    partial: bool
    start: int


def segments(folder: Path, segment_bytes: int) -> list[Segment]:
    """The segments in a folder, by name; of one that is there twice the whole one."""
    found: dict[str, Segment] = {}
    try:
        paths = sorted(folder.iterdir(), reverse=True)
    except FileNotFoundError:
        return []
    for path in paths:
        match = _SEGMENT.fullmatch(path.name)
        if match is None:
            continue
        _, log, number, partial = match.groups()
        start = int(log, 16) * _LOG_BYTES + int(number, 16) * segment_bytes
        name = path.name.removesuffix(".partial")
        if name not in found or not partial:
            found[name] = Segment(path, name, bool(partial), start)
    return [found[name] for name in sorted(found)]


def unbroken_from(found: Sequence[Segment], start: int, segment_bytes: int) -> Iterator[Segment]:
    """Those from the segment that holds `start` on, up to the first one that is missing."""
    wanted = start // segment_bytes * segment_bytes
    for segment in found:
        if segment.start == wanted:
            yield segment
            wanted += segment_bytes


def filled_to(found: Sequence[Segment], segment_bytes: int) -> int:
    """The position up to which the last segment is surely filled; 0 without one.

    The end of what was written cannot be told from padding: zeros at the end of the last record are left
    out, so this is never too far.
    """
    if not found:
        return 0
    last = found[-1]
    if not last.partial:
        return last.start + segment_bytes
    with last.path.open("rb") as file:
        low, high = 0, segment_bytes // _PAGE_BYTES
        while low < high:  # pages are written in order, and the first bytes of a written one are not zero
            middle = (low + high) // 2
            file.seek(middle * _PAGE_BYTES)
            low, high = (middle + 1, high) if any(file.read(2)) else (low, middle)
        if low == 0:
            return last.start
        file.seek((low - 1) * _PAGE_BYTES)
        page = file.read(_PAGE_BYTES)
    return last.start + (low - 1) * _PAGE_BYTES + len(page.rstrip(b"\0"))


def parse_lsn(text: str) -> int:
    """A position as PostgreSQL writes it, such as 0/3000148."""
    high, _, low = text.partition("/")
    return int(high, 16) * _LOG_BYTES + int(low, 16)


def format_lsn(position: int) -> str:
    """The form that PostgreSQL reads."""
    return f"{position // _LOG_BYTES:X}/{position % _LOG_BYTES:X}"
