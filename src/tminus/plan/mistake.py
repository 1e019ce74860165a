"""From pydantic's list of errors to problems with a position. Must not repeat what stands under `secrets`."""

import json
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tminus.domain.problem import Problem
from tminus.plan.model import LaunchFile
from tminus.plan.scalar import kind_of, nearest
from tminus.plan.shape import field_at, fields_of, section_at, section_in
from tminus.plan.tree import Mark, Path, Source, Text, Tree

# What other tools call a key of ours.
SYNONYMS = {
    "cmd": "command",
    "environment_variables": "env",
    "health_check": "health",
    "healthcheck": "health",
    "one_offs": "before",
    "port": "listen",
    "replicas": "instances",
    "requests": "critical_paths",
    "rollback_when": "triggers",
    "stage": "environment",
    "timeout": "deadline",
}
FAR_LIKENESS = 0.75  # a key of another section is meant less often, so it must be more alike
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{0,20}")
MANY_KEYS = 12  # a longer list hides the hint


@dataclass(frozen=True, slots=True)
class Mistake:
    """A problem before its position is text.

    Attributes:
        mark: where it is shown.
        path: the key or value concerned.
        problem: with an empty `where`.
    """

    mark: Mark
    path: Path
    problem: Problem

    def placed(self, source: Source) -> Problem:
        """The problem with file, line and column."""
        it = self.problem
        return Problem(it.code, it.what, source.where(self.mark), it.why, it.fix)


def dotted(path: Path) -> str:
    """`critical_paths[0].expect` for a path; `the plan` for the whole file."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the plan"


def mistakes_in(error: ValidationError, source: Source) -> list[Mistake]:
    """Every error as a mistake, in pydantic's order."""
    errors = error.errors(include_url=False, include_input=True)
    return [_mistake(typing.cast("Mapping[str, Any]", each), source) for each in errors]


def _mistake(error: Mapping[str, Any], source: Source) -> Mistake:
    path: Path = error["loc"]
    if path and path[-1] == "[key]":
        path = path[:-1]
        return Mistake(source.mark(path, key=True), path, _problem(error["type"], path, error, "the key "))
    known: dict[str, Any] = {"extra_forbidden": _unknown_key, "missing": _missing_key}
    if writer := known.get(error["type"]):
        return typing.cast("Mistake", writer(path, source))
    mark = source.mark(path)
    ctx = error.get("ctx", {})
    if "fix" in ctx:
        return Mistake(mark, path, _problem(error["type"], path, error))
    if error["type"] in {"too_short", "too_long"}:
        return Mistake(mark, path, _length_problem(error["type"], path, ctx))
    expected = "a list" if error["type"] == "list_type" else "a mapping of keys and values"
    field = field_at(path)
    if field and field.description and field.description.endswith("`"):
        expected += f", or {field.description.rpartition('or ')[2]},"
    return Mistake(mark, path, _type_problem(path, error["input"], expected))


def _problem(code: str, path: Path, error: Mapping[str, Any], prefix: str = "") -> Problem:
    ctx = error["ctx"]
    return Problem(code, f"{prefix}`{dotted(path)}`{ctx['what']}", fix=ctx["fix"])


def _length_problem(kind: str, path: Path, ctx: Mapping[str, Any]) -> Problem:
    if kind == "too_long":
        what = f"`{dotted(path)}` has more than {ctx['max_length']} items"
        return Problem("plan-bad-value", what, fix="write fewer")
    return Problem(
        "plan-empty-list",
        f"`{dotted(path)}` is an empty list",
        why="an empty list of checks would pass without proving anything",
        fix="name at least one, or leave the key out for its default",
    )


def _type_problem(path: Path, value: Tree, expected: str) -> Problem:
    name = f"`{dotted(path)}`" if path else "the plan"
    if isinstance(value, Text) and value.is_missing:
        what = f"{name} has no value; {expected} is expected"
        return Problem("plan-wrong-type", what, fix="write its keys below it, indented, or leave it out")
    what = f"{name} is {kind_of(value)}; {expected} is expected"
    field = field_at(path)
    if field and field.examples:
        return Problem("plan-wrong-type", what, fix=f"write it like {_example(field)}")
    keys = fields_of(section_at(path))
    return Problem("plan-wrong-type", what, fix=f"its keys are {', '.join(keys)}" if keys else "")


def _unknown_key(path: Path, source: Source) -> Mistake:
    key = str(path[-1])
    keys = fields_of(section_at(path[:-1]))
    holder = f"`{dotted(path[:-1])}`" if path[:-1] else "the plan"
    fix = _hint(key, keys)
    if not fix and "sql" in keys:
        fix = "if it belongs to the query: inside braces, quote a query that holds a comma"
    why = "" if fix and len(keys) > MANY_KEYS else f"its keys are {', '.join(keys)}"
    problem = Problem("plan-unknown-key", f"{_named(key, path)} is not a key of {holder}", why=why, fix=fix)
    return Mistake(source.mark(path, key=True), path, problem)


def _named(key: str, path: Path) -> str:
    """The key, unless it may be the rest of a connection string that a comma inside braces cut in two."""
    if path[0] == "database" and not PLAIN_KEY.fullmatch(key):
        return "what stands here"
    return f"`{key}`"


def _hint(key: str, keys: Mapping[str, FieldInfo]) -> str:
    if key == "<<":
        return "merge keys are not supported; repeat the values, or use an alias for a whole value"
    ours = SYNONYMS.get(key, key)
    if meant := ours if ours in keys else nearest(key, keys):
        return f"did you mean `{meant}`?"
    sections = {
        name: fields_of(section)
        for name, field in fields_of(LaunchFile).items()
        if (section := section_in(field)[0]) is not None and not section_in(field)[1]
    }
    everywhere = dict.fromkeys(each for inner in sections.values() for each in inner)
    meant = ours if ours in everywhere else nearest(key, everywhere, FAR_LIKENESS)
    homes = " or ".join(f"`{name}`" for name, inner in sections.items() if meant in inner)
    return f"did you mean `{meant}`, which belongs into {homes}?" if meant else ""


def _missing_key(path: Path, source: Source) -> Mistake:
    holder = f"`{dotted(path[:-1])}`" if path[:-1] else "the plan"
    field = field_at(path)
    if field is None:
        raise AssertionError(f"{dotted(path)} is missing and not a key")
    problem = Problem(
        "plan-missing-key",
        f"{holder} has no `{path[-1]}`",
        why=f"{path[-1]}: {field.description}",
        fix=f"add `{path[-1]}: {_example(field)}`",
    )
    return Mistake(source.mark(path[:-1], key=True), path, problem)


def _example(field: FieldInfo) -> str:
    """The field's first example as it would be written after the colon."""
    example = field.examples[0] if field.examples else "..."
    if isinstance(example, dict):
        return f"{{{', '.join(f'{key}: {_quoted(value)}' for key, value in example.items())}}}"
    return example if isinstance(example, str) else json.dumps(example)


def _quoted(value: object) -> str:
    return json.dumps(value) if not isinstance(value, str) or set(value) & set("{}[],") else value
