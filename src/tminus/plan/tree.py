"""YAML as text with positions: scalars stay what was typed. Must not know what a plan means.

YAML 1.1 would read `no` as false, `050` as 40, `22:30` as 1350 and `1.10` as 1.1. Nothing is resolved
here, so each of them stays text until a model types it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Self, Union, cast

import yaml

from tminus.domain.problem import Problem, ProblemError

MAX_BYTES = 256 * 1024  # the largest plan seen by hand has 20 KB; more is another file by mistake
MAX_DEPTH = 32  # the format itself is 6 deep, a JSON body in a request may be deeper
MAX_VALUES = 20_000  # after aliases are followed: ten small lines can otherwise name a billion values

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of the file."""


class Text(str):
    """A scalar as typed.

    Attributes:
        quoted: written in quotes or as a block, so that it is certainly meant as text.
    """

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, value: str, *, quoted: bool) -> Self:
        """See the class."""
        text = super().__new__(cls, value)
        text.quoted = quoted
        return text

    @property
    def is_missing(self) -> bool:
        """Nothing at all stands after the colon."""
        return not self and not self.quoted


Tree = Union[Text, list["Tree"], dict[str, "Tree"]]  # noqa: UP007 - a recursive alias needs Union on 3.11


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file.

    Attributes:
        name: the file as the user named it.
        tree: its content.
        keys: where the key of a path stands, for paths that end in a key.
        values: where the value of a path stands.
        problems: what is wrong with it as YAML, although it could be parsed: duplicate keys, tags.
    """

    name: str
    tree: Tree
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """Where `path` stands, or the nearest enclosing value that is in the file."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Mark(1, 1))

    def where(self, mark: Mark) -> str:
        """`launch.yaml:7:3`."""
        return f"{self.name}:{mark.line}:{mark.column}"


def read_tree(path: FilePath) -> Source:
    """The file as a tree of text.

    Raises:
        ProblemError: `plan-not-found`, `plan-not-readable`, `plan-too-large` or `plan-not-yaml`.
    """
    return parse_tree(_read_text(path), str(path))


def parse_tree(text: str, name: str) -> Source:
    """As `read_tree`, for the content of a file called `name`."""
    try:
        root = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ProblemError(_syntax_problem(error, text, name)) from None
    except yaml.reader.ReaderError as error:
        raise ProblemError(_character_problem(error, text, name)) from None
    if root is None:
        raise ProblemError(
            Problem(
                "plan-not-yaml",
                "the file is empty",
                f"{name}:1:1",
                fix="write a plan, or let `tminus init` write one for this repository",
            )
        )
    walk = _Walk(name)
    tree = walk.tree_of(root, ())
    return Source(name, tree, walk.keys, walk.values, tuple(walk.problems))


