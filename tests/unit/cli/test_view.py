"""Which view a stream gets, and how views behave towards terminals, pipes and drivers."""

import io
import json
from collections.abc import Mapping, Sequence
from threading import Event
from types import TracebackType
from typing import Self

import pytest
from rich.console import Console

from tests.golden.log.worlds import log_text, without_digest, world
from tminus.cli.view import (
    JsonView,
    PlainView,
    View,
    can_draw,
    choose_view,
    plain_view,
    speaks_unicode,
    wants_colour,
)
from tminus.cli.view_aside import AsideView
from tminus.cli.view_live import LiveView
from tminus.engine.drive import Tick
from tminus.ports.journal import Record
from tminus.testing.world.world import LAUNCH

UTF_8 = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    """A terminal as far as views can tell; as wide as a terminal whose size cannot be asked for."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a terminal's is settled by its user
        return self._encoding

    def isatty(self) -> bool:
        return True


def records(name: str = "good") -> Sequence[Record]:
    return world(name).journal.read(LAUNCH)


def inner(view: View) -> View:
    assert isinstance(view, AsideView)
    return view._view


@pytest.mark.parametrize(
    ("environment", "drawn", "coloured"),
    [
        (UTF_8, True, True),
        ({**UTF_8, "NO_COLOR": "1"}, True, False),
        ({**UTF_8, "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({}, False, True),
    ],
)
def test_a_terminal_is_used_as_far_as_it_and_its_user_allow(
    environment: Mapping[str, str], drawn: bool, coloured: bool
) -> None:
    assert can_draw(Terminal(), environment) is drawn
    assert wants_colour(Terminal(), environment) is coloured


def test_a_pipe_is_never_drawn_on_nor_coloured() -> None:
    assert not can_draw(io.StringIO(), UTF_8)
    assert not wants_colour(io.StringIO(), UTF_8)


def test_a_terminal_without_unicode_gets_plain_ascii_lines() -> None:
    terminal = Terminal("latin-1")
    assert not speaks_unicode(terminal)
    view = inner(choose_view("w", plain=False, as_json=False, stream=terminal, environment=UTF_8))
    assert isinstance(view, PlainView)
    view.update(None, records())
    assert "[ok]" in terminal.getvalue()
    assert terminal.getvalue().replace("\x1b", "").isascii()


def test_each_stream_gets_its_view() -> None:
    def chosen(stream: io.StringIO, *, plain: bool = False, as_json: bool = False) -> type[View]:
        return type(inner(choose_view("w", plain=plain, as_json=as_json, stream=stream, environment=UTF_8)))

    assert chosen(Terminal()) is LiveView
    assert chosen(Terminal(), plain=True) is PlainView
    assert chosen(Terminal(), as_json=True) is JsonView
    assert chosen(io.StringIO()) is PlainView


def test_plain_lines_do_not_depend_on_how_events_arrive() -> None:
    stream = io.StringIO()
    view = PlainView(stream, colour=False, ascii_only=False, width=100)
    told = world("good")
    with view:
        for record in told.journal.read(LAUNCH):
            view.update(None, [record])
    assert without_digest(told, stream.getvalue()) == log_text("good")


def test_a_pipe_gets_unwrapped_lines_without_control_characters() -> None:
    stream = io.StringIO()
    plain_view(stream, {}).update(None, records("rolled-back"))
    assert all(char.isprintable() for char in stream.getvalue().replace("\n", ""))


def test_json_has_one_object_per_event() -> None:
    stream = io.StringIO()
    told = records()
    JsonView(stream).update(None, told)
    objects = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["seq"] for each in objects] == [record.seq for record in told]
    assert list(objects[0]) == ["launch", "seq", "at_ms", "kind", "version", "epoch", "body", "prev", "hash"]
    assert objects[-1]["body"] == {"outcome": "promoted", "why": "2.0.0 serves from green"}


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


def live(clock: Clock) -> tuple[LiveView, io.StringIO]:
    stream = io.StringIO()
    console = Console(file=stream, width=80, height=24, force_terminal=True, color_system=None)
    return LiveView(console, LAUNCH, clock.now_ms), stream


def test_the_live_view_gives_the_terminal_back_with_the_log_in_it() -> None:
    view, stream = live(Clock())
    with view:
        view.update(None, records("scrubbed"))
        view.remark("Traceback\nDefect: something")
    before, _, after = stream.getvalue().rpartition("\x1b[?1049l")
    assert "\x1b[?1049h" in before
    assert "SCRUBBED" in after
    assert after.endswith("Defect: something\n")


def test_it_draws_at_most_four_times_a_second() -> None:
    clock = Clock()
    view, stream = live(clock)
    told = records()
    with view:
        view.update(None, told[:10])
        drawn = len(stream.getvalue())
        for record in told[10:]:
            clock.ms += 1
            view.update(None, [record])
        assert len(stream.getvalue()) == drawn
        clock.ms += 250
        view.update(None, [])
        assert len(stream.getvalue()) > drawn


def test_it_draws_again_after_the_clock_was_set_back() -> None:
    clock = Clock()
    view, stream = live(clock)
    told = records()
    with view:
        view.update(None, told[:10])
        drawn = len(stream.getvalue())
        clock.ms -= 3_600_000
        view.update(None, told[10:])
        assert len(stream.getvalue()) > drawn


def test_what_does_not_change_is_not_drawn_again() -> None:
    clock = Clock()
    view, stream = live(clock)
    with view:
        view.update(None, records())
        drawn = len(stream.getvalue())
        clock.ms += 200  # within the same second of T
        view.update(None, [])
        assert len(stream.getvalue()) == drawn


def test_who_only_looks_on_is_told_who_drives() -> None:
    view, stream = live(Clock())
    with view:
        view.update(None, records("good")[:25])
        assert "driven   by controller-1; `tminus why` says what it waits for" in stream.getvalue()


class Stuck:
    """A view whose terminal was stopped: the first update does not return until it is let go."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.entered, self.go = Event(), Event()
        self.failure = failure
        self.shown: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        self.entered.set()
        self.go.wait(10)
        if self.failure is not None:
            raise self.failure
        self.shown += [record.seq for record in records]

    def remark(self, text: str) -> None: ...


def test_a_stopped_terminal_does_not_hold_up_the_driver_and_loses_no_record() -> None:
    stuck = Stuck()
    told = records()
    with AsideView(stuck) as view:
        view.update(None, told[:1])
        assert stuck.entered.wait(10)
        for record in told[1:]:
            view.update(None, [record])  # returns, although nothing is shown
        assert stuck.shown == []
        stuck.go.set()
    assert stuck.shown == [record.seq for record in told]


def test_a_launch_goes_on_when_nobody_reads_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    stuck = Stuck(BrokenPipeError())
    stuck.go.set()
    with AsideView(stuck) as view:
        for record in records():
            view.update(None, [record])
    assert capsys.readouterr().err == ""


def test_a_launch_goes_on_over_a_defect_of_its_view_which_is_told_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stuck = Stuck(KeyError("x"))
    stuck.go.set()
    with AsideView(stuck) as view:
        for record in records():
            view.update(None, [record])
    assert capsys.readouterr().err == "the launch could not be shown any more: KeyError: 'x'\n"
