"""Metrics from a real Prometheus: told apart by version, through its restart, and when its targets die."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.observability import program
from tests.integration.prometheus import LIMIT_S, PROGRAM, Exporter, Prometheus, exporting
from tminus.adapters.http.fetch import fetch
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.prometheus.query import PrometheusQueries
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.codec import to_json
from tminus.domain.launch.reading import JobPhase
from tminus.domain.plan.metric import MetricDefinition, MetricKind, PrometheusSource
from tminus.domain.plan.secret import SecretRef
from tminus.domain.watch.measurement import (
    Arm,
    MeasuredState,
    Measurement,
    Missed,
    Taken,
    read_measurements,
)
from tminus.domain.watch.probe import probes
from tminus.ports.fault import Refused
from tminus.ports.jobs import JobSpec
from tminus.ports.metrics import Surroundings

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R10", "R15", "R22")]


def no_secret(ref: SecretRef) -> str:
    raise Refused("secret-missing", ref.text())


@pytest.fixture
def exporters() -> Iterator[list[Exporter]]:
    program(PROGRAM)
    with exporting(2) as found:
        yield found


@pytest.fixture
def prometheus(exporters: list[Exporter], tmp_path: Path) -> Iterator[Prometheus]:
    series(exporters, 0, 100)
    with Prometheus(tmp_path, tuple(each.port for each in exporters)) as found:
        yield found


def series(exporters: list[Exporter], declined: int, paid: int) -> None:
    for exporter, slot in zip(exporters, ("blue", "green"), strict=True):
        bad = declined if slot == "green" else 0
        exporter.text = (
            "# TYPE payments_total counter\n"
            f'payments_total{{slot="{slot}",result="declined"}} {bad}\n'
            f'payments_total{{slot="{slot}",result="paid"}} {paid}\n'
            f'queue{{slot="{slot}"}} 12.5\n'
            f'broken{{slot="{slot}"}} NaN\n'
        )


def asked(prometheus: Prometheus, query: str, tmp_path: Path, limit_ms: int = 10_000) -> Taken | Missed:
    around = Surroundings(fetch, no_secret, {}, tmp_path, tmp_path)
    return PrometheusQueries(PrometheusSource(prometheus.url, query), around).read(limit_ms)


def test_what_prometheus_answers_is_told_with_its_state(prometheus: Prometheus, tmp_path: Path) -> None:
    prometheus.wait_for('queue{slot="green"}')
    prometheus.wait_for('queue{slot="blue"}')
    found = asked(prometheus, 'queue{slot="green"}', tmp_path)
    assert isinstance(found, Taken)
    assert (found.numbers, abs((found.sampled_ms or 0) - time.time() * 1000) < 60_000) == (("12.5",), True)
    scalar = asked(prometheus, "scalar(sum(queue))", tmp_path)
    assert isinstance(scalar, Taken)
    assert scalar.numbers == ("25",)
    cases = {
        "queue": (MeasuredState.INVALID, "the query found 2 series; aggregate them, for example with sum()"),
        'queue{slot="red"}': (MeasuredState.EMPTY, "the query found no series"),
        "queue[1m]": (MeasuredState.INVALID, "the query answers a matrix, not a single number"),
    }
    for query, (state, why) in cases.items():
        assert asked(prometheus, query, tmp_path) == Missed(state, why)
    wrong = asked(prometheus, "sum(queue", tmp_path)
    assert isinstance(wrong, Missed)
    assert wrong.why.startswith("Prometheus refuses the query: invalid parameter")
    not_a_number = asked(prometheus, 'broken{slot="green"}', tmp_path)
    assert not_a_number == Taken(("NaN",), not_a_number.sampled_ms if isinstance(not_a_number, Taken) else 0)


def test_a_target_that_died_has_no_series_any_more(
    prometheus: Prometheus, exporters: list[Exporter], tmp_path: Path
) -> None:
    prometheus.wait_for('queue{slot="green"}')
    exporters[1].close()
    prometheus.wait_for('absent(queue{slot="green"})')
    assert asked(prometheus, 'queue{slot="green"}', tmp_path) == Missed(
        MeasuredState.EMPTY, "the query found no series"
    )
    with exporting() as replacement:
        exporters[1] = replacement[0]  # the fixture closes what stands there


def test_measuring_goes_on_through_a_restart_of_prometheus(
    prometheus: Prometheus, exporters: list[Exporter], tmp_path: Path
) -> None:
    """The same work and the same job as in a launch, with the counters of two versions."""
    prometheus.wait_for('payments_total{slot="green"}')
    source = PrometheusSource(
        prometheus.url,
        bad='sum(payments_total{slot="{slot}",result="declined"})',
        total='sum(payments_total{slot="{slot}"})',
    )
    metric = MetricDefinition(
        "declined", source, MetricKind.RATIO, every_ms=200, limit_ms=5_000, cumulative=True
    )
    versions = {Arm.CANDIDATE: {"slot": "green"}, Arm.STABLE: {"slot": "blue"}}
    environment = dict(os.environ)
    jobs = SubprocessJobs(tmp_path / "jobs", environment, ReferenceSecrets(environment, tmp_path))
    arguments = {"probes": to_json(probes((metric,), versions)), "directory": str(tmp_path)}
    jobs.start_job(JobSpec("m", "measure", arguments, 600_000))

    def found() -> list[Measurement]:
        progress = jobs.read_jobs(["m"])["m"].progress
        return list(read_measurements(progress).get("declined", ()))

    def newest(wanted: Callable[[Measurement], bool]) -> Measurement:
        ends_at = time.monotonic() + LIMIT_S
        while time.monotonic() < ends_at:
            if matching := [each for each in found() if wanted(each)]:
                return matching[-1]
            time.sleep(0.1)
        raise AssertionError(f"not among {found()[-4:]}")

    try:
        first = newest(lambda each: each.counts and each.arm is Arm.CANDIDATE)
        assert (first.bad, first.total) == (0, 100)
        prometheus.stop()
        down = newest(lambda each: each.state is MeasuredState.UNREACHABLE)  # it may refuse while it stops
        assert down.why
        series(exporters, 30, 400)
        prometheus.start()
        after = newest(lambda each: each.at_ms > down.at_ms and (each.bad, each.total) == (30, 430))
        assert after.arm is Arm.CANDIDATE
        stable = newest(lambda each: each.counts and each.arm is Arm.STABLE and each.total == 400)
        assert stable.bad == 0
    finally:
        jobs.stop_job("m")
        ends_at = time.monotonic() + LIMIT_S
        while jobs.read_jobs(["m"])["m"].phase is JobPhase.RUNNING and time.monotonic() < ends_at:
            time.sleep(0.05)
    assert jobs.read_jobs(["m"])["m"].phase is JobPhase.DONE
