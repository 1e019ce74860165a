"""`tminus watch`: a launch's metrics against their limits, as the evidence grows."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from tminus.cli.evidence_look import EvidenceLook, look_at_evidence
from tminus.domain.codec import to_json
from tminus.domain.launch.phase import TERMINAL
from tminus.domain.report.alerts import alert_rows

EVERY_MS = 1_000
"""Counters are sampled each second; looking more often shows nothing new."""

PLAIN_EVERY_MS = 10_000
"""Lines that scroll away are read at a slower pace."""

PIPE_COLUMNS = 120
"""What has no width gets rows of this one."""


@click.command("watch")
@click.argument("launch", required=False)
@click.option("--plain", is_flag=True, help="Print a block of lines every ten seconds, no live view.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a second.")
@click.option("--once", is_flag=True, help="Look once and end.")
def command(launch: str | None, *, plain: bool, as_json: bool, once: bool) -> int:
    """Watch the evidence about LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    Shows both slots' traffic, every metric with its state, its limit and how far the evidence against it has
    come, the stage of the watch, and what fires. Reads the journal and changes nothing. Ends with the launch,
    or with Ctrl-C.

    Example: tminus watch shop
    """
    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        ports = home.ports(row, revives=False)
        show, every_ms, leave = _screen(sys.stdout, os.environ, plain=plain or once, as_json=as_json)
        clock = SystemClock()
        try:
            while True:
                look = look_at_evidence(ports, row.launch)
                show(look)
                if once or look.state.phase in TERMINAL:
                    return 0
                clock.wait_ms(every_ms)
        except KeyboardInterrupt:
            return 0
        finally:
            leave()
    finally:
        home.close()


def watch_json(look: EvidenceLook) -> dict[str, Any]:
    """One look for machines; times in milliseconds since the epoch."""
    state = look.state
    return {
        "launch": look.launch,
        "now_ms": look.now_ms,
        "phase": state.phase.value,
        "share_bp": state.share_bp,
        "held": state.hold is not None,
        "stage": state.alarms.stage if state.alarms.stage >= 0 else None,
        "metrics": to_json(look.rows),
        "alerts": to_json(tuple(row for row in alert_rows(state, look.now_ms) if row.fires)),
    }


Show = Callable[[EvidenceLook], None]


def _screen(
    stream: TextIO, environment: Mapping[str, str], *, plain: bool, as_json: bool
) -> tuple[Show, int, Callable[[], None]]:
    """How a look is shown, how often, and what gives the terminal back."""
    from tminus.cli.view import can_draw

    if as_json:
        return _lines_of(stream, _json_text), EVERY_MS, stream.flush
    if plain or not can_draw(stream, environment):
        return _plain(stream, environment), PLAIN_EVERY_MS, stream.flush
    return _live(stream, environment)


def _json_text(look: EvidenceLook) -> str:
    return json.dumps(watch_json(look), ensure_ascii=True, separators=(",", ":"))


def _lines_of(stream: TextIO, text_of: Callable[[EvidenceLook], str]) -> Show:
    def show(look: EvidenceLook) -> None:
        stream.write(f"{text_of(look)}\n")
        stream.flush()

    return show


def _plain(stream: TextIO, environment: Mapping[str, str]) -> Show:
    from rich.console import Console

    from tminus.cli.view import columns_of, speaks_unicode, wants_colour
    from tminus.cli.watch_frame import watch_frame

    coloured, width = wants_colour(stream, environment), columns_of(stream) or PIPE_COLUMNS
    console = Console(file=stream, highlight=False, no_color=not coloured, width=width, soft_wrap=True)

    def show(look: EvidenceLook) -> None:
        for row in watch_frame(look, width):
            if speaks_unicode(stream):
                console.print(row)
            else:
                stream.write(f"{row.plain.translate(_ASCII).encode('ascii', 'replace').decode()}\n")
        stream.write("\n")
        stream.flush()

    return show


_ASCII = str.maketrans({"→": "->", "█": "#", "·": ".", "…": "~", "–": "-"})


def _live(stream: TextIO, environment: Mapping[str, str]) -> tuple[Show, int, Callable[[], None]]:
    from rich.console import Console, Group
    from rich.live import Live

    from tminus.cli.view import wants_colour
    from tminus.cli.watch_frame import watch_frame

    console = Console(file=stream, highlight=False, no_color=not wants_colour(stream, environment))
    live = Live(console=console, screen=True, auto_refresh=False, redirect_stderr=False)
    live.start()

    def show(look: EvidenceLook) -> None:
        live.update(Group(*watch_frame(look, console.width)[: console.height]), refresh=True)

    return show, EVERY_MS, live.stop
