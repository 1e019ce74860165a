"""One line of the launch log, and how lines become text. Must not know events."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain import codec
from tminus.domain.canonical import Json
from tminus.domain.plan.times import MINUTE_MS, SECOND_MS, format_duration, format_utc, format_utc_clock

LEAST_WIDTH = 40
"""Narrower than this, wrapped text is harder to read than text that the terminal breaks itself."""

_TINY_MS = 100
_SHORT_MS = 10 * SECOND_MS
_GUTTER = 12  # clock, branch and the spaces between
_UNIT = re.compile(r"(?<=\d) (?=%|ms\b|req/s)| (?=(?:✓|✗|\[ok\]|\[FAILED\])$)")
"""Spaces that a line is not broken at."""


class Mark(StrEnum):
    """What a line's sign is: a tick, a cross, a hold, a remark, or none."""

    NONE = ""
    OK = "ok"
    FAIL = "fail"
    HOLD = "hold"
    NOTE = "note"


class Edge(StrEnum):
    """Whether a line opens or closes the log."""

    NONE = ""
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        at_ms: when it became known, milliseconds since the epoch.
        depth: 0 is a headline, 1 a step below it, 2 a detail of that step.
        mark: its sign.
        text: what happened; may hold what people and candidates said, control characters included.
        duration_ms: from intent to effect, None where nothing was waited for.
        seq: the event it tells; several lines may tell one.
        edge: set on the log's first line and its last.
    """

    at_ms: int
    depth: int
    mark: Mark
    text: str
    duration_ms: int | None
    seq: int
    edge: Edge = Edge.NONE


def to_json(line: LogLine) -> Json:
    """The line as a JSON object; times in milliseconds."""
    return codec.to_json(line)


def render(lines: Iterable[LogLine], *, colour: bool, ascii_only: bool, width: int) -> str:
    """The lines as text, each ending with a newline; `width` 0 never wraps."""
    renderer = Renderer(colour=colour, ascii_only=ascii_only, width=width)
    return "".join(f"{text}\n" for line in lines for text in renderer.rows(line))


def seconds(duration_ms: int) -> str:
    """`4ms`, `0.12s`, `2.1s`, `42s`, `1h4m`: as exact as it is worth reading."""
    if duration_ms < _TINY_MS:
        return f"{duration_ms}ms"
    if duration_ms < SECOND_MS:
        return f"{duration_ms / SECOND_MS:.2f}s"
    if duration_ms < _SHORT_MS:
        return f"{duration_ms / SECOND_MS:.1f}s"
    unit = SECOND_MS if duration_ms < 60 * MINUTE_MS else MINUTE_MS
    return format_duration(duration_ms // unit * unit)


class Renderer:
    """Turns one line after the other into rows of text; remembers the day, to say when it changes."""

    def __init__(self, *, colour: bool, ascii_only: bool, width: int) -> None:
        self._colour = colour
        self._ascii = ascii_only
        self._width = max(width, LEAST_WIDTH) if width else 0
        self._day = ""

    def rows(self, line: LogLine) -> Iterator[str]:
        """The rows of one line, without newlines."""
        day = format_utc(line.at_ms)[:10]
        if day != self._day:
            self._day = day
            yield self._paint(f"{day} UTC", _DIM)
        clock = format_utc_clock(line.at_ms) if line.depth <= 1 else " " * 8
        indent = "" if line.depth == 0 else "  " * line.depth
        for index, part in enumerate(self._wrapped(line, len(indent))):
            branch = _BRANCHES.get(line.edge, "├─") if line.depth == 0 and not index else "│ "
            if line.edge is Edge.LAST and index:
                branch = "  "
            gutter = self._plain(f"{clock if not index else ' ' * 8} {branch}")
            hanging = "  " if index else ""
            yield f"{self._paint(gutter, _DIM)} {indent}{hanging}{self._paint(part, self._style(line))}"

    def _wrapped(self, line: LogLine, indent: int) -> list[str]:
        text = self._plain(_with_sign(line, _ASCII_SIGNS if self._ascii else _SIGNS))
        if not self._width:
            return [text]
        room = self._width - _GUTTER - indent - 2
        parts = textwrap.wrap(_UNIT.sub("\xa0", text), room, break_on_hyphens=False)
        return [part.replace("\xa0", " ") for part in parts] or [""]

    def _style(self, line: LogLine) -> str:
        if line.depth == 0 and line.mark in (Mark.NONE, Mark.OK):
            return _BOLD_GREEN if line.edge is Edge.LAST and line.mark is Mark.OK else _BOLD
        return _STYLES[line.mark] if line.depth or line.mark is not Mark.NONE else _BOLD

    def _plain(self, text: str) -> str:
        """Without control characters, which could move the cursor or hide what stands there."""
        clean = "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)
        if not self._ascii:
            return clean
        return clean.translate(_ASCII).encode("ascii", "replace").decode()

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour and style else text


def _with_sign(line: LogLine, signs: dict[Mark, str]) -> str:
    sign = signs[line.mark]
    duration = "" if line.duration_ms is None else f" ({seconds(line.duration_ms)})"
    if line.edge is Edge.LAST or not sign:
        return f"{line.text}{duration}"
    if line.mark in (Mark.OK, Mark.FAIL):
        return f"{line.text}{duration} {sign}"
    return f"{sign} {line.text}{duration}"


_SIGNS = {Mark.NONE: "", Mark.OK: "✓", Mark.FAIL: "✗", Mark.HOLD: "■", Mark.NOTE: "·"}
_ASCII_SIGNS = {Mark.NONE: "", Mark.OK: "[ok]", Mark.FAIL: "[FAILED]", Mark.HOLD: "#", Mark.NOTE: "-"}
_ASCII = str.maketrans(
    {
        "✓": "*",
        "✗": "x",
        "→": "->",
        "├": "|",
        "└": "`",
        "┌": ",",
        "─": "-",
        "│": "|",
        "≤": "<=",
        "↑": "up",
        "↓": "down",
        "–": "-",
        "×": "x",
    }
)
_BRANCHES = {Edge.FIRST: "┌─", Edge.LAST: "└─"}
_DIM, _BOLD, _BOLD_GREEN = "2", "1", "1;32"
_STYLES = {Mark.NONE: "", Mark.OK: "32", Mark.FAIL: "1;31", Mark.HOLD: "1;33", Mark.NOTE: "36"}
