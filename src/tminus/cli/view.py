"""How a running launch is shown: live in a terminal, as plain lines, or as JSON for machines."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from tminus.domain.launch.event import decode
from tminus.domain.report.log import Narrator, Renderer
from tminus.domain.watch.counts import Sample
from tminus.engine.drive import Tick
from tminus.ports.journal import Record

NARROW = 40
"""Columns below which a live view shows nothing useful."""


class View(Protocol):
    """Shows a launch while it runs. Used as a context manager."""

    def __enter__(self) -> Self:
        """Takes the terminal."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives it back."""
        ...

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """Takes in a tick, where this process drives, and what was journalled since the last call."""
        ...

    def remark(self, text: str) -> None:
        """Shows what must be seen and is not in the journal, such as a traceback."""
        ...


class _Lines:
    """What views have in common that only ever print on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def remark(self, text: str) -> None:
        """To the error stream: what machines read stays clean."""
        sys.stderr.write(f"{text.rstrip()}\n")


class PlainView(_Lines):
    """Prints log lines as they come, without cursor control: for pipes, CI and dumb terminals."""

    def __init__(self, stream: TextIO, *, colour: bool, ascii_only: bool, width: int) -> None:
        super().__init__(stream)
        self._narrator = Narrator()
        self._renderer = Renderer(colour=colour, ascii_only=ascii_only, width=width)

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """See `View`."""
        del tick
        for record in records:
            event = decode(record.kind, record.version, record.body)
            for line in self._narrator.tell(event, record.at_ms, record.seq):
                for row in self._renderer.rows(line):
                    self._stream.write(f"{row}\n")
        if records:
            self._stream.flush()


class JsonView(_Lines):
    """Prints one JSON object per event, as `tminus log --json` does."""

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """See `View`."""
        del tick
        for record in records:
            self._stream.write(f"{json_line(record)}\n")
        if records:
            self._stream.flush()


def json_line(record: Record) -> str:
    """One event for machines, on one line; the format is described in docs/reference/log.md."""
    shown: dict[str, Any] = {
        "launch": record.launch,
        "seq": record.seq,
        "at_ms": record.at_ms,
        "kind": record.kind,
        "version": record.version,
        "epoch": record.epoch,
        "body": record.body,
        "prev": record.prev,
        "hash": record.hash,
    }
    return json.dumps(shown, ensure_ascii=True, separators=(",", ":"))


def choose_view(
    launch: str,
    *,
    plain: bool,
    as_json: bool,
    stream: TextIO,
    samples: Callable[[int], Sequence[Sample]] = lambda _: (),
    environment: Mapping[str, str] = os.environ,
) -> View:
    """The view that suits the stream: live only in a terminal that can show it. It never holds up a driver.

    `samples` gives the counters since a time, oldest first, for the figures of the live view; it is called
    in another thread.
    """
    from tminus.cli.view_aside import AsideView

    if as_json:
        return AsideView(JsonView(stream))
    if plain or not can_draw(stream, environment):
        return AsideView(plain_view(stream, environment))
    return AsideView(_live_view(launch, stream, samples, environment))


def _live_view(
    launch: str,
    stream: TextIO,
    samples: Callable[[int], Sequence[Sample]],
    environment: Mapping[str, str],
) -> View:
    # Only this view pays for importing rich.
    from rich.console import Console

    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.cli.view_live import LiveView

    console = Console(file=stream, highlight=False, no_color=not wants_colour(stream, environment))
    return LiveView(console, launch, SystemClock().now_ms, samples)


def plain_view(stream: TextIO, environment: Mapping[str, str]) -> PlainView:
    """Lines for this stream: coloured, wrapped and in Unicode as far as it can show them."""
    return PlainView(
        stream,
        colour=wants_colour(stream, environment),
        ascii_only=not speaks_unicode(stream),
        width=columns_of(stream),
    )


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """A terminal that knows colours, and a user who has not set NO_COLOR (to anything but nothing)."""
    return stream.isatty() and environment.get("TERM") != "dumb" and not environment.get("NO_COLOR")


def can_draw(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the cursor can be moved there, and the picture's characters shown."""
    if not stream.isatty() or environment.get("TERM", "dumb") == "dumb":
        return False
    return speaks_unicode(stream) and columns_of(stream) >= NARROW


def speaks_unicode(stream: TextIO) -> bool:
    """Whether ticks and box drawing survive the stream's encoding."""
    try:
        "✓▓".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns_of(stream: TextIO) -> int:
    """Width of the terminal; 0 where the stream is none, so that nothing is wrapped."""
    if not stream.isatty():
        return 0
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 80
