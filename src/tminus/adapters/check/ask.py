"""The checks of a launch, asked until told to stop; what was answered lies in `progress.json`."""

import json
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tminus.adapters.check.pool import THREADS, Pool, Question
from tminus.domain.canonical import Json
from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer
from tminus.domain.readiness.answers import answers_body
from tminus.domain.readiness.checked import CheckAnswered

_NOTE_S = 0.5  # the progress is written no more often
_WHY_LIMIT = 1_000  # characters of a sentence
_FACTS_LIMIT = 50  # a probe measures a few numbers


def ask_on(questions: Sequence[Question], directory: Path, stop: threading.Event) -> Json:
    """Asks each question at its own pace until told to stop.

    Args:
        questions: each with an item of its own.
        directory: of the job; `progress.json` in it holds the newest answer of each item.
        stop: ends it.

    Returns:
        `{"asked": how many answers there were}`.
    """
    newest: dict[str, CheckAnswered] = {}

    def tell(answer: CheckAnswered) -> None:
        newest[answer.item] = answer

    def note() -> None:
        before: dict[str, CheckAnswered] = {}
        while not stop.wait(_NOTE_S):
            now = dict(newest)
            if now != before:
                # A full disk must not end the asking.
                with suppress(OSError):
                    _write(directory / "progress.json", answers_body(now.values()))
                    before = now

    writer = threading.Thread(target=note, name="note", daemon=True)
    writer.start()
    told = Pool(tell).ask(questions, stop)
    writer.join(_NOTE_S)
    return {"asked": told}


def ask_once(questions: Sequence[Question], threads: int = THREADS) -> tuple[CheckAnswered, ...]:
    """Asks each question once, and returns the answers in the order of the questions."""
    found: dict[str, CheckAnswered] = {}

    def tell(answer: CheckAnswered) -> None:
        found[answer.item] = answer

    Pool(tell, threads).ask(questions, threading.Event(), once=True)
    return tuple(found[question.item] for question in questions)


def masked(answer: Answer, mask: Callable[[str], str]) -> Answer:
    """The answer without secrets, and within its bounds."""
    return replace(
        answer,
        why=mask(answer.why)[:_WHY_LIMIT],
        source=mask(answer.source)[:_WHY_LIMIT],
        excerpt=mask(answer.excerpt)[:EXCERPT_LIMIT],
        facts=answer.facts[:_FACTS_LIMIT],
    )


def in_scratch(parent: Path, use: Callable[[Path], Answer]) -> Answer:
    """What `use` makes of an empty folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=parent, prefix="probe-", ignore_cleanup_errors=True) as folder:
        return use(Path(folder))


def _write(path: Path, body: Json) -> None:
    """Renamed but not synced: it is for readers after a crash of this process, not of the machine."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)
