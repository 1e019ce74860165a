"""Writes the parts of pages that repeat what the code says: help texts, and the targets of make.

Usage: python tools/pages.py [--check]

Each part stands between two marks of its page. With --check nothing is written, and the exit code is 1
when a page differs.
"""

import re
import sys
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

from click.testing import CliRunner

from tminus.cli.main import CHAPTERS, VERBS, group
from tminus.cli.routers import LACKS, ROUTERS
from tminus.domain.plan.times import format_relative
from tminus.plan.handbook_checks import HandbookItem, handbook_items

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 78  # what click writes in a terminal of 80 that nobody has widened
TARGET = re.compile(r"^([a-z-]+):.*## (.*)$", re.MULTILINE)


def main() -> int:
    """Writes or checks the pages; 0 when they stand as they should."""
    check = "--check" in sys.argv[1:]
    differing = [name for name in PARTS if not renew(ROOT / name, check=check)]
    for name in differing:
        print(f"{name} {'differs: run python tools/pages.py' if check else 'was written'}")
    return 1 if check and differing else 0


def renew(page: Path, *, check: bool) -> bool:
    """Whether the page stands as it should; where not, it is written unless only checked."""
    text = page.read_text(encoding="utf-8")
    wanted = renewed(page.relative_to(ROOT).as_posix(), text)
    if wanted != text and not check:
        page.write_text(wanted, encoding="utf-8")
    return wanted == text


def renewed(name: str, text: str) -> str:
    """The text of the page with its part as the code has it now.

    Raises:
        ValueError: a mark is missing.
    """
    part, content = PARTS[name]
    begin, end = f"<!-- {part}: written by `python tools/pages.py` -->\n", f"<!-- end of {part} -->\n"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{name} lacks {begin!r} or {end!r}")
    return f"{before}{begin}\n{content()}\n{end}{after}"


def verbs() -> str:
    """Every verb with its help, by chapter."""
    sections = [f"```text\n{help_of()}\n```\n"]
    for chapter in CHAPTERS:
        names = [name for name, (own, _) in VERBS.items() if own == chapter]
        if names:
            sections.append(f"## {chapter.capitalize()}\n")
        sections += [f"### tminus {name}\n\n```text\n{help_of(name)}\n```\n" for name in names]
    return "\n".join(sections).rstrip("\n") + "\n"


def help_of(name: str = "") -> str:
    """What `tminus NAME --help` prints; of a verb that is not there yet, only what it is for."""
    arguments = [name, "--help"] if name else ["--help"]
    try:
        shown = CliRunner().invoke(
            group, arguments, prog_name="tminus", terminal_width=COLUMNS, catch_exceptions=False
        )
    except ModuleNotFoundError:
        return VERBS[name][1]
    return shown.output.rstrip("\n")


def targets() -> str:
    """The targets of the Makefile, in its order."""
    rows = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    return "| command | what it does |\n|---|---|\n" + "".join(
        f"| `make {name}` | {text} |\n" for name, text in rows
    )


_HEAD = "| item | what must be so | owner | due | answered by |\n|---|---|---|---|---|"


def items() -> str:
    """The items of the handbook, by checklist and section."""
    rows = []
    for checklist, found in groupby(handbook_items().values(), key=lambda item: item.checklist):
        rows.append(f"### {checklist}\n\n{_HEAD}")
        for item in found:
            due, who = format_relative(item.due_ms), _answered_by(item)
            rows.append(f"| `{item.item}` | {item.title} | {item.owner} | {due} | {who} |")
        rows.append("")
    return "\n".join(rows)


def _answered_by(item: HandbookItem) -> str:
    """Every way, in the order in which they are tried."""
    ways = [
        f"`{each.probe}`" if each.probe else f"work {' and '.join(f'`{job}`' for job in each.work)}"
        for each in item.asks
    ]
    return ", else ".join([*ways, "statement"])


def routers() -> str:
    """What each router can do, from the adapters themselves."""
    names = list(ROUTERS)
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for field, text in LACKS.items():
        marks = ["yes" if getattr(ROUTERS[name], field) else "no" for name in names]
        lines.append(f"| {text} (`{field}`) | {' | '.join(marks)} |")
    for name in names:
        lines += [
            "",
            f"What to know of {name}:",
            "",
            *(f"- {note}" for note in ROUTERS[name].notes or ("nothing more",)),
        ]
    return "\n".join(lines) + "\n"


PARTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "README.md": ("targets", targets),
    "docs/reference/checks.md": ("items", items),
    "docs/reference/cli.md": ("verbs", verbs),
    "docs/reference/routers.md": ("capabilities", routers),
}
"""By page: the name of its part, and what writes it."""

if __name__ == "__main__":
    sys.exit(main())
