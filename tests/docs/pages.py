"""What the tests of the documentation read: pages, their fenced blocks, their headings and links."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.architecture.tree import ROOT, tracked_files

FENCE = re.compile(r"^```(\w*)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PROMPT = "$ "


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: path of its page from the root of the tree.
        line: of its fence.
        language: the first word after the fence.
        marks: the others; `name=value` or a name alone.
    """

    page: str
    line: int
    language: str
    marks: Mapping[str, str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Exchange:
    """A command of a console block and the output shown for it; None where none is shown."""

    command: str
    shown: str | None


def pages() -> list[Path]:
    """Every page of the documentation; those of the sample are its own."""
    found = [path for path in tracked_files() if path.suffix == ".md"]
    return [path for path in found if "releases" not in path.parts]


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    text = text_of(page)
    for match in FENCE.finditer(text):
        words = [word.partition("=") for word in match[2].split()]
        yield Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, match.start()) + 1,
            language=match[1],
            marks={name: value for name, _, value in words},
            text=match[3],
        )


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page) if block.language in languages]


def exchanges(block: Block) -> list[Exchange]:
    """The commands of a console block, in order; a line that ends with a backslash goes on in the next."""
    found: list[Exchange] = []
    lines = block.text.splitlines()
    number = 0
    while number < len(lines):
        assert lines[number].startswith(PROMPT), f"{block.place}: output before the first command"
        command = lines[number].removeprefix(PROMPT)
        while command.endswith("\\"):
            number += 1
            command = f"{command[:-1].rstrip()} {lines[number].strip()}"
        number += 1
        shown = []
        while number < len(lines) and not lines[number].startswith(PROMPT):
            shown.append(lines[number])
            number += 1
        found.append(Exchange(command, "\n".join(shown).strip() or None))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """What a link may name behind the hash, as the usual renderers make it."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        for heading in HEADING.findall(prose(page))
    }


def fits(shown: str, output: str) -> bool:
    """Whether output is as shown: `…` stands for anything in a line, a line of it alone for any lines."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*?".join(map(re.escape, line.rstrip().split("…"))) + r"[^\S\n]*\n"
    return re.fullmatch(pattern, output.strip("\n") + "\n") is not None
