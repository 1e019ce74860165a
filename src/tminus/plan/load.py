"""Reads launch.yaml into a plan, or says everything that is wrong with it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import cast

from pydantic import ValidationError

from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import to_json
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.plan.breach import Breach
from tminus.plan.build import build_plan
from tminus.plan.choice import Choice
from tminus.plan.mistake import Mistake, mistakes_in
from tminus.plan.model import LaunchFile
from tminus.plan.notes import notes_on
from tminus.plan.rules import breaches_in
from tminus.plan.tree import Path, Source, Text, Tree, parse_tree, read_tree

# Stands in for a key that could not be typed, so that the rules can look at the others.
PLACEHOLDERS: Mapping[str, Tree] = {
    "service": Text("placeholder", quoted=True),
    "version": Text("0.0.0", quoted=True),
    "run": {"command": Text("placeholder", quoted=True)},
}


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan and what is known about it.

    Attributes:
        plan: every value typed and every default filled in.
        choices: the defaults that were taken, in the order of the format.
        digest: of the plan without its T-0, so that a slip of T-0 leaves votes valid.
        notes: what is allowed and may still surprise, with positions; not errors.
        directory: folder of the file, to which `source.repository` is relative.
        source: the file as it was read, which knows where every key stands.
    """

    plan: Plan
    choices: tuple[Choice, ...]
    digest: str
    notes: tuple[Problem, ...] = ()
    directory: FilePath = FilePath()
    source: Source | None = field(default=None, repr=False, compare=False)


def load_plan(path: FilePath | str) -> LoadedPlan:
    """The plan in the file at `path`.

    Raises:
        ProblemError: with every mistake, in the order of the file, or why the file cannot be read at all.
    """
    file = FilePath(path)
    return _load(read_tree(file), file.parent)


def load_plan_text(text: str, name: str = "launch.yaml") -> LoadedPlan:
    """As `load_plan`, for the content of a file called `name`."""
    return _load(parse_tree(text, name), FilePath(name).parent)


def digest_of_plan(plan: Plan) -> str:
    """`sha256:…` over everything in the plan but its T-0."""
    body = cast("dict[str, Json]", to_json(plan))
    return digest_of({name: value for name, value in body.items() if name != "t0_ms"})


def _load(source: Source, directory: FilePath) -> LoadedPlan:
    if isinstance(source.tree, dict):
        file, mistakes = _typed(source.tree, source)
    else:
        file, mistakes = None, _mistakes(source.tree, source)
    problems = [*source.problems, *_sorted(mistakes, source)]
    if file is None or problems:
        raise ProblemError(*sorted(problems, key=_position))
    plan, choices = build_plan(file)
    notes = _sorted([_placed(note, source) for note in notes_on(file, plan)], source)
    return LoadedPlan(plan, choices, digest_of_plan(plan), tuple(notes), directory, source)


def _typed(tree: dict[str, Tree], source: Source) -> tuple[LaunchFile | None, list[Mistake]]:
    """The typed file, or one with placeholders where mistakes were found, and all mistakes."""
    mistakes = _mistakes(tree, source)
    unknown = {each.path for each in mistakes if each.problem.code == "plan-unknown-key"}
    untyped = frozenset(str(each.path[0]) for each in mistakes if each.path and each.path not in unknown)
    usable = {key: _without(value, (key,), unknown) for key, value in tree.items() if key not in untyped}
    filled = {
        **{key: value for key, value in PLACEHOLDERS.items() if key in untyped},
        **{key: value for key, value in usable.items() if (key,) not in unknown},
    }
    try:
        file = LaunchFile.model_validate(filled)
    except ValidationError:
        return None, mistakes
    breaches = breaches_in(file, untyped)
    return file, [*mistakes, *(_placed(breach, source) for breach in breaches)]


def _without(value: Tree, path: Path, dropped: set[Path]) -> Tree:
    """The value without the keys whose paths are dropped."""
    if isinstance(value, list):
        return [_without(item, (*path, index), dropped) for index, item in enumerate(value)]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (*path, key) not in dropped}
        return {key: _without(item, (*path, key), dropped) for key, item in kept.items()}
    return value


def _mistakes(tree: Tree, source: Source) -> list[Mistake]:
    try:
        LaunchFile.model_validate(tree)
    except ValidationError as error:
        return mistakes_in(error, source)
    return []


def _placed(breach: Breach, source: Source) -> Mistake:
    return Mistake(source.mark(breach.path, key=breach.at_key), breach.path, breach.problem)


def _sorted(mistakes: list[Mistake], source: Source) -> list[Problem]:
    ordered = sorted(mistakes, key=lambda each: (each.mark.line, each.mark.column))
    return [each.placed(source) for each in ordered]


def _position(problem: Problem) -> tuple[int, int]:
    _, line, column = problem.where.rsplit(":", 2)
    return int(line), int(column)
