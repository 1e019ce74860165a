"""The loss meter and the smoke suite as jobs, against servers that misbehave on purpose."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.scripted import OK, Visitor, answering, serving
from tminus.adapters.http.meter import meter
from tminus.adapters.http.smoke import smoke
from tminus.adapters.jobs.identity import kill_marked
from tminus.adapters.jobs.record import JobRecord, record_of
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.problem import ProblemError
from tminus.domain.report.loss import MeterReading, loss_of, read_meter
from tminus.ports.jobs import JobSpec

pytestmark = pytest.mark.integration

LIMIT_S = 20.0


def run_meter(url: str, directory: Path, **more: Json) -> MeterReading:
    arguments: dict[str, Json] = {"url": url, "path": "/", "rate_per_s": 100, "for_ms": 600, **more}
    return read_meter(meter(arguments, directory, threading.Event()))


def until(look: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[SubprocessJobs]:
    environment = {**os.environ, "API_TOKEN": "hunter2"}
    yield SubprocessJobs(tmp_path / "jobs", environment, ReferenceSecrets(environment, tmp_path))
    for directory in (tmp_path / "jobs").glob("*/"):
        kill_marked(JobRecord(directory).mark)


def end_of(jobs: SubprocessJobs, key: str) -> JobReading:
    until(lambda: jobs.read_jobs([key])[key].phase is not JobPhase.RUNNING)
    return jobs.read_jobs([key])[key]


def test_a_calm_service_loses_nothing_on_any_lane(tmp_path: Path) -> None:
    with serving(answering()) as server:
        reading = run_meter(server.url, tmp_path, post_path="/pay")
    assert set(reading.lanes) == {"kept", "new", "post"}
    for lane in reading.lanes.values():
        assert lane.sent == lane.answered > 0
    # One kept connection for each of two lanes, and one for each request of the third.
    assert server.connections == 2 + reading.lanes["new"].sent
    assert loss_of([reading], None).text().startswith(f"0 of {reading.total.sent} lost, p99 ")


def test_every_number_is_sent_once_and_posts_carry_a_key_of_their_own(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def script(visitor: Visitor, _number: int) -> None:
        while request := visitor.request():
            seen.append(request)
            visitor.say(OK)

    with serving(script) as server:
        reading = run_meter(server.url, tmp_path, post_path="/pay", post_body='{"amount": 1}')
    lines = [request.split(b"\r\n") for request in seen]
    numbers = [
        int(line.split(b": ")[1]) for head in lines for line in head if line.startswith(b"X-Tminus-Meter")
    ]
    assert sorted(numbers) == list(range(1, reading.total.sent + 1))
    keys = [line for head in lines for line in head if line.startswith(b"Idempotency-Key")]
    assert len(keys) == len(set(keys)) == reading.lanes["post"].sent
    assert all(request.endswith(b'\r\n\r\n{"amount": 1}') for request in seen if request.startswith(b"POST"))


def test_a_gap_in_the_service_is_counted_to_the_request(tmp_path: Path) -> None:
    dropped: list[int] = []
    count = threading.Lock()
    served = 0

    def script(visitor: Visitor, _number: int) -> None:
        nonlocal served
        while visitor.request():
            with count:
                served += 1
                if 10 <= served < 15:
                    dropped.append(served)
                    return
            visitor.say(OK)

    with serving(script) as server:
        reading = run_meter(server.url, tmp_path, post_path="/pay")
    assert reading.total.lost == len(dropped) == 5
    assert reading.total.answered == reading.total.sent - 5
    assert {failure.why for failure in reading.failures} == {
        "the connection was closed before the answer was complete"
    }
    assert (
        loss_of([reading], None, 0)
        .text()
        .startswith(f"5 of {reading.total.sent} lost (5 no answer), 0 replayed")
    )


def test_a_slow_answer_skips_what_falls_due_meanwhile(tmp_path: Path) -> None:
    def script(visitor: Visitor, _number: int) -> None:
        while visitor.request():
            threading.Event().wait(0.2)
            visitor.say(OK)

    with serving(script) as server:
        reading = run_meter(server.url, tmp_path)
    assert reading.total.not_served == 0
    assert reading.skipped > 10
    assert reading.total.sent < 20


def test_a_hanging_request_is_unfinished_when_the_meter_is_told_to_stop(tmp_path: Path) -> None:
    def script(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.request()

    with serving(script) as server:
        reading = run_meter(server.url, tmp_path, for_ms=100)
    assert (reading.total.sent, reading.total.unfinished) == (2, 2)
    assert loss_of([reading], None).text() == "loss unknown: no request was measured"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (None, "url is missing"),
        ({"url": "http://h", "path": "/"}, "rate_per_s is missing"),
        ({"url": "h", "path": "/", "rate_per_s": 1}, "'h' is no http or https URL with a host"),
        ({"url": "http://h", "path": "/", "rate_per_s": 201}, "rate_per_s is 201, it must lie in 1..200"),
        (
            {"url": "http://h", "path": "/a b", "rate_per_s": 1},
            "a method, path or header spans lines, or the path is not percent-encoded",
        ),
    ],
)
def test_arguments_that_cannot_be_used_are_told(tmp_path: Path, arguments: Json, why: str) -> None:
    with pytest.raises(ProblemError) as error:
        meter(arguments, tmp_path, threading.Event())
    assert (error.value.problems[0].code, error.value.problems[0].why) == ("bad-arguments", why)


def test_the_meters_job_ends_with_its_reading_when_it_is_stopped(
    jobs: SubprocessJobs, tmp_path: Path
) -> None:
    with serving(answering()) as server:
        jobs.start_job(JobSpec("m", "meter", {"url": server.url, "path": "/", "rate_per_s": 50}, 60_000))
        until(lambda: server.connections > 3)
        jobs.stop_job("m")
        reading = end_of(jobs, "m")
    assert reading.phase is JobPhase.DONE
    total = read_meter(reading.result).total
    assert total.sent == total.answered > 0


def test_what_a_killed_meter_saw_is_not_forgotten(jobs: SubprocessJobs, tmp_path: Path) -> None:
    record = record_of(tmp_path / "jobs", "m")
    with serving(answering()) as server:
        jobs.start_job(JobSpec("m", "meter", {"url": server.url, "path": "/", "rate_per_s": 50}, 60_000))
        until(lambda: read_meter(dict(record.read("progress.json") or EMPTY)).total.answered > 5)
        kill_marked(record.mark)
        reading = end_of(jobs, "m")
    assert reading.phase is JobPhase.LOST
    assert read_meter(reading.result).total.answered > 5


EMPTY: dict[str, Json] = {
    "started_ms": 0,
    "ended_ms": 0,
    "total": {},
}


def test_the_smoke_job_uses_a_secret_and_shows_it_nowhere(jobs: SubprocessJobs, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def script(visitor: Visitor, _number: int) -> None:
        seen.append(visitor.request())
        body = b'{"echo": "hunter2"}'
        visitor.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    arguments: dict[str, Json] = {
        "requests": [
            {
                "name": "who",
                "method": "GET",
                "path": "/",
                "headers": [["Authorization", "Bearer {token}"]],
                "expect_json": [["/echo", '"nobody!"']],
            }
        ],
        "secrets": {"token": "env:API_TOKEN"},
        "headers": {"X-Smoke": "1"},
    }
    with serving(script) as server:
        jobs.start_job(JobSpec("s", "smoke", {**arguments, "targets": [server.url]}, 60_000))
        reading = end_of(jobs, "s")
    assert reading.phase is JobPhase.DONE
    assert b"Authorization: Bearer hunter2\r\n" in seen[0]
    assert b"X-Smoke: 1\r\n" in seen[0]
    assert isinstance(reading.result, dict)
    assert reading.result["passed"] is False
    assert "hunter2" not in json.dumps(reading.result)
    files = [path for path in (tmp_path / "jobs").rglob("*") if path.is_file()]
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("requests", "targets", "code"),
    [
        ([], ["http://127.0.0.1:1"], "no-requests"),
        ([{"name": "a", "method": "GET", "path": "/"}], [], "no-targets"),
        ([{"name": "a", "method": "GET"}], ["http://127.0.0.1:1"], "bad-arguments"),
        ([{"name": "a", "method": "GET", "path": "/"}], ["127.0.0.1:1"], "bad-arguments"),
    ],
)
def test_a_suite_that_tests_nothing_is_no_pass(
    tmp_path: Path, requests: list[Json], targets: list[Json], code: str
) -> None:
    with pytest.raises(ProblemError) as error:
        smoke({"requests": requests, "targets": targets}, tmp_path, threading.Event())
    assert error.value.problems[0].code == code


def test_redirects_are_answers_and_are_not_followed(tmp_path: Path) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    requests: list[Json] = [{"name": "a", "method": "GET", "path": "/"}]
    with serving(answering(moved)) as server:
        result = smoke({"requests": requests, "targets": [server.url]}, tmp_path, threading.Event())
        assert server.connections == 1
    assert isinstance(result, dict)
    assert isinstance(result["targets"], list)
    target = result["targets"][0]
    assert isinstance(target, dict)
    assert isinstance(target["answers"], list)
    assert target["answers"][0] == {
        "name": "a",
        "passed": False,
        "duration_ms": target["answers"][0]["duration_ms"],  # type: ignore[index, call-overload]  # shape as above
        "status": 302,
        "why": "status 302, expected 200",
    }


def test_a_failed_suite_gets_as_many_attempts_as_it_was_given(tmp_path: Path) -> None:
    def script(visitor: Visitor, number: int) -> None:
        visitor.request()
        status = b"200 OK" if number >= 3 else b"503 Not yet"
        visitor.say(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)

    requests: list[Json] = [{"name": "a", "method": "GET", "path": "/"}]
    with serving(script) as server:
        arguments: Json = {"requests": requests, "targets": [server.url], "attempts": 3}
        result = smoke(arguments, tmp_path, threading.Event())
    assert isinstance(result, dict)
    assert isinstance(result["targets"], list)
    assert isinstance(result["targets"][0], dict)
    assert (result["passed"], result["targets"][0]["attempts"]) == (True, 3)