def _read_text(path: FilePath) -> str:
    name = str(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        fix = "name the file, or run `tminus init` to write one"
        raise ProblemError(Problem("plan-not-found", f"{name} {what}", name, fix=fix))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProblemError(
            Problem("plan-not-readable", f"{name} cannot be read: {error.strerror}", name)
        ) from None
    if len(content) > MAX_BYTES:
        what = f"{name} is larger than {MAX_BYTES // 1024} KiB"
        raise ProblemError(Problem("plan-too-large", what, name, fix="check that this is a plan"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise ProblemError(
            Problem(
                "plan-not-yaml",
                "the file is not UTF-8 text",
                f"{name}:{line}:{column}",
                fix="save it as UTF-8",
            )
        ) from None


class _Composer(yaml.BaseLoader):
    """PyYAML's composer without any implicit typing, and with bounded nesting."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise yaml.composer.ComposerError(
                None, None, f"lists and mappings are nested more than {MAX_DEPTH} deep", mark
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_PLAIN_TAGS = {
    yaml.ScalarNode: yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG,
    yaml.SequenceNode: yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG,
    yaml.MappingNode: yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG,
}


class _Walk:
    """One walk over composed nodes; collects positions and what is wrong with the file as YAML."""

    def __init__(self, name: str) -> None:
        self.keys: dict[Path, Mark] = {}
        self.values: dict[Path, Mark] = {}
        self.problems: list[Problem] = []
        self._name = name
        self._open: set[int] = set()
        self._count = 0

    def tree_of(self, node: yaml.Node, path: Path) -> Tree:
        self._bound(node, len(path))
        self.values[path] = _mark(node)
        if node.tag != _PLAIN_TAGS[type(node)]:
            self._complain(
                "plan-not-yaml",
                "a YAML tag (`!name`) has no meaning in a plan",
                node,
                "remove it; quote a value that starts with an exclamation mark",
            )
        if isinstance(node, yaml.ScalarNode):
            return Text(node.value, quoted=node.style is not None)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.tree_of(item, (*path, index)) for index, item in enumerate(node.value)]
            entries = self._entries(cast("yaml.MappingNode", node), path)
            return {key: self.tree_of(value, (*path, key)) for key, value in entries}
        finally:
            self._open.discard(id(node))

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[Text, yaml.Node]]:
        first: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(
                    "plan-not-yaml",
                    "a list or mapping cannot be a key",
                    key_node,
                    "quote a value that starts with a brace or a bracket",
                )
                continue
            key = Text(key_node.value, quoted=key_node.style is not None)
            if key in first:
                self._complain(
                    "plan-duplicate-key",
                    f"`{key}` is given twice",
                    key_node,
                    "keep one of the two",
                    why=f"the first one is in line {first[key].line}",
                )
                continue
            first[key] = self.keys[(*path, key)] = _mark(key_node)
            yield key, value_node

    def _bound(self, node: yaml.Node, depth: int) -> None:
        self._count += 1
        if id(node) in self._open:
            raise ProblemError(
                Problem(
                    "plan-not-yaml",
                    "an alias (`*name`) stands inside what it names",
                    self._where(node),
                    fix="write the value out",
                )
            )
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            bound = f"{MAX_VALUES} values" if self._count > MAX_VALUES else f"{MAX_DEPTH} levels"
            raise ProblemError(
                Problem(
                    "plan-too-large",
                    f"the plan has more than {bound} once aliases (`*name`) are followed",
                    self._where(node),
                    fix="write fewer aliases of aliases",
                )
            )

    def _complain(self, code: str, what: str, node: yaml.Node, fix: str, why: str = "") -> None:
        self.problems.append(Problem(code, what, self._where(node), why, fix))

    def _where(self, node: yaml.Node) -> str:
        mark = _mark(node)
        return f"{self._name}:{mark.line}:{mark.column}"


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column, index = (mark.line, mark.column, mark.index) if mark else (0, 0, 0)
    where = f"{name}:{line + 1}:{column + 1}"
    if text[index : index + 1] == "\t":
        return Problem(
            "plan-not-yaml", "a tab stands where YAML wants spaces", where, fix="indent with spaces"
        )
    said = error.problem or "it cannot be parsed"
    if isinstance(error, yaml.composer.ComposerError):
        said = said.partition(" '")[0]  # the name of an alias may be a secret that starts with an asterisk
    if error.problem and error.context and error.context_mark:
        said += f" ({error.context} in line {error.context_mark.line + 1})"
    fix = "look at this line and the one above it: indentation, a missing colon, or a value that needs quotes"
    if text[index : index + 1] == "?":
        fix = "inside braces or brackets, quote a value that holds a question mark"
    return Problem("plan-not-yaml", f"the file is not YAML: {said}", where, fix=fix)


def _character_problem(error: yaml.reader.ReaderError, text: str, name: str) -> Problem:
    before = text[: error.position]
    line = before.count("\n") + 1
    column = error.position - before.rfind("\n")
    what = f"the control character {ord(text[error.position]):#06x} stands in the file"
    return Problem("plan-not-yaml", what, f"{name}:{line}:{column}", fix="remove it")
