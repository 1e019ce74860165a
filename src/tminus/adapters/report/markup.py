"""XML that others wrote, element by element, without entities. Must not know what the elements mean.

Nothing is fetched, no entity is expanded, and what declares one is refused: a small file could otherwise
grow into gigabytes. A document type that only names its own, as Cobertura's does, is passed over.
"""

from collections.abc import Callable, Mapping
from xml.parsers import expat

MOST_DEPTH = 64
"""Levels of elements; reports have fewer than ten."""

Begin = Callable[[tuple[str, ...], Mapping[str, str]], None]
"""Is told of an element's beginning: the names from the outermost to its own, and its attributes."""

End = Callable[[tuple[str, ...]], None]
"""Is told of an element's end, by the same names."""


class _RefusedError(ValueError):
    """What the document does is not done here."""


def walk(content: bytes, begin: Begin, end: End | None = None) -> None:
    """Tells of every element in the order of the document; prefixes of namespaces are left out.

    Raises:
        ValueError: this is no XML, it declares an entity, or is nested too deeply.
    """
    stack: list[str] = []

    def began(name: str, attributes: dict[str, str]) -> None:
        stack.append(name.rpartition(":")[2])
        if len(stack) > MOST_DEPTH:
            raise _RefusedError(f"its elements are nested more than {MOST_DEPTH} deep")
        begin(tuple(stack), attributes)

    def ended(_: str) -> None:
        if end is not None:
            end(tuple(stack))
        stack.pop()

    def refuse(*_: object) -> int:
        raise _RefusedError("it declares an entity, which no report needs")

    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = began
    parser.EndElementHandler = ended
    try:
        parser.Parse(content, True)  # noqa: FBT003 - the library takes it by position
    except _RefusedError:
        raise
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        raise ValueError(f"its {len(content)} bytes are not XML") from error
