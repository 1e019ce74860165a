"""What a look at a running launch's evidence needs, read from the journal and what stands beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.launch.event import Event, decode
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import MINUTE_MS
from tminus.domain.report.evidence import MetricRow, metric_rows
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.weighing import Weighing
from tminus.engine.decide.launch.work import MEASURE
from tminus.engine.drive import fold_launch
from tminus.engine.observe import job_name, measurements
from tminus.engine.ports import Ports
from tminus.engine.weigh import Weigher

LOOK_BACK_MS = MINUTE_MS
"""Samples that figures of traffic are drawn from; the evidence fetches what it needs by itself."""


@dataclass(frozen=True, slots=True)
class EvidenceLook:
    """A launch's evidence at one moment; nothing was written to see it.

    Attributes:
        launch: its id.
        now_ms: when it was looked at.
        state: as the journal has it.
        samples: of the last minute, oldest first.
        weighing: the evidence; None where nothing is weighed.
        events: all, with their times.
    """

    launch: str
    now_ms: int
    state: LaunchState
    samples: Sequence[Sample]
    weighing: Weighing | None
    events: tuple[tuple[Event, int], ...]

    @property
    def rows(self) -> tuple[MetricRow, ...]:
        """Every metric."""
        return metric_rows(self.weighing)


def look_at_evidence(ports: Ports, launch: str, *, with_events: bool = False) -> EvidenceLook:
    """Reads what a driver has put aside and the samples since; asks neither router nor slots.

    Raises:
        PortFault: the journal cannot be read.
        UnknownEventError: it holds what this release does not understand.
    """
    state, _ = fold_launch(ports.journal, ports.shelf, launch)
    now_ms = ports.clock.now_ms()
    samples = ports.ring.samples(launch, now_ms - LOOK_BACK_MS)
    key = job_name(launch, MEASURE)
    found = ports.jobs.read_jobs([key])
    measured = measurements(state, {MEASURE: found[key]} if key in found else {})
    weighing = Weigher(ports, launch).read(state, samples, measured, now_ms)
    records = ports.journal.read(launch) if with_events else ()
    events = tuple((decode(each.kind, each.version, each.body), each.at_ms) for each in records)
    return EvidenceLook(launch, now_ms, state, samples, weighing, events)
