"""What a thousand checks cost: tminus's own time for one round of them, from the asking to the journal.

The probe answers at once, so that what is measured is everything but the probes: the pool that asks, masking
and a scratch folder for each, the job's progress file, reading it back, the decision, and the append to the
journal. Own time is that of the processor; beside it stands the clock's, which whatever else runs lengthens.
Usage: python benchmarks/checks.py [--checks 1000] [--rounds 5]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from bench import machine, percentile, table

from tminus import plugins
from tminus.adapters.check.ask import ask_once
from tminus.adapters.database.store import sqlite_store
from tminus.domain.codec import to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import FaultReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState, planned
from tminus.domain.plan.checklist import CheckItem, Checks, Probed
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.readiness.answer import Answer, passed
from tminus.domain.readiness.answers import answers_body, read_answers
from tminus.domain.readiness.checked import CheckAnswered
from tminus.domain.readiness.gate import is_open, judge_items
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.step import Observation
from tminus.plan.load import load_plan_text
from tminus.ports.journal import Draft, LaunchRow
from tminus.ports.probes import Around, ProbeKind, Target

LIMIT_S = 5.0
"""A round of a thousand checks may take no more of tminus's own time."""

Times = dict[str, list[tuple[float, float]]]
"""Milliseconds of each part and round: the processor's, the clock's."""

SECRET = SecretRef(SecretSource.ENV, "TOKEN")
PLAN = "service: shop\nversion: 2.0.0\nrun: {command: serve}\n"
NO_ANSWER = FaultReading("router", "timeout", "nobody asks it here")


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a probe that answers at once."""

    token: SecretRef = SECRET


def ask(settings: Settings, around: Around, limit_ms: int) -> Answer:
    around.secret(settings.token)
    return passed("it holds: 1 of 1", "nothing", "an answer of a line, as most are " * 10, took_ms=1)


def items(count: int) -> tuple[CheckItem, ...]:
    asks = Probed("instant", to_json(Settings()), (SECRET.text(),))
    return tuple(
        CheckItem(f"own/check-{number}", f"check {number}", "own", "", "devops", 0, asks, 900_000)
        for number in range(count)
    )


def countdown(found: tuple[CheckItem, ...]) -> LaunchState:
    plan = replace(load_plan_text(PLAN).plan, checks=Checks(found, {}))
    event = ev.LaunchPlanned(plan, "sha256:p", "c0ffee", "bench", Slot.GREEN, None, None, None, 0, 0)
    return replace(planned(event, 0), artifact="sha256:a")


def timed(work: Callable[[], object], times: Times, name: str) -> None:
    began, began_own = time.perf_counter(), time.process_time()
    work()
    own_ms, clock_ms = (time.process_time() - began_own) * 1000, (time.perf_counter() - began) * 1000
    times.setdefault(name, []).append((own_ms, clock_ms))


def one_round(state: LaunchState, directory: Path, number: int, times: Times) -> None:
    checks = state.plan.checks
    assert checks is not None
    place = plugins.Place(Target(service="shop"), directory, directory, directory)
    answers: list[CheckAnswered] = []
    questions = plugins.questions(checks.items, place, lambda ref: "hunter2-of-the-benchmark")
    timed(lambda: answers.extend(ask_once(questions)), times, "asked, masked")
    file = directory / "progress.json"
    timed(lambda: file.write_text(json.dumps(answers_body(answers))), times, "progress written")
    timed(lambda: read_answers(json.loads(file.read_text())), times, "progress read")
    now_ms = max(answer.asked_ms for answer in answers)
    told = {answer.item: answer for answer in answers}
    seen = Observation(now_ms, NO_ANSWER, NO_ANSWER, checked=told)
    timed(lambda: decide(state, seen), times, "decided, all new")
    step = decide(state, seen)
    timed(lambda: decide(step.state, seen), times, "decided, nothing new")
    assert is_open(judge_items(checks, step.state.readiness, now_ms))
    store = sqlite_store(directory / f"journal-{number}.db")
    store.book.open_launch(LaunchRow("l", "shop", "production", 0, open=True), [])
    lease = store.claims.claim("l", "bench", now_ms, 60_000)
    assert lease is not None
    drafts = [Draft(kind, version, now_ms, body) for kind, version, body in map(ev.encode, step.events)]
    head = store.journal.head("l").seq
    timed(lambda: store.journal.append("l", lease.epoch, head, drafts), times, "journalled")
    store.close()


def main() -> int:
    """Prints the table; 1 where a round took longer than it may."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--checks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    state = countdown(items(options.checks))
    assert state.phase is Phase.COUNTDOWN
    times: Times = {}
    kind = ProbeKind(Settings, ask)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(plugins, "find_probe_kind", return_value=kind),
    ):
        for number in range(options.rounds):
            one_round(state, Path(folder), number, times)
    worst = sum(max(own for own, _ in found) for found in times.values()) / 1000
    rows = []
    for name, found in times.items():
        own, clock = zip(*found, strict=True)
        rows.append(
            (name, *(f"{value:,.1f}" for value in (percentile(own, 50), max(own), percentile(clock, 50))))
        )
    print(f"\n{options.checks} checks, {options.rounds} rounds, milliseconds of a round:\n")
    print(table(("what", "own, median", "own, worst", "by the clock"), rows))
    print(f"\na round at its worst: {worst:.2f} s of its own, of {LIMIT_S:.0f} s it may take")
    return 0 if worst <= LIMIT_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
