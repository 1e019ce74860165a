"""No page gives a command that is not there: verbs, options, targets of make, files that are run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import Block, all_blocks, exchanges, pages, prose
from tminus.cli.main import VERBS, group
from tools import pages as written

SPAN = re.compile(r"`([^`\n]+)`")
OPERATORS = frozenset({"|", "&&", "||", ";", "&", ">", ">>", "<"})
COMMON = frozenset({"--help", "-h"})


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands in a line, as words."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    for word in lexer:
        if word in OPERATORS:
            yield words
            words = []
        else:
            words.append(word)
    yield words


def problems(words: list[str]) -> Iterator[str]:
    """What is wrong with a command, as far as it is one of ours."""
    while words and "=" in words[0]:
        words = words[1:]
    match words:
        case ["tminus", verb, *rest]:
            yield from _tminus_problems(verb, rest)
        case ["make", *rest]:
            targets = {name for name, _ in written.TARGET.findall((ROOT / "Makefile").read_text("utf-8"))}
            yield from (
                f"make {word} is no target" for word in rest if "=" not in word and word not in targets
            )
        case ["python" | "python3" | ".venv/bin/python", file, *_] if file.endswith(".py") and "/" in file:
            if not (ROOT / file).is_file():
                yield f"{file} is not there"


def _tminus_problems(verb: str, rest: list[str]) -> Iterator[str]:
    if verb in {"--version", "--help"}:
        return
    if verb not in VERBS:
        yield f"tminus has no verb {verb!r}"
        return
    try:
        command = group.get_command(click.Context(group), verb)
    except ModuleNotFoundError:
        return  # announced, and not there yet
    assert command is not None
    known = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    for word in rest:
        name = word.partition("=")[0]
        if re.fullmatch(r"--?[a-zA-Z][\w-]*", name) and name not in known | COMMON:
            yield f"tminus {verb} has no option {name}"


def lines_of(block: Block) -> list[str]:
    if block.language == "console":
        return [each.command for each in exchanges(block)]
    return block.text.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("block", all_blocks("console", "sh"), ids=lambda block: block.place)
def test_every_command_of_a_block_exists(block: Block) -> None:
    found = [what for line in lines_of(block) for words in commands(line) for what in problems(words)]
    assert found == [], block.place


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_in_a_sentence_exists(page: Path) -> None:
    found = []
    for span in SPAN.findall(prose(page)):
        if span.startswith(("tminus ", "make ")):
            first = span.replace("…", "").replace("'", "")
            found += [what for words in commands(first) for what in problems(words)]
    assert found == [], page


def test_the_checker_bites() -> None:
    assert list(problems(["tminus", "list"])) == ["tminus has no verb 'list'"]
    assert list(problems(["tminus", "log", "--nothing"])) == ["tminus log has no option --nothing"]
    assert list(problems(["A=b", "make", "nothing"])) == ["make nothing is no target"]
    assert list(problems(["python", "tools/nothing.py"])) == ["tools/nothing.py is not there"]
    assert list(problems(["tminus", "rollback", "-m", "a reason", "shop"])) == []
