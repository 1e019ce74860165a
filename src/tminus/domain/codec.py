"""Frozen dataclasses to plain JSON and back, by their annotations. Must not know any particular class.

Supported fields: text, integers, booleans, None, new types of these, enums with text values, optional
values, homogeneous tuples, pairs and other fixed tuples, `frozenset` of text or enums, `Mapping[str, X]`,
`Any` for plain JSON, and nested dataclasses; a union of dataclasses is told apart by the `kind` class
attribute of its members.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from tminus.domain.canonical import Json

T = TypeVar("T")
_Decoder = Callable[[Any], Any]


class DecodeError(ValueError):
    """Stored JSON does not fit the class it should become."""


def to_json(value: Any) -> Json:  # noqa: ANN401 - any supported value, see the module docstring
    """Plain JSON of a supported value; dataclasses become objects, a `kind` class attribute is kept."""
    if isinstance(value, enum.Enum):
        return typing.cast("Json", value.value)
    if value is None or isinstance(value, bool | int | str):
        return typing.cast("Json", value)
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, frozenset):
        return [to_json(item) for item in sorted(value)]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {name: to_json(getattr(value, name)) for name in _field_names(type(value))}
        kind = getattr(type(value), "kind", None)
        return {"kind": kind, **body} if isinstance(kind, str) else body
    raise TypeError(f"{type(value).__name__} cannot be stored")


def from_json(cls: type[T], body: Json) -> T:
    """The `cls` that `to_json` wrote as `body`.

    Raises:
        DecodeError: a field is missing, unknown or of another type.
    """
    hint: Any = cls
    return typing.cast("T", _decoder(hint)(body))


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@cache
def _decoder(hint: Any) -> _Decoder:  # noqa: ANN401 - a type hint is not always a type
    if hint is Any:
        return lambda body: body
    if isinstance(hint, typing.NewType):
        return _decoder(hint.__supertype__)
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is frozenset:
        item = _decoder(arguments[0])
        return lambda body: frozenset(item(part) for part in _expect(body, list))
    if origin is not None and issubclass(origin, Mapping):
        item = _decoder(arguments[1])
        return lambda body: {key: item(part) for key, part in _expect(body, dict).items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return lambda body: _enum_member(hint, body)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_decoder(hint)
    plain = getattr(hint, "__supertype__", hint)  # of a new type, such as `Millis`
    if plain in (str, int, bool):
        return lambda body: _expect(body, plain)
    raise TypeError(f"{hint!r} cannot be stored")


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    if arguments[-1:] == (Ellipsis,):
        item = _decoder(arguments[0])
        return lambda body: tuple(item(part) for part in _expect(body, list))
    items = tuple(_decoder(argument) for argument in arguments)

    def fixed(body: Any) -> tuple[Any, ...]:  # noqa: ANN401 - stored JSON
        parts = _expect(body, list)
        if len(parts) != len(items):
            raise DecodeError(f"expected {len(items)} items, got {len(parts)}")
        return tuple(item(part) for item, part in zip(items, parts, strict=True))

    return fixed


def _union_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    members = [argument for argument in arguments if argument is not types.NoneType]
    optional = len(members) < len(arguments)
    classes: list[Any] = [member for member in members if dataclasses.is_dataclass(member)]
    kinds = {getattr(member, "kind", None): _decoder(member) for member in classes}
    only = _decoder(members[0]) if len(members) == 1 else None

    def decode(body: Any) -> Any:  # noqa: ANN401 - stored JSON
        if body is None and optional:
            return None
        if only is not None:
            return only(body)
        kind = _expect(body, dict).get("kind")
        if kind not in kinds:
            raise DecodeError(f"unknown kind {kind!r}")
        return kinds[kind](body)

    return decode


def _dataclass_decoder(cls: type) -> _Decoder:
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    decoders: dict[str, _Decoder] = {}
    kind = getattr(cls, "kind", None)

    def decode(body: Any) -> Any:  # noqa: ANN401 - stored JSON
        if not decoders:
            decoders.update({name: _decoder(hints[name]) for name in fields})
        content = dict(_expect(body, dict))
        if isinstance(kind, str) and content.pop("kind", kind) != kind:
            raise DecodeError(f"expected kind {kind!r}")
        unknown = content.keys() - decoders.keys()
        if unknown:
            raise DecodeError(f"{cls.__name__} has no field {min(unknown)!r}")
        values = {name: decoders[name](part) for name, part in content.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise DecodeError(f"{cls.__name__}: {error}") from error

    return decode


def _enum_member(cls: type[enum.Enum], body: Any) -> enum.Enum:  # noqa: ANN401 - stored JSON
    try:
        return cls(body)
    except ValueError as error:
        raise DecodeError(f"{body!r} is no {cls.__name__}") from error


def _expect(body: Any, cls: type) -> Any:  # noqa: ANN401 - stored JSON
    if type(body) is not cls:
        raise DecodeError(f"expected {cls.__name__}, got {type(body).__name__}")
    return body
