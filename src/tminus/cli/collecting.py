"""Gathers what is exposed: each service's counters, questions and newest launch. Changes nothing."""

from collections.abc import Iterable, Iterator, Mapping

from tminus.adapters.prometheus.exposition import ServiceView, exposition
from tminus.domain.launch.event import UnknownEventError
from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.answers import Answer, read_answers
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.judge import STALE_MS
from tminus.engine.decide.alarm import look_due_ms
from tminus.engine.decide.launch.work import SAMPLER
from tminus.engine.drive import fold_launch
from tminus.engine.observe import job_name
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow
from tminus.wiring import Home


def metrics_page(home: Home, now_ms: int, service: str | None = None) -> str:
    """The series of every service of the home, or of one; what cannot be read is left out and shown as down.

    Raises:
        PortFault: the journal does not say which launches there are.
    """
    rows = home.store.book.launches(service)
    newest = {(row.service, row.environment): row for row in rows}
    return exposition(_views(home, newest.values(), now_ms), now_ms)


def _views(home: Home, rows: Iterable[LaunchRow], now_ms: int) -> Iterator[ServiceView]:
    for row in rows:
        state = _state(home, row)
        yield ServiceView(
            service=row.service,
            environment=row.environment,
            launch=row.launch,
            state=state,
            sample=_counters(home, row, now_ms),
            answers=_answers(home, row, now_ms) if state is not None and state.plan.database else {},
            look_due_ms=None if state is None else look_due_ms(state),
        )


def _state(home: Home, row: LaunchRow) -> LaunchState | None:
    try:
        return fold_launch(home.store.journal, home.store.shelf, row.launch)[0]
    except (PortFault, UnknownEventError):
        return None


def _counters(home: Home, row: LaunchRow, now_ms: int) -> Sample | None:
    try:
        return home.router(row.service, row.environment).read_counters(now_ms)
    except PortFault:
        return None


def _answers(home: Home, row: LaunchRow, now_ms: int) -> Mapping[str, Answer]:
    name = job_name(row.launch, SAMPLER)
    try:
        reading = home.jobs.read_jobs([name]).get(name)
    except PortFault:
        return {}
    found = read_answers(None if reading is None else reading.progress)
    newest = {question: answers[-1] for question, answers in found.items() if answers}
    return {question: each for question, each in newest.items() if now_ms - each.at_ms <= STALE_MS}
