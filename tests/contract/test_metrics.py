"""Sources of metrics: the port's contract, over real servers, commands, files and this machine."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.integration.liar import Answer, Liar, floods, garbles, lying, says
from tminus.adapters.command.metric import CommandMetric
from tminus.adapters.http.fetch import fetch
from tminus.adapters.http.metric import JsonDocument
from tminus.adapters.machine.gauges import MachineGauge
from tminus.adapters.postgres.metric import DatabaseMetric
from tminus.adapters.prometheus.query import PrometheusQueries
from tminus.adapters.report.source import CriticalFindings
from tminus.domain.plan.metric import (
    CommandSource,
    Headers,
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
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.fault import Refused
from tminus.ports.metrics import Source, Surroundings
from tminus.testing import postgres
from tminus.testing.contract.metrics import BAD, STATES, TOTAL, Harness, Scene, SourceContract, Stage, ask
from tminus.testing.memory_source import MemorySource
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R10", "R22")]

SHELL = SecretRef(SecretSource.ENV, "TOKEN")
HTTP_SCENES = frozenset(Scene) - {Scene.SEVERAL}
VALUE = "12.5"


def no_secret(ref: SecretRef) -> str:
    raise Refused("secret-missing", f"{ref.text()} has no value")


def around(tmp_path: Path, secret: Callable[[SecretRef], str] = no_secret) -> Surroundings:
    return Surroundings(fetch, secret, {"PATH": os.defpath}, tmp_path, tmp_path)


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


def test_a_token_and_secret_headers_are_sent_and_a_missing_secret_is_refused(tmp_path: Path) -> None:
    other = SecretRef(SecretSource.FILE, "tenant")
    headers = Headers((("X-Plain", "yes"),), (("X-Tenant", other),), SHELL)
    with lying(says({"n": 1})) as liar:
        source = HttpSource(liar.url, "/n", headers=headers)
        JsonDocument(source, around(tmp_path, lambda ref: f"value of {ref.text()}")).read(1_000)
        [sent] = liar.headers
        with pytest.raises(Refused, match=r"env:TOKEN has no value|file:tenant has no value"):
            JsonDocument(source, around(tmp_path))
    assert (sent["X-Plain"], sent["X-Tenant"], sent["Authorization"]) == (
        "yes",
        "value of file:tenant",
        "Bearer value of env:TOKEN",
    )


def test_a_command_sees_only_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SECRET", "hunter2")
    script = (
        """[ -z "$OTHER_SECRET" ] && [ "$TOKEN$MODE" = s3cret-fast ] && pwd >place && echo '{"value": 1}'"""
    )
    source = CommandSource(("sh", "-c", script), (("MODE", "-fast"),), (("TOKEN", SHELL),))
    found = CommandMetric(source, around(tmp_path, lambda _: "s3cret")).read(5_000)
    assert found == Taken(("1",))
    assert (tmp_path / "place").read_text(encoding="utf-8").strip() == str(tmp_path)


def test_what_a_command_says_of_its_failure_is_told_without_secrets(tmp_path: Path) -> None:
    source = CommandSource(("sh", "-c", 'echo "no: $TOKEN" >&2; exit 4'), secrets=(("TOKEN", SHELL),))
    found = CommandMetric(source, around(tmp_path, lambda _: "s3cret")).read(5_000)
    assert found == Missed(MeasuredState.INVALID, "it ended with 4: no: [secret]")


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    script = """sleep 60 & echo $! >child; echo '{"value": 1}'"""
    found = CommandMetric(CommandSource(("sh", "-c", f"{script}; exit")), around(tmp_path)).read(2_000)
    # Its output stays open in the child, so it has not ended in time; nothing of it may live on.
    assert found == Missed(MeasuredState.SLOW, "it did not end within 2000 ms")
    child = int((tmp_path / "child").read_text(encoding="ascii"))
    ends_at = time.monotonic() + 20
    while runs(child) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert not runs(child)


@pytest.mark.parametrize("gauge", [each for each in SystemGauge if each is not SystemGauge.SLOT_MEMORY])
def test_this_machine_tells_its_gauges(gauge: SystemGauge, tmp_path: Path) -> None:
    source = MachineGauge(SystemSource(gauge), around(tmp_path))
    first = source.read(1_000)
    ends_at = time.monotonic() + 10
    while isinstance(first, Missed) and time.monotonic() < ends_at:
        assert first.state is MeasuredState.EMPTY
        time.sleep(0.05)
        first = source.read(1_000)
    assert isinstance(first, Taken)
    [number] = first.numbers
    assert 0 <= Decimal(number) <= (100 if gauge is not SystemGauge.LOAD else 100_000)
