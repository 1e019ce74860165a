"""Gathers what is exposed: each service's counters, questions and newest launch. Changes nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tminus.adapters.prometheus.exposition import ServiceView, exposition
from tminus.domain.canonical import Json
from tminus.domain.launch.event import UnknownEventError
from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.answers import Answer, read_answers
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.judge import STALE_MS
from tminus.domain.watch.measured import Watched
from tminus.domain.watch.measurement import Measurement, Measurements, read_measurements
from tminus.engine.decide.alarm import look_due_ms
from tminus.engine.decide.launch.work import MEASURE, SAMPLER
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
            measured={} if state is None else _measured(home, row, state, now_ms),
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


def _measured(home: Home, row: LaunchRow, state: LaunchState, now_ms: int) -> Measurements:
    """The newest of each metric and version; what people enter stands in the journal."""
    told = read_measurements(_progress(home, row, MEASURE))
    found: dict[str, Sequence[Measurement]] = {}
    for metric in state.plan.metrics:
        taken = told.get(metric.name, ())
        if Watched(metric, taken, now_ms).is_fresh:
            found[metric.name] = tuple({each.arm: each for each in taken if each.counts}.values())
    return found


def _progress(home: Home, row: LaunchRow, key: str) -> Json:
    name = job_name(row.launch, key)
    try:
        reading = home.jobs.read_jobs([name]).get(name)
    except PortFault:
        return None
    return None if reading is None else reading.progress


def _answers(home: Home, row: LaunchRow, now_ms: int) -> Mapping[str, Answer]:
    found = read_answers(_progress(home, row, SAMPLER))
    newest = {question: answers[-1] for question, answers in found.items() if answers}
    return {question: each for question, each in newest.items() if now_ms - each.at_ms <= STALE_MS}
