"""The keys of launch.yaml as Markdown tables, for docs/reference/plan.md. Must not add to what models say.

`python -m tminus.plan.reference docs/reference/plan.md` writes them between the marks of that page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from tminus.plan.choice import scalar_of
from tminus.plan.model import LaunchFile
from tminus.plan.schema import default_text
from tminus.plan.section import Section
from tminus.plan.shape import fields_of, section_in

BEGIN = "<!-- keys: written by `python -m tminus.plan.reference` -->\n"
END = "<!-- end of keys -->\n"


def key_tables() -> str:
    """One table per section, the whole file first."""
    return "\n".join(_tables(LaunchFile, "", {}))


def with_keys(page: str) -> str:
    """The page with the tables between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN!r} or {END!r}")
    return f"{before}{BEGIN}\n{key_tables()}\n{END}{after}"


def _tables(section: type[Section], path: str, seen: dict[type[Section], str]) -> Iterator[str]:
    heading = f"### `{path}`" if path else "## launch.yaml"
    if section in seen:
        yield f"{heading}\n\nAs `{seen[section]}`.\n"
        return
    seen[section] = path
    fields = fields_of(section)
    rows = "\n".join(_row(key, field) for key, field in fields.items())
    about = " ".join((section.__doc__ or "").split())
    yield f"{heading}\n\n{about}\n\n| key | kind | default | meaning |\n|---|---|---|---|\n{rows}\n"
    for key, field in fields.items():
        inner, suffix = section_in(field)
        if inner is not None:
            yield from _tables(inner, f"{path}.{key}{suffix}".removeprefix("."), seen)


def _row(key: str, field: FieldInfo) -> str:
    cells = (f"`{key}`", _kind(field), _default(field), _sentence(field.description or ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _kind(field: FieldInfo) -> str:
    section, suffix = section_in(field)
    if section is not None:
        return {"": "section", "[]": "list of sections", ".<name>": "sections by name"}[suffix]
    scalar = scalar_of(field)
    if scalar is None:
        return "mapping"
    return f"list: {scalar.described}" if str(field.annotation).startswith("list") else scalar.described


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra.get("x-shown"):
        return str(extra["x-shown"])
    text = default_text(field)
    return f"`{text}`" if text else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def main(page: Path) -> None:
    """Writes the tables into the page."""
    page.write_text(with_keys(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
