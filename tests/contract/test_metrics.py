"""Sources of metrics: the port's contract, over real servers, commands, files and this machine."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.contract.surroundings import SHELL, around
from tests.integration.liar import Answer, Liar, floods, garbles, lying, says
from tminus.adapters.command.metric import CommandMetric
from tminus.adapters.http.metric import JsonDocument
from tminus.adapters.machine.gauges import MachineGauge
from tminus.adapters.postgres.metric import DatabaseMetric
from tminus.adapters.prometheus.query import PrometheusQueries
from tminus.adapters.report.source import CriticalFindings
from tminus.domain.plan.metric import (
    CommandSource,
    HttpSource,
    MetricDefinition,
    MetricKind,
    MetricSource,
    PrometheusSource,
    ReportFormat,
    ReportSource,
    SqlSource,
    SystemGauge,
    SystemSource,
)
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.metrics import Source
from tminus.testing import postgres
from tminus.testing.contract.metrics import BAD, STATES, TOTAL, Harness, Scene, SourceContract, Stage, ask
from tminus.testing.memory_source import MemorySource
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R10", "R22")]

HTTP_SCENES = frozenset(Scene) - {Scene.SEVERAL}
VALUE = "12.5"


def metric(source: MetricSource, scene: Scene) -> MetricDefinition:
    kind = MetricKind.RATIO if scene in {Scene.RATIO, Scene.MORE_BAD_THAN_ALL} else MetricKind.GAUGE
    return MetricDefinition("m", source, kind, "%")


def closed_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def over_http(liar: Liar) -> dict[Scene, Answer]:
    """What is wrong in the same way whatever is asked for."""
    return {
        Scene.HANGS: liar.hang,
        Scene.DRIPS: liar.drip,
        Scene.GARBLED: garbles,
        Scene.HUGE: floods,
        Scene.WRONG_TYPE: says(b"<html>", kind="text/html"),
        Scene.DEEP: says(b"[" * 200_000),
        Scene.REDIRECTS: says({}, 302, Location="http://127.0.0.1:1/"),
        Scene.FORBIDDEN: says({}, 403),
        Scene.FAILS: says({}, 500),
    }


class DocumentHarness:
    scenes = HTTP_SCENES

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        now_s = time.time()
        documents: dict[Scene, Any] = {
            Scene.VALUE: {"n": 12.5},
            Scene.RATIO: {"bad": BAD, "total": TOTAL},
            Scene.MORE_BAD_THAN_ALL: {"bad": 9, "total": 4},
            Scene.EMPTY: {"other": 1},
            Scene.NAN: {"n": float("nan")},
            Scene.INFINITE: {"n": float("inf")},
            Scene.NEGATIVE: {"n": -4},
            Scene.NOT_A_NUMBER: {"n": "12"},
            Scene.STALE: {"n": 1, "at": now_s - 900},
            Scene.AHEAD: {"n": 1, "at": (now_s + 900) * 1_000},
        }
        with lying() as liar:
            liar.answer = over_http(liar).get(scene) or says(documents.get(scene, {}))
            ratio = scene in {Scene.RATIO, Scene.MORE_BAD_THAN_ALL}
            source = HttpSource(
                closed_url() if scene is Scene.DOWN else f"{liar.url}/stats?since=60",
                value=None if ratio else "/n",
                bad="/bad" if ratio else None,
                total="/total" if ratio else None,
                at="/at" if scene in {Scene.STALE, Scene.AHEAD} else None,
            )
            yield Stage(JsonDocument(source, around(self.directory)), metric(source, scene))


class TestJsonDocument(SourceContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return DocumentHarness(tmp_path)


def vector(*samples: list[Any]) -> dict[str, Any]:
    series = [{"metric": {"i": str(index)}, "value": each} for index, each in enumerate(samples)]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


class PrometheusHarness:
    scenes = frozenset(Scene)

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        now_s = round(time.time(), 3)
        answers: dict[Scene, Answer] = {
            Scene.VALUE: says(vector([now_s, VALUE])),
            Scene.EMPTY: says(vector()),
            Scene.NAN: says(vector([now_s, "NaN"])),
            Scene.INFINITE: says(vector([now_s, "+Inf"])),
            Scene.NEGATIVE: says(vector([now_s, "-1"])),
            Scene.SEVERAL: says(vector([now_s, "1"], [now_s, "2"])),
            Scene.NOT_A_NUMBER: says(vector([now_s, "a lot"])),
            Scene.STALE: says(vector([now_s - 900, "1"])),
            Scene.AHEAD: says(vector([now_s + 900, "1"])),
        }
        ratio = scene in {Scene.RATIO, Scene.MORE_BAD_THAN_ALL}

        def count(handler: BaseHTTPRequestHandler) -> None:
            bad, total = (9, 4) if scene is Scene.MORE_BAD_THAN_ALL else (BAD, TOTAL)
            says(vector([now_s, str(bad if "query=bad" in handler.path else total)]))(handler)

        with lying() as liar:
            liar.answer = over_http(liar).get(scene) or answers.get(scene, count)
            url = closed_url() if scene is Scene.DOWN else liar.url
            source = PrometheusSource(url, "", "bad", "total") if ratio else PrometheusSource(url, "up{}")
            yield Stage(PrometheusQueries(source, around(self.directory)), metric(source, scene))


class TestPrometheusQueries(SourceContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return PrometheusHarness(tmp_path)


class CommandHarness:
    scenes = frozenset(
        {
            Scene.VALUE,
            Scene.RATIO,
            Scene.DOWN,
            Scene.HANGS,
            Scene.DRIPS,
            Scene.EMPTY,
            Scene.NAN,
            Scene.INFINITE,
            Scene.NEGATIVE,
            Scene.MORE_BAD_THAN_ALL,
            Scene.NOT_A_NUMBER,
            Scene.GARBLED,
            Scene.HUGE,
            Scene.DEEP,
            Scene.FAILS,
        }
    )
    scripts: Mapping[Scene, str] = {
        Scene.VALUE: """echo '{"value": 12.5}'""",
        Scene.RATIO: f"""echo '{{"bad": {BAD}, "total": {TOTAL}}}'""",
        Scene.HANGS: "exec sleep 60",
        Scene.DRIPS: "while :; do printf x; sleep 0.1; done",
        Scene.EMPTY: "exit 0",
        Scene.NAN: """echo '{"value": NaN}'""",
        Scene.INFINITE: """echo '{"value": -Infinity}'""",
        Scene.NEGATIVE: """echo '{"value": -3}'""",
        Scene.MORE_BAD_THAN_ALL: """echo '{"bad": 9, "total": 4}'""",
        Scene.NOT_A_NUMBER: """echo '{"value": true}'""",
        Scene.GARBLED: "echo 12",
        Scene.HUGE: "head -c 300000 /dev/zero",
        Scene.DEEP: "head -c 60000 /dev/zero | tr '\\0' '['",
        Scene.FAILS: "echo no queue here >&2; exit 3",
    }

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        missing = ("no-such-program-anywhere",)
        script = self.scripts.get(scene, "")
        source = CommandSource(missing if scene is Scene.DOWN else ("sh", "-c", script))
        yield Stage(CommandMetric(source, around(self.directory)), metric(source, scene))


class TestCommandMetric(SourceContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return CommandHarness(tmp_path)


class MachineHarness:
    """Memory, told by files of a /proc of its own."""

    scenes = frozenset({Scene.VALUE, Scene.DOWN, Scene.GARBLED, Scene.NEGATIVE})
    texts: Mapping[Scene, str] = {
        Scene.VALUE: "MemTotal: 8000 kB\nMemAvailable: 7000 kB\n",
        Scene.NEGATIVE: "MemTotal: 8000 kB\nMemAvailable: 9000 kB\n",
        Scene.GARBLED: "MemTotal: lots\n",
    }

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        if scene in self.texts:
            (self.directory / "meminfo").write_text(self.texts[scene], encoding="ascii")
        source = SystemSource(SystemGauge.MEMORY)
        yield Stage(MachineGauge(source, around(self.directory), self.directory), metric(source, scene))


class TestMachineGauge(SourceContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return MachineHarness(tmp_path)

    @pytest.mark.parametrize("scene", [Scene.VALUE, Scene.DOWN, Scene.NEGATIVE, Scene.GARBLED])
    def test_a_scene_becomes_a_measurement_with_its_state(self, harness: Harness, scene: Scene) -> None:
        with harness.play(scene) as stage:
            found = ask(stage).found
        # Garbled files are a system that does not tell, and not a source that lies.
        expected = MeasuredState.UNREACHABLE if scene is Scene.GARBLED else next(iter(STATES[scene]))
        assert (found.state, bool(found.why)) == (expected, not found.counts)


class MemoryHarness:
    scenes = frozenset(Scene) - {Scene.DRIPS}

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        now_ms = time.time_ns() // 1_000_000
        taken = {
            Scene.VALUE: Taken((VALUE,)),
            Scene.RATIO: Taken((str(BAD), str(TOTAL))),
            Scene.NAN: Taken(("NaN",)),
            Scene.INFINITE: Taken(("Infinity",)),
            Scene.NEGATIVE: Taken(("-1",)),
            Scene.SEVERAL: Taken(("1", "2")),
            Scene.NOT_A_NUMBER: Taken(("many",)),
            Scene.MORE_BAD_THAN_ALL: Taken(("9", "4")),
            Scene.STALE: Taken((VALUE,), now_ms - 900_000),
            Scene.AHEAD: Taken((VALUE,), now_ms + 900_000),
        }
        answer = taken.get(scene) or Missed(next(iter(STATES[scene])), f"the scene is {scene.value}")
        yield Stage(MemorySource(lambda: answer), metric(SystemSource(SystemGauge.LOAD), scene))


class TestMemorySource(SourceContract):
    @pytest.fixture
    def harness(self) -> Harness:
        return MemoryHarness()


FOUND = {"ratings": [{"severity": "critical"}]}


class ReportHarness:
    """CycloneDX, in a file; its value is a number of findings, and no percentage."""

    scenes = frozenset({Scene.DOWN, Scene.EMPTY, Scene.GARBLED, Scene.HUGE, Scene.DEEP, Scene.WRONG_TYPE})

    def __init__(self, directory: Path) -> None:
        self.path = directory / "report.json"

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        report = {"bomFormat": "CycloneDX", "vulnerabilities": [FOUND]}
        contents: dict[Scene, bytes] = {
            Scene.VALUE: json.dumps(report).encode(),
            Scene.EMPTY: json.dumps({"bomFormat": "CycloneDX"}).encode(),
            Scene.GARBLED: b'{"bomFormat": "CycloneDX", "vulnerabilities": 3}',
            Scene.HUGE: b" " * (17 * 1024 * 1024),
            Scene.DEEP: b"[" * 200_000,
            Scene.WRONG_TYPE: b'<!DOCTYPE bom [<!ENTITY a "aaaa">]><bom>&a;</bom>',
        }
        if scene in contents:
            self.path.write_bytes(contents[scene])
        source = ReportSource(ReportFormat.CYCLONEDX, str(self.path))
        definition = MetricDefinition("m", source, MetricKind.COUNT)
        yield Stage(CriticalFindings(source, around(self.path.parent)), definition)


class TestCriticalFindings(SourceContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return ReportHarness(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


class QueryHarness:
    queries: Mapping[Scene, str] = {
        Scene.VALUE: "SELECT 12.5",
        Scene.RATIO: f"SELECT {BAD}, {TOTAL}",
        Scene.HANGS: "SELECT count(*) FROM pg_sleep(60)",
        Scene.EMPTY: "SELECT 1 WHERE false",
        Scene.NAN: "SELECT 'NaN'::float",
        Scene.INFINITE: "SELECT 'infinity'::numeric",
        Scene.NEGATIVE: "SELECT -1",
        Scene.SEVERAL: "SELECT * FROM generate_series(1, 3)",
        Scene.MORE_BAD_THAN_ALL: "SELECT 9, 4",
        Scene.NOT_A_NUMBER: "SELECT 'a lot'",
        Scene.FAILS: "SELECT no_such_column",
        Scene.DOWN: "SELECT 1",
    }
    scenes = frozenset(queries)

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory

    @contextmanager
    def play(self, scene: Scene) -> Iterator[Stage]:
        url = (
            f"postgresql://127.0.0.1:{closed_url().rpartition(':')[2]}/x" if scene is Scene.DOWN else self.url
        )
        source = SqlSource(self.queries[scene], SHELL)
        opened: Source = DatabaseMetric(source, around(self.directory, lambda _: url))
        try:
            yield Stage(opened, metric(source, scene))
        finally:
            opened.close()


class TestDatabaseMetric(SourceContract):
    @pytest.fixture
    def harness(self, server: Postgres, tmp_path: Path) -> Harness:
        return QueryHarness(server.url("postgres"), tmp_path)
