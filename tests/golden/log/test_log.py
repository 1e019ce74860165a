"""The log of whole launches, in full text."""

import dataclasses
import json
import re

import pytest

from tests.architecture.tree import ROOT
from tests.golden.log.worlds import SCENARIOS, TEXTS, lines, log_text, world
from tminus.domain.launch.event import KINDS
from tminus.domain.report.log import render, to_json

REFERENCE = ROOT / "docs" / "reference" / "log.md"


@pytest.mark.req("R19")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_launch_reads_like_this(name: str) -> None:
    assert log_text(name) == (TEXTS / f"{name}.txt").read_text(encoding="utf-8")


def test_a_terminal_without_unicode_gets_ascii_only() -> None:
    text = render(lines(world("rolled-back")), colour=False, ascii_only=True, width=80)
    assert text.isascii()
    assert "?" not in text
    assert "[FAILED]" in text


def test_no_line_is_wider_than_the_terminal() -> None:
    for width in (40, 60, 80):
        text = render(lines(world("good")), colour=False, ascii_only=False, width=width)
        assert max(map(len, text.splitlines())) <= width


def test_without_a_width_nothing_is_wrapped() -> None:
    told = lines(world("good"))
    text = render(told, colour=False, ascii_only=False, width=0)
    assert len(text.splitlines()) == len(told) + 1  # and the day


def test_colours_change_nothing_but_the_colours() -> None:
    told = lines(world("rolled-back"))
    coloured = render(told, colour=True, ascii_only=False, width=80)
    plain = render(told, colour=False, ascii_only=False, width=80)
    for code in ("0", "1", "2", "32", "36", "1;31", "1;32", "1;33"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_a_line_as_json_keeps_every_field() -> None:
    first = lines(world("good"))[0]
    assert json.loads(json.dumps(to_json(first))) == {
        "at_ms": 1_700_000_000_000,
        "depth": 0,
        "mark": "",
        "text": "Launch of sim 2.0.0 in production, by sim",
        "duration_ms": None,
        "seq": 1,
        "edge": "first",
    }


def test_the_reference_shows_a_log_as_it_is() -> None:
    assert (TEXTS / "rolled-back.txt").read_text(encoding="utf-8") in REFERENCE.read_text(encoding="utf-8")


def test_the_reference_names_every_event_with_its_fields() -> None:
    text = REFERENCE.read_text(encoding="utf-8").partition("| kind |")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", text, re.MULTILINE)
    documented = {kind: re.findall(r"`(\w+)`", fields) for kind, fields in rows}
    assert documented == {
        kind: [field.name for field in dataclasses.fields(event)] for kind, event in KINDS.items()
    }
