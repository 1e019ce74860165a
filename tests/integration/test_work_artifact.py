"""An artifact that is started alone, asked and stopped, as a job."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.database import marked, until
from tests.integration.test_work_command import Bench
from tminus.adapters.jobs.identity import kill_marked
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase

pytestmark = [pytest.mark.integration, pytest.mark.req("R4")]

SERVER = """\
import http.server, os, subprocess, sys
subprocess.Popen(["sleep", "600"], start_new_session=True)
print("token", os.environ.get("TOKEN"), flush=True)
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ["TMINUS_SLOT"] + os.environ["PORT"]).encode()
        self.send_response(200 if self.path != "/broken" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


def arguments(path: str = "/", *command: str, boot_ms: int = 30_000) -> dict[str, Json]:
    request: Json = {"name": f"GET {path}", "method": "GET", "path": path}
    return {
        "command": list(command or ("python3", "-c", SERVER, "{port}")),
        "environment": {"TMINUS_SLOT": "none"},
        "health_path": "/healthz",
        "boot_deadline_ms": boot_ms,
        "requests": [request],
    }


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    kill_marked(bench.record.mark)


def instance_log(bench: Bench) -> str:
    return (bench.record.directory / "instance.log").read_text(encoding="utf-8")


def test_an_artifact_that_works_passes_and_nothing_of_it_stays(bench: Bench) -> None:
    reading = bench.run("artifact-smoke", arguments())
    assert reading.phase is JobPhase.DONE, reading.why
    result = cast("dict[str, Any]", reading.result)
    assert (result["passed"], [answer["name"] for answer in result["targets"][0]["answers"]]) == (
        True,
        ["GET /"],
    )
    assert result["boot_ms"] >= 0
    assert marked(bench.record.mark) == []
    assert instance_log(bench) == "token [secret]\n"


def test_an_artifact_that_answers_badly_has_not_passed(bench: Bench) -> None:
    result = cast("dict[str, Any]", bench.run("artifact-smoke", arguments("/broken")).result)
    assert result["passed"] is False
    assert result["targets"][0]["answers"][0]["status"] == 503
    assert marked(bench.record.mark) == []


def test_an_artifact_that_ends_tells_its_last_words(bench: Bench) -> None:
    reading = bench.run("artifact-smoke", arguments("/", "sh", "-c", "echo no $TOKEN; exit 7"))
    assert reading.code == "artifact-not-up"
    assert "it ended with 7; no [secret];" in reading.why


def test_an_artifact_that_is_never_healthy_is_given_up_and_stopped(bench: Bench) -> None:
    reading = bench.run("artifact-smoke", arguments("/", "sh", "-c", "trap '' TERM; sleep 600", boot_ms=300))
    assert (reading.code, "/healthz did not answer 200 within 300 ms" in reading.why) == (
        "artifact-not-up",
        True,
    )
    assert marked(bench.record.mark) == []


def test_an_artifact_that_is_told_to_stop_while_it_boots_stops(bench: Bench) -> None:
    bench.start("artifact-smoke", arguments("/", "sh", "-c", "echo on; sleep 600"))
    until((bench.record.directory / "instance.log").exists)
    bench.jobs.stop_job("k")
    until(lambda: bench.jobs.read_jobs(["k"])["k"].phase is not JobPhase.RUNNING)
    assert bench.jobs.read_jobs(["k"])["k"].code == "smoke-stopped"
    assert marked(bench.record.mark) == []


def test_nothing_of_an_artifact_outlives_its_job(bench: Bench) -> None:
    bench.start("artifact-smoke", arguments("/", "sh", "-c", "setsid sleep 600 & echo on; sleep 600"))
    until((bench.record.directory / "instance.log").exists)
    identity = bench.record.identity()
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: marked(bench.record.mark) == [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"command": []}, "bad-arguments"),
        ({"artifact": "sha256:../.."}, "bad-arguments"),
        ({"boot_deadline_ms": "soon"}, "bad-arguments"),
        ({"artifact": "sha256:" + "0" * 64}, "artifact-missing"),
        ({"requests": []}, "no-requests"),
        ({"command": ["no-such-program"]}, "artifact-not-up"),
    ],
)
def test_what_cannot_be_smoked_is_refused(bench: Bench, changes: dict[str, Json], code: str) -> None:
    assert bench.run("artifact-smoke", {**arguments(), **changes}).code == code
