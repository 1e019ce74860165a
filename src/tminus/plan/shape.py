"""Which keys and sections stand where in the format. Must not read a file."""

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from tminus.plan.model import LaunchFile
from tminus.plan.section import Section
from tminus.plan.tree import Path


def fields_of(section: type[Section] | None) -> dict[str, FieldInfo]:
    """Keys of a section as written in a plan, in their order."""
    if section is None:
        return {}
    return {field.alias or name: field for name, field in section.model_fields.items()}


def field_at(path: Path) -> FieldInfo | None:
    """The field that a path ends in, if it ends in one."""
    return fields_of(section_at(path[:-1])).get(str(path[-1])) if path else None


def section_at(path: Path) -> type[Section] | None:
    """The section that stands at a path: None where plain values stand, or nothing is known."""
    hint: Any = LaunchFile
    for part in path:
        section = _section_of(hint) if _is_section(hint) else None
        if section is not None:
            field = fields_of(section).get(str(part))
            if field is None:
                return None
            hint = _bare(field.annotation)
        else:
            arguments = typing.get_args(hint)
            if not arguments:
                return None
            hint = _bare(arguments[-1])
    return _section_of(hint) if _is_section(hint) else None


def section_in(field: FieldInfo) -> tuple[type[Section] | None, str]:
    """The section that a field holds, and how: `` itself, `[]` in a list, `.<name>` under free names."""
    hint = _bare(field.annotation)
    suffix = {list: "[]", dict: ".<name>"}.get(typing.get_origin(hint), "")
    return _section_of(typing.get_args(hint)[-1] if suffix else hint), suffix


def sections_below(section: type[Section]) -> Iterator[type[Section]]:
    """The section and all that it holds, each once or more."""
    yield section
    for field in section.model_fields.values():
        inner, _ = section_in(field)
        if inner is not None:
            yield from sections_below(inner)


def _bare(hint: Any) -> Any:  # noqa: ANN401 - a type hint is not always a type
    """The hint without `Annotated` and without `| None`."""
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif origin in (typing.Union, types.UnionType):
            hint = next(each for each in typing.get_args(hint) if each is not type(None))
        else:
            return hint


def _is_section(hint: Any) -> bool:  # noqa: ANN401 - as above
    return isinstance(hint, type) and issubclass(hint, Section)


def _section_of(hint: Any) -> type[Section] | None:  # noqa: ANN401 - as above
    bare = _bare(hint)
    return bare if _is_section(bare) else None
