"""Kinds of probes by name, and their settings from a plan's text. Must not ask any probe."""

import dataclasses
import enum
import re
import types
import typing
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from tminus.domain.plan.secret import SecretRef, parse_secret_ref
from tminus.domain.plan.times import Millis, parse_duration_ms
from tminus.domain.problem import Problem
from tminus.plan.scalar import kind_of, nearest
from tminus.plan.tree import Path, Text, Tree
from tminus.ports.probes import ProbeKind

PROBES = "tminus.probes"
"""The entry-point group: each name is a kind of probe, and names a `ProbeKind`."""

FLAGS: Mapping[str, bool] = {
    **dict.fromkeys(("yes", "true", "on"), True),
    **dict.fromkeys(("no", "false", "off"), False),
}

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def probe_names() -> tuple[str, ...]:
    """Every kind that is installed, in alphabetical order; nothing is imported for it."""
    return tuple(sorted({point.name for point in entry_points(group=PROBES)}))


def find_probe_kind(name: str) -> ProbeKind | None:
    """The kind of that name; None when none is installed."""
    point = next(iter(entry_points(group=PROBES, name=name)), None)
    found = None if point is None else point.load()
    return found if isinstance(found, ProbeKind) else None


class SettingsError(Exception):
    """What a plan says to a probe does not fit its settings.

    Attributes:
        problems: each with the keys, below the settings, that it concerns, and whether it is about the key.
    """

    def __init__(self, problems: list[tuple[Path, Problem, bool]]) -> None:
        """Takes one or more."""
        super().__init__("; ".join(problem.what for _, problem, _ in problems))
        self.problems = problems


def read_settings(cls: type[Any], tree: Tree) -> Any:  # noqa: ANN401 - of that class
    """The settings that `tree` says, as the probe's own dataclass.

    Args:
        cls: a frozen dataclass whose fields have the types that `ports.probes.ProbeKind` names.
        tree: a mapping from the names of its fields to what a plan says.

    Raises:
        SettingsError: with everything that does not fit.
    """
    if not isinstance(tree, dict):
        problem = _bad(f" is {kind_of(tree)}; a mapping of settings is expected", _keys_text(cls))
        raise SettingsError([((), problem, False)])
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    problems: list[tuple[Path, Problem, bool]] = [
        ((key,), _unknown(key, cls), True) for key in tree if key not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in tree:
            try:
                values[name] = _value(hints[name], tree[name])
            except ValueError as error:
                problems.append(((name,), _wrong(name, error), False))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(((), _missing(name, cls), True))
    if problems:
        raise SettingsError(problems)
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError([((), _bad(f": {error}", ""), False)]) from None


def secrets_in(value: Any) -> Iterator[str]:  # noqa: ANN401 - settings, or a part of them
    """Every reference to a secret in settings, as a plan writes it."""
    if isinstance(value, SecretRef):
        yield value.text()
    elif isinstance(value, tuple):
        for item in value:
            yield from secrets_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from secrets_in(getattr(value, field.name))


def meanings(cls: type[Any]) -> Mapping[str, str]:
    """What each field means, from the `Attributes` of the docstring, in the order of the fields."""
    text = " ".join((cls.__doc__ or "").partition("Attributes:")[2].split())
    names = [field.name for field in dataclasses.fields(cls)]
    found = re.split(rf"(?:^|(?<=[.;])) ?({'|'.join(names)}): ", f" {text}")
    told = dict(zip(found[1::2], found[2::2], strict=False))
    return {name: told.get(name, "").strip() for name in names}


def kind_text(hint: Any) -> str:  # noqa: ANN401 - a type hint is not always a type
    """What a field is written as, in a word or two."""
    bare = _without_none(hint)
    if bare is Millis:
        return "duration"
    if bare is SecretRef:
        return "reference to a secret"
    if typing.get_origin(bare) is tuple:
        item = typing.get_args(bare)[0]
        return "mapping" if typing.get_origin(item) is tuple else f"list: {kind_text(item)}"
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in bare)
    return {str: "text", int: "whole number", bool: "yes or no"}.get(bare, "text")


def _value(hint: Any, tree: Tree) -> Any:  # noqa: ANN401 - a type hint is not always a type, and of that type
    bare = _without_none(hint)
    if typing.get_origin(bare) is tuple:
        return _values(typing.get_args(bare)[0], tree)
    if not isinstance(tree, Text):
        raise ValueError(f"it is {kind_of(tree)}; {kind_text(bare)} is expected")  # noqa: TRY004 - a plan's mistake
    if tree.is_missing:
        raise ValueError(f"it has no value; {kind_text(bare)} is expected")
    return _scalar(bare, str(tree))


def _values(item: Any, tree: Tree) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    if typing.get_origin(item) is tuple:
        if not isinstance(tree, dict):
            raise ValueError(f"it is {kind_of(tree)}; a mapping is expected")
        return tuple((str(key), _value(str, value)) for key, value in tree.items())
    found = tree if isinstance(tree, list) else [tree]
    return tuple(_value(item, each) for each in found)


def _scalar(hint: Any, text: str) -> Any:  # noqa: ANN401 - as above
    if hint is Millis:
        return Millis(parse_duration_ms(text))
    if hint is SecretRef:
        return parse_secret_ref(text)
    if hint is bool:
        if text.lower() not in FLAGS:
            raise ValueError(f"{text!r} is neither yes nor no")
        return FLAGS[text.lower()]
    if hint is int:
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"{text!r} is not a whole number")
        return int(text)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        words = [str(member.value) for member in hint]
        if text not in words:
            meant = nearest(text, words)
            hint_text = f"; did you mean `{meant}`?" if meant else ""
            raise ValueError(f"{text!r} is not one of {', '.join(words)}{hint_text}")
        return hint(text)
    if _PASSWORD.search(text):
        raise ValueError("it holds a password; a plan refers to secrets and never holds one")
    return text


def _without_none(hint: Any) -> Any:  # noqa: ANN401 - as above
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not types.NoneType)
    return hint


def _keys_text(cls: type[Any]) -> str:
    return f"its keys are {', '.join(field.name for field in dataclasses.fields(cls)) or 'none'}"


def _unknown(key: str, cls: type[Any]) -> Problem:
    meant = nearest(key, [field.name for field in dataclasses.fields(cls)])
    fix = f"did you mean `{meant}`?" if meant else ""
    return Problem("plan-unknown-key", f"`{key}` is no setting of this probe", why=_keys_text(cls), fix=fix)


def _missing(name: str, cls: type[Any]) -> Problem:
    about = meanings(cls).get(name, "")
    return Problem(
        "plan-missing-key", f"the probe has no `{name}`", why=about, fix=f"add `{name}` below `with`"
    )


def _wrong(name: str, error: ValueError) -> Problem:
    return Problem("plan-bad-value", f"`{name}`: {error}")


def _bad(what: str, fix: str) -> Problem:
    return Problem("plan-bad-value", f"`with`{what}", fix=fix)
