import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Circle:
    kind: ClassVar[str] = "circle"
    radius: int


@dataclass(frozen=True, slots=True)
class Square:
    kind: ClassVar[str] = "square"
    side: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Outer:
    text: str
    number: int
    flag: bool
    plain: Any
    maybe: int | None
    inner: Inner
    maybe_inner: Inner | None
    several: tuple[Inner, ...]
    pair: tuple[str, int]
    colours: frozenset[Colour]
    by_name: Mapping[str, tuple[int, ...]]
    shape: Circle | Square
    maybe_shape: Circle | Square | None


TEXTS = st.text(st.characters(codec="utf-8"))
NAMES = st.text(st.characters(max_codepoint=127))
INTEGERS = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=5,
)
INNERS = st.builds(Inner, TEXTS, INTEGERS)
SHAPES = st.builds(Circle, INTEGERS) | st.builds(Square, INTEGERS, st.none() | TEXTS)
OUTERS = st.builds(
    Outer,
    TEXTS,
    INTEGERS,
    st.booleans(),
    PLAIN,
    st.none() | INTEGERS,
    INNERS,
    st.none() | INNERS,
    st.lists(INNERS, max_size=3).map(tuple),
    st.tuples(TEXTS, INTEGERS),
    st.frozensets(st.sampled_from(Colour)),
    st.dictionaries(NAMES, st.lists(INTEGERS, max_size=3).map(tuple), max_size=3),
    SHAPES,
    st.none() | SHAPES,
)
COUNTS = st.builds(Counts, INTEGERS, INTEGERS, INTEGERS, st.tuples(*[INTEGERS] * len(BUCKETS_MS)))
SAMPLES = st.builds(
    Sample,
    INTEGERS,
    st.lists(st.builds(ClassCounts, st.sampled_from(Slot), INTEGERS, TEXTS, COUNTS), max_size=3).map(tuple),
)


def stored(value: object) -> Json:
    """As a journal gives it back."""
    parsed: Json = json.loads(canonical_bytes(to_json(value)))
    return parsed


@settings(deadline=None)  # a busy machine is no failure
@given(OUTERS)
def test_a_value_comes_back_as_it_was_stored(value: Outer) -> None:
    assert from_json(Outer, stored(value)) == value


@settings(deadline=None)  # a busy machine is no failure
@given(SAMPLES)
def test_a_sample_comes_back_as_it_was_stored(sample: Sample) -> None:
    assert from_json(Sample, stored(sample)) == sample


@settings(deadline=None)  # a busy machine is no failure
@given(OUTERS)
def test_equal_values_have_equal_bytes(value: Outer) -> None:
    again = from_json(Outer, stored(value))
    assert canonical_bytes(to_json(again)) == canonical_bytes(to_json(value))


def test_the_stored_form_is_written_down() -> None:
    value = Outer(
        "t",
        1,
        True,
        [1, {"a": None}],
        None,
        Inner("i", 2),
        None,
        (Inner("a"),),
        ("p", 3),
        frozenset(Colour),
        {"k": (1, 2)},
        Circle(4),
        Square(5),
    )
    assert to_json(value) == {
        "text": "t",
        "number": 1,
        "flag": True,
        "plain": [1, {"a": None}],
        "maybe": None,
        "inner": {"name": "i", "number": 2},
        "maybe_inner": None,
        "several": [{"name": "a", "number": 0}],
        "pair": ["p", 3],
        "colours": ["green", "red"],
        "by_name": {"k": [1, 2]},
        "shape": {"kind": "circle", "radius": 4},
        "maybe_shape": {"kind": "square", "side": 5, "label": None},
    }


def test_a_field_with_a_default_may_be_missing_in_what_was_stored_earlier() -> None:
    assert from_json(Inner, {"name": "i"}) == Inner("i", 0)


@pytest.mark.parametrize(
    ("cls", "body", "message"),
    [
        (Inner, {"number": 1}, "Inner: .*missing 1 required positional argument: 'name'"),
        (Inner, {"name": "i", "size": 1}, "^Inner has no field 'size'$"),
        (Inner, {"name": 1}, "^expected str, got int$"),
        (Inner, {"name": "i", "number": True}, "^expected int, got bool$"),
        (Inner, {"name": "i", "number": 1.0}, "^expected int, got float$"),
        (Inner, {"name": None}, "^expected str, got NoneType$"),
        (Inner, ["i"], "^expected dict, got list$"),
        (Circle, {"kind": "square", "radius": 1}, "^expected kind 'circle'$"),
        (Circle | Square, {"kind": "line"}, "^unknown kind 'line'$"),
        (Circle | Square, {"radius": 1}, "^unknown kind None$"),
        (Circle | Square, None, "^expected dict, got NoneType$"),
        (Colour, "blue", "^'blue' is no Colour$"),
        (Colour, [], r"^\[\] is no Colour$"),
        (tuple[int, int], [1], "^expected 2 items, got 1$"),
        (tuple[int, ...], {"0": 1}, "^expected list, got dict$"),
        (frozenset[str], "abc", "^expected list, got str$"),
        (Mapping[str, int], {"a": "1"}, "^expected int, got str$"),
    ],
)
def test_what_does_not_fit_is_refused(cls: type[object], body: Json, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        from_json(cls, body)


@pytest.mark.parametrize("value", [0.5, b"x", object(), {1, 2}, Inner])
def test_what_cannot_be_stored_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        to_json(value)


@pytest.mark.parametrize("hint", [float, bytes, object])
def test_a_hint_that_cannot_be_stored_is_refused(hint: type[object]) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        from_json(hint, 1)


def test_an_enum_without_text_is_stored_by_its_value() -> None:
    class Level(Enum):
        LOW = 1

    assert from_json(Level, to_json(Level.LOW)) is Level.LOW
