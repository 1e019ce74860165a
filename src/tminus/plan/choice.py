"""What a plan left open and how it was filled in. Must not fill anything in."""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from tminus.plan.scalar import Scalar
from tminus.plan.section import Section


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that the plan did not give.

    Attributes:
        path: the key, such as `shift.steps`.
        value: as it would be written in a plan.
        source: where the value comes from: `handbook`, `tminus`, or a sentence.
    """

    path: str
    value: str
    source: str


def defaults_in(section: Section, prefix: str = "") -> Iterator[Choice]:
    """Every default with a fixed value that `section`, or a section below it, took."""
    for name, field in type(section).model_fields.items():
        path = f"{prefix}{field.alias or name}"
        value = getattr(section, name)
        extra = field.json_schema_extra
        if name not in section.model_fields_set and isinstance(extra, dict) and "x-default-from" in extra:
            yield Choice(path, str(extra["x-shown"]) or shown(field, value), str(extra["x-default-from"]))
        for key, inner in _sections_in(value):
            yield from defaults_in(inner, f"{path}{key}.")


def shown(field: FieldInfo, value: object) -> str:
    """A typed value as it would be written in a plan."""
    scalar = scalar_of(field)
    if isinstance(value, list):
        return ", ".join(scalar.show(item) if scalar else str(item) for item in value)
    return scalar.show(value) if scalar else str(value)


def scalar_of(field: FieldInfo) -> Scalar | None:
    """The kind of a field's value, or of the items of its list; None for sections and mappings."""
    hints: list[Any] = [*field.metadata, field.annotation]
    while hints:
        hint = hints.pop(0)
        if isinstance(hint, Scalar):
            return hint
        if typing.get_origin(hint) is not dict:
            hints += [*getattr(hint, "__metadata__", ()), *typing.get_args(hint)]
    return None


def _sections_in(value: object) -> Iterator[tuple[str, Section]]:
    if isinstance(value, Section):
        yield "", value
    elif isinstance(value, list):
        yield from ((f"[{index}]", item) for index, item in enumerate(value) if isinstance(item, Section))
    elif isinstance(value, dict):
        yield from ((f".{key}", item) for key, item in value.items() if isinstance(item, Section))
