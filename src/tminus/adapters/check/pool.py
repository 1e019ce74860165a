"""A few threads that ask many questions; one that hangs is told and replaced, and delays nobody."""

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tminus.domain.plan.times import format_duration
from tminus.domain.readiness.answer import Answer, unknown
from tminus.domain.readiness.checked import CheckAnswered, answered
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import PortFault

THREADS = 16
"""Questions under way at once: probes wait for others most of their time."""

MOST_STUCK = 48
"""Threads that hang beyond their limit before nobody is asked any more; each holds a few megabytes."""

SOON_MS = 15_000
"""What does not pass is asked again this soon, so that whoever mends it sees it."""

_OVER_S = 1.0  # a probe may answer a moment after its limit
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """One item and how it is asked.

    Attributes:
        item: its id.
        source: what is asked, for an answer that never came.
        every_ms: how often while it passes.
        limit_ms: for one answer.
        keeps_ms: how long an answer counts.
        ask: asks once, with the limit in milliseconds.
    """

    item: str
    source: str
    every_ms: int
    limit_ms: int
    keeps_ms: int
    ask: Callable[[int], Answer]


@dataclass(slots=True, eq=False)
class _Look:
    """One question under way. Whoever takes it out of `open` first has the say."""

    question: Question
    began_at: float = field(default_factory=time.monotonic)
    asked_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


class Pool:
    """Asks questions until told to stop, or each of them once."""

    def __init__(self, tell: Callable[[CheckAnswered], None], threads: int = THREADS) -> None:
        """`tell` gets every answer, in the thread that calls `ask`."""
        self._tell = tell
        self._threads = threads
        self._waiting: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: set[_Look] = set()
        self._done: list[tuple[_Look, Answer]] = []
        self._stuck = 0
        self._due: list[tuple[float, int, Question]] = []
        self._number = itertools.count()

    def ask(self, questions: Sequence[Question], stop: threading.Event, *, once: bool = False) -> int:
        """Asks until told to stop, and returns how many answers there were.

        Args:
            questions: each with an item of its own.
            stop: ends it; what is under way then has no answer.
            once: ends when each has been answered, or waited for in vain.
        """
        for question in questions:
            self._later(question, 0.0)
        for _ in range(min(self._threads, len(questions))):
            self._start()
        told = 0
        while not stop.is_set() and not (once and told >= len(questions)):
            self._hand_out()
            for look, answer in self._ended():
                self._tell(answered(look.question.item, answer, look.asked_ms, look.question.keeps_ms))
                told += 1
                if not once:
                    self._later(look.question, _pause_s(look.question, answer))
            stop.wait(_LOOK_S)
        for _ in range(self._threads + MOST_STUCK):
            self._waiting.put(None)
        return told

    def _later(self, question: Question, pause_s: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + pause_s, next(self._number), question))

    def _start(self) -> None:
        threading.Thread(target=self._work, name="check", daemon=True).start()

    def _hand_out(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            self._waiting.put(heapq.heappop(self._due)[2])

    def _work(self) -> None:
        while (question := self._waiting.get()) is not None:
            look = _Look(question)
            with self._lock:
                self._open.add(look)
            answer = _answer(question)
            with self._lock:
                if look not in self._open:
                    self._stuck -= 1  # it was told to hang, and another thread is in its place
                    return
                self._open.remove(look)
                self._done.append((look, answer))

    def _ended(self) -> list[tuple[_Look, Answer]]:
        """What was answered since, and what should have been."""
        now = time.monotonic()
        with self._lock:
            ended, self._done = self._done, []
            hanging = [
                look for look in self._open if now - look.began_at > look.question.limit_ms / 1000 + _OVER_S
            ]
            for look in hanging:
                self._open.remove(look)
            fresh = min(len(hanging), MOST_STUCK - self._stuck)
            self._stuck += len(hanging)
        for _ in range(fresh):
            self._start()
        return [*ended, *((look, _overdue(look.question)) for look in hanging)]


def _answer(question: Question) -> Answer:
    try:
        return question.ask(question.limit_ms)
    except PortFault as fault:
        return unknown(f"it cannot be asked: {fault.why} [{fault.code}]", question.source)
    except Exception as error:  # noqa: BLE001 - a probe that ends unseen would look calm
        # The text of a foreign exception may quote a secret; its class cannot.
        return unknown(f"the probe failed: {type(error).__name__}", question.source)


def _overdue(question: Question) -> Answer:
    return unknown(f"it has not answered within {format_duration(question.limit_ms)}", question.source)


def _pause_s(question: Question, answer: Answer) -> float:
    passes = answer.outcome is Outcome.PASS
    return (question.every_ms if passes else min(question.every_ms, SOON_MS)) / 1000
