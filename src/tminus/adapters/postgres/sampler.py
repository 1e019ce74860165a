"""The work `sampler`: asks the database the plan's questions until told to stop. Judges no answer."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.postgres.arguments import bad_arguments, database_url, object_of, problems
from tminus.adapters.postgres.inspection import PostgresInspection
from tminus.domain.canonical import Json
from tminus.domain.codec import from_json
from tminus.domain.plan.database import Question
from tminus.ports.fault import PortFault

DATABASE = "@database"
"""Name under which faults of the reading of the database itself are told; no question is named so."""

KEPT_ANSWERS = 120  # of each question: two minutes at one a second, more than a tick ever misses
_NOTE_S = 0.5  # the progress is written no more often
_READ_EVERY_MS = 1_000  # the database's own reading
_READ_LIMIT_MS = 1_000
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0)  # while the database cannot be reached
_FINISH_LIMIT_S = 3.0  # of the job's grace of 5 s, for questions that are under way at the end


@dataclass(frozen=True, slots=True)
class _Asker:
    """One thing that is asked again and again, over a connection of its own."""

    name: str
    every_ms: int
    ask: Callable[[PostgresInspection], Any]
    keep: Callable[[int, Any], None]


class _Found:
    """What was answered so far; many threads write, one reads."""

    def __init__(self, names: list[str]) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, deque[tuple[int, int, int]]] = {
            name: deque(maxlen=KEPT_ANSWERS) for name in names
        }
        self._faults: dict[str, dict[str, Json]] = {}
        self._database: dict[str, Json] | None = None

    def answer(self, name: str, at_ms: int, bad: int, total: int) -> None:
        with self._lock:
            self._answers[name].append((at_ms, bad, total))

    def read(self, reading: dict[str, Json] | None) -> None:
        with self._lock:
            self._database = reading

    def fine(self, name: str) -> None:
        with self._lock:
            self._faults.pop(name, None)

    def fault(self, name: str, at_ms: int, code: str, why: str) -> None:
        with self._lock:
            self._faults[name] = {"at_ms": at_ms, "code": code, "why": why}
            if name == DATABASE:
                self._database = None  # yesterday's health is no health

    def body(self) -> Json:
        with self._lock:
            answers: dict[str, Json] = {
                name: [list(point) for point in points] for name, points in self._answers.items()
            }
            return {"answers": answers, "faults": dict(self._faults), "database": self._database}


def sampler(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Asks every question at its own pace, over a connection of its own, until told to stop.

    A question that is late, fails, or answers what cannot be is in a fault until its next good answer. A
    database that goes away and comes back is asked again by itself.

    Args:
        arguments: `questions` (a list of `domain.plan.database.Question` as JSON, names in ASCII, each once),
            `database` (whether its own reading is taken each second), `secrets` (with DATABASE_URL).
        directory: of the job; `progress.json` in it is the result so far, renewed at most twice a second.
        stop: ends it.

    Returns:
        `{"answers": {name: [[at_ms, bad, total], ...]}, "faults": {name: {"at_ms", "code", "why"}},
        "database": {"at_ms", "connections_ppm", "latency_us", "replica_lag_ms", "waiting"} | null}`: the
        newest 120 answers of each question, oldest first, `at_ms` when it was asked; faults that last, those
        of the database's reading under `@database`.

    Raises:
        ProblemError: `database-url-missing`, `database-url-invalid`, `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the database is not sampled"):
        questions = from_json(tuple[Question, ...], body.get("questions", []))
        _check(questions)
        url = database_url()
        PostgresInspection(url)
    found = _Found([question.name for question in questions])
    askers = [_question_asker(question, found) for question in questions]
    if body.get("database", False):
        askers.append(_database_asker(found))
    threads = [
        threading.Thread(target=_ask_on, args=(asker, url, found, stop), name=asker.name, daemon=True)
        for asker in askers
    ]
    for thread in threads:
        thread.start()
    while True:
        # A full disk must not end the sampling; the result is stored in space set aside.
        with suppress(OSError):
            _write(directory / "progress.json", found.body())
        if stop.wait(_NOTE_S):
            break
    finish_at = time.monotonic() + _FINISH_LIMIT_S
    for thread in threads:
        thread.join(max(0.0, finish_at - time.monotonic()))
    return found.body()


def _ask_on(asker: _Asker, url: str, found: _Found, stop: threading.Event) -> None:
    """Asks until told to stop; questions that fall due while one is under way are left out."""
    due_at = time.monotonic()
    failures = 0
    with closing(PostgresInspection(url)) as inspection:
        while not stop.wait(max(0.0, due_at - time.monotonic())):
            at_ms = time.time_ns() // 1_000_000
            pause_s = asker.every_ms / 1000
            try:
                asker.keep(at_ms, asker.ask(inspection))
                found.fine(asker.name)
                failures = 0
            except PortFault as fault:
                found.fault(asker.name, at_ms, fault.code, fault.why)
                if fault.code == "database-unreachable":
                    pause_s = max(pause_s, _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
                    failures += 1
            except Exception as error:  # noqa: BLE001 - a question that ends unseen would look calm
                inspection.close()
                found.fault(asker.name, at_ms, "question-crashed", type(error).__name__)
            due_at = max(due_at + pause_s, time.monotonic())


def _question_asker(question: Question, found: _Found) -> _Asker:
    return _Asker(
        question.name,
        question.every_ms,
        lambda inspection: inspection.ask(question.sql, question.limit_ms),
        lambda at_ms, share: found.answer(question.name, at_ms, share.bad, share.total),
    )


def _database_asker(found: _Found) -> _Asker:
    def keep(at_ms: int, reading: Any) -> None:  # noqa: ANN401 - a DatabaseReading
        found.read(
            {
                "at_ms": at_ms,
                "connections_ppm": reading.connections_ppm,
                "latency_us": reading.latency_us,
                "replica_lag_ms": reading.replica_lag_ms,
                "waiting": reading.waiting,
            }
        )

    return _Asker(DATABASE, _READ_EVERY_MS, lambda inspection: inspection.read_database(_READ_LIMIT_MS), keep)


def _check(questions: tuple[Question, ...]) -> None:
    names = [question.name for question in questions]
    for question in questions:
        if not question.name.isascii() or question.name == DATABASE or names.count(question.name) > 1:
            raise bad_arguments(f"a question cannot be named {question.name!r}, or is named so twice")
        if question.every_ms <= 0 or question.limit_ms <= 0:
            raise bad_arguments(f"question {question.name!r}: every_ms and limit_ms must be above 0")


def _write(path: Path, body: Json) -> None:
    """Renamed but not synced: it is for readers after a crash of this process, not of the machine."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)
