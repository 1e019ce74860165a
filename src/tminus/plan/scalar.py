"""How one value is read, shown and described: the text kinds of a plan. Must not know which key holds it."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from tminus.plan.tree import Text, Tree

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)  # compared and hashed by identity: `schema` is a mapping
class Scalar:
    """Attached to a field with `Annotated`: types its text and describes it.

    Attributes:
        noun: what is expected, with its article.
        example: how it is written.
        parse: from the text to the value; raises ValueError with a sentence on what is wrong.
        show: from the value to text, as `tminus plan` prints it.
        code: of the problem when `parse` refuses.
        schema: JSON Schema of what a YAML editor sees; unquoted numbers are numbers there.
        takes_any: `parse` takes lists and mappings too.
    """

    noun: str
    example: str
    parse: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    code: LiteralString = "plan-bad-value"
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    takes_any: bool = False

    @property
    def described(self) -> str:
        """What is expected, with an example where the words do not say it."""
        return self.noun if self.noun.startswith("one of") else f"{self.noun}, such as {self.example}"

    def read(self, value: Tree) -> object:
        """The typed value; pydantic turns what is raised into its list of errors."""
        fix = f"write {self.noun}" if self.noun.startswith("one of") else f"write it like {self.example}"
        if isinstance(value, Text) and value.is_missing:
            raise complaint("plan-wrong-type", f" has no value; {self.noun} is expected", fix)
        if not self.takes_any and not isinstance(value, Text):
            if template := braced_template(value):
                fix = f'quote it: "{template}"'
            raise complaint("plan-wrong-type", f" is {kind_of(value)}; {self.noun} is expected", fix)
        try:
            return self.parse(value)
        except ValueError as error:
            raise complaint(self.code, f": {error}", fix) from None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Pydantic's hook: reading is all there is."""
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Pydantic's hook for the published schema."""
        return dict(self.schema)


def complaint(code: LiteralString, what: str, fix: str) -> PydanticCustomError:
    """An error about one value. `what` goes on right after "`key`"; `fix` stands alone."""
    return PydanticCustomError(code, "{what}", {"what": what, "fix": fix})


def kind_of(value: Tree) -> str:
    """`text`, `a list` or `a mapping`."""
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else "text"


def braced_template(value: Tree) -> str:
    """`{token}` when YAML read an unquoted `{token}` as a mapping, else nothing."""
    if isinstance(value, dict) and len(value) == 1:
        [(key, inner)] = value.items()
        if isinstance(inner, Text) and inner.is_missing:
            return f"{{{key}}}"
    return ""


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known word that was probably meant, or nothing; `likeness` from 0 (any) to 1 (the same)."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return found[0] if found else ""
