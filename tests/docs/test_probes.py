"""The page of probes names every kind and every key of it, in order, and nothing that is not there."""

import dataclasses
import re
import tomllib
from importlib import import_module

import pytest

from tests.architecture.tree import ROOT
from tminus.ports.probes import ProbeKind

PAGE = (ROOT / "docs" / "reference" / "probes.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
POINTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "entry-points"
]["tminus.probes"]


def kind_of(name: str) -> ProbeKind:
    module, _, attribute = POINTS[name].partition(":")
    found = getattr(import_module(module), attribute)
    assert isinstance(found, ProbeKind)
    return found


def test_every_kind_has_its_section_in_alphabetical_order() -> None:
    assert list(SECTIONS) == sorted(POINTS)


@pytest.mark.parametrize("name", sorted(POINTS))
def test_every_key_of_a_kind_stands_in_its_table(name: str) -> None:
    cells = re.findall(r"^\| (`[^|]+`) \|", SECTIONS[name], re.MULTILINE)
    shown = [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    assert sorted(shown) == sorted(field.name for field in dataclasses.fields(kind_of(name).settings))
