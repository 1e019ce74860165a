"""One SQL statement as text: where it ends, and what it names. Must not know any one dialect in full."""

import re

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

LONGEST_QUERY = 4_000  # servers refuse an address of more than 8 KiB, and encoding makes a query longer

# Where a semicolon is no end of a statement: comments, texts, names and dollar quotes (`$$` or `$tag$`).
_APART = re.compile(
    r"""--[^\n]*
      | /\*.*?\*/
      | \b[eE]'(?:[^'\\]|\\.|'')*'
      | '(?:[^']|'')*'
      | "(?:[^"]|"")*"
      | (?P<tag>\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$).*?(?P=tag)""",
    re.VERBOSE | re.DOTALL,
)


def sql_of(text: str) -> str:
    """The statement without the semicolon at its end.

    Raises:
        ValueError: there is none, there are several, or a quote or comment is not closed.
    """
    statement = str(text).strip()
    bare = _without_comments_and_texts(statement)
    if "'" in bare or '"' in bare or "/*" in bare:
        raise ValueError("it has a quote or a comment that is not closed")
    if "\0" in statement:
        raise ValueError("it holds a zero byte")
    if not bare.strip("; \t\r\n"):
        raise ValueError("it holds no statement")
    first, _, rest = bare.partition(";")
    if rest.strip("; \t\r\n"):
        raise ValueError("it holds a semicolon in its middle, so it is more than one statement")
    return statement if first == bare else statement[: len(first)].rstrip()


def query_of(text: str) -> str:
    """A query in another language than SQL, as it is.

    Raises:
        ValueError: it is empty, holds a control character, or is too long to be sent in an address.
    """
    query = str(text).strip()
    if not query:
        raise ValueError("it is empty")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", query):
        raise ValueError("it holds a control character")
    if len(query) > LONGEST_QUERY:
        raise ValueError(f"it is longer than {LONGEST_QUERY} characters")
    return query


def _without_comments_and_texts(statement: str) -> str:
    """The statement with as many spaces in their place, so that positions stay; a text leaves an `x`."""

    def blank(match: re.Match[str]) -> str:
        comment = match[0].startswith(("--", "/*"))
        return (" " if comment else "x").ljust(len(match[0]))

    return _APART.sub(blank, statement)
