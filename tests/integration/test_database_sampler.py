"""The sampler and the integrity queries as jobs, while the database comes and goes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.database import Bench, benches, until
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = pytest.mark.integration

BACKEND = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tminus' AND query LIKE '%tallies%'"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def bench(server: Postgres, tmp_path: Path) -> Iterator[Bench]:
    yield from benches(server, tmp_path)


def question(name: str, sql: str, limit_ms: int = 2_000) -> Json:
    return {"name": name, "sql": sql, "every_ms": 100, "limit_ms": limit_ms}


def sample(bench: Bench, *questions: Json, database: bool = False) -> None:
    bench.start("s", "sampler", {"questions": list(questions), "database": database})


def progress(bench: Bench) -> dict[str, Any]:
    found = cast("dict[str, Any] | None", bench.reading("s").progress)
    return found or {"answers": {}, "faults": {}, "database": None}


def stopped(bench: Bench) -> dict[str, Any]:
    bench.jobs.stop_job("s")
    reading = bench.end("s")
    assert reading.phase is JobPhase.DONE, reading.why
    return cast("dict[str, Any]", reading.result)


def code(bench: Bench, name: str) -> str:
    return str(progress(bench)["faults"].get(name, {}).get("code", ""))


def test_answers_arrive_while_the_job_runs_and_again_as_its_result(bench: Bench) -> None:
    bench.execute("CREATE TABLE tallies (bad int, total int)", "INSERT INTO tallies VALUES (2, 40)")
    sample(bench, question("orders", "SELECT bad, total FROM tallies"), database=True)
    until(lambda: len(progress(bench)["answers"].get("orders", [])) > 2 and progress(bench)["database"])
    told = progress(bench)
    result = stopped(bench)
    assert result.keys() == told.keys() == {"answers", "faults", "database"}
    assert {tuple(point[1:]) for point in result["answers"]["orders"]} == {(2, 40)}
    times = [point[0] for point in result["answers"]["orders"]]
    assert times == sorted(set(times))
    assert result["faults"] == {}
    assert result["database"].keys() == {
        "at_ms",
        "connections_ppm",
        "latency_us",
        "replica_lag_ms",
        "waiting",
    }
    assert bench.leaks() == []


def test_only_the_newest_answers_are_kept(bench: Bench) -> None:
    fast: Json = {"name": "q", "sql": "SELECT 0, pg_backend_pid()", "every_ms": 1, "limit_ms": 2_000}
    sample(bench, fast)
    until(lambda: len(progress(bench)["answers"].get("q", [])) == 120)
    first = progress(bench)["answers"]["q"][0]
    until(lambda: progress(bench)["answers"]["q"][0] != first)
    assert len(stopped(bench)["answers"]["q"]) == 120


@pytest.mark.parametrize(
    ("sql", "limit_ms", "expected"),
    [
        ("SELECT NULL, 1", 2_000, "question-invalid"),
        ("SELECT 'NaN'::float8, 1", 2_000, "question-invalid"),
        ("SELECT -1, 1", 2_000, "question-invalid"),
        ("SELECT 5, 1", 2_000, "question-invalid"),
        ("SELECT * FROM nowhere", 2_000, "question-invalid"),
        ("SELECT 1, 1 FROM pg_sleep(600)", 100, "database-slow"),
    ],
)
def test_a_bad_question_is_in_a_fault_and_the_others_go_on(
    bench: Bench, sql: str, limit_ms: int, expected: str
) -> None:
    sample(bench, question("bad", sql, limit_ms), question("good", "SELECT 0, 1"))
    until(lambda: code(bench, "bad") == expected and bool(progress(bench)["answers"]["good"]))
    result = stopped(bench)
    assert result["answers"]["bad"] == []
    assert result["faults"].keys() == {"bad"}


def test_a_fault_ends_with_the_next_good_answer(bench: Bench) -> None:
    sample(bench, question("q", "SELECT bad, total FROM tallies"))
    until(lambda: code(bench, "q") == "question-invalid")
    bench.execute("CREATE TABLE tallies (bad int, total int)", "INSERT INTO tallies VALUES (0, 1)")
    until(lambda: bool(progress(bench)["answers"]["q"]) and code(bench, "q") == "")
    assert stopped(bench)["faults"] == {}


def test_the_sampler_outlives_a_server_that_stops_and_starts_again(bench: Bench) -> None:
    sample(bench, question("q", "SELECT 0, 1"), database=True)
    until(lambda: bool(progress(bench)["answers"].get("q")) and progress(bench)["database"])
    bench.server.stop("immediate")
    until(lambda: code(bench, "q") == "database-unreachable")
    until(lambda: code(bench, "@database") == "database-unreachable")
    down = progress(bench)
    assert down["database"] is None
    bench.server.start(postgres.BRISK)
    until(lambda: progress(bench)["faults"] == {})
    until(lambda: progress(bench)["answers"]["q"][-1][0] > down["faults"]["q"]["at_ms"])
    assert stopped(bench)["database"] is not None
    assert bench.leaks() == []


def test_a_session_that_hangs_is_left_for_another(bench: Bench) -> None:
    bench.execute("CREATE TABLE tallies (bad int, total int)", "INSERT INTO tallies VALUES (0, 1)")
    slowly = "SELECT bad, total FROM tallies, pg_sleep(0.2)"
    sample(bench, question("q", slowly, 1_000))
    until(lambda: bool(progress(bench)["answers"].get("q")))
    until(lambda: bool(bench.query(BACKEND)))
    pid = bench.query(BACKEND)[0][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: code(bench, "q") == "database-slow")
        until(lambda: code(bench, "q") == "")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert stopped(bench)["faults"] == {}


@pytest.mark.parametrize(
    ("questions", "why"),
    [
        ([question("q", "SELECT 0, 1")] * 2, "a question cannot be named 'q', or is named so twice"),
        ([question("größe", "SELECT 0, 1")], "a question cannot be named 'größe', or is named so twice"),
        (
            [{"name": "q", "sql": "", "every_ms": 0, "limit_ms": 1}],
            "question 'q': every_ms and limit_ms must be above 0",
        ),
    ],
)
def test_questions_that_cannot_be_kept_apart_are_refused(
    bench: Bench, questions: list[Json], why: str
) -> None:
    sample(bench, *questions)
    reading = bench.end("s")
    assert (reading.code, reading.why) == ("bad-arguments", f"the work's arguments cannot be used; {why}")


def check(name: str, sql: str, expect: str) -> Json:
    return {"name": name, "sql": sql, "expect": expect}


@pytest.mark.req("R7")
def test_integrity_passes_only_when_every_check_does(bench: Bench) -> None:
    good = [
        check("one", "SELECT 1", "1"),
        check("true", "SELECT true", "true"),
        check("t", "SELECT true", "t"),
    ]
    passed = bench.run("good", "integrity", {"checks": good})
    failed = bench.run("bad", "integrity", {"checks": [check("two", "SELECT 1", "2"), *good]})
    assert isinstance(passed.result, dict)
    assert isinstance(failed.result, dict)
    assert (passed.result["passed"], failed.result["passed"]) == (True, False)
    answers = cast("list[dict[str, Any]]", failed.result["answers"])
    assert [(answer["name"], answer["passed"], answer["why"]) for answer in answers] == [
        ("two", False, "expected '2', got '1'"),
        ("one", True, ""),
        ("true", True, ""),
        ("t", True, ""),
    ]
    assert all(answer["duration_ms"] >= 0 for answer in answers)


@pytest.mark.req("R7")
def test_no_integrity_check_is_no_pass(bench: Bench) -> None:
    assert bench.run("i", "integrity", {"checks": []}).code == "no-checks"


def test_integrity_without_a_server_fails_and_leaks_nothing(bench: Bench) -> None:
    bench.start("i", "integrity", {"checks": [check("slow", "SELECT 1 FROM pg_sleep(600)", "1")]})
    until(lambda: bench.running("pg_sleep") == 1)
    bench.server.stop("immediate")
    assert bench.end("i").code == "database-unreachable"
    assert (
        bench.run("j", "integrity", {"checks": [check("one", "SELECT 1", "1")]}).code
        == "database-unreachable"
    )
    assert bench.leaks() == []


def test_a_job_without_a_url_says_so(bench: Bench) -> None:
    reading = bench.run("i", "integrity", {"checks": [check("one", "SELECT 1", "1")], "secrets": {}})
    assert reading.code == "database-url-missing"


def test_a_url_that_cannot_be_read_is_not_repeated(bench: Bench, tmp_path: Path) -> None:
    other = Bench(bench.server, "mysql://shop:hunter2@localhost/shop", tmp_path / "other")
    reading = other.run("i", "integrity", {"checks": [check("one", "SELECT 1", "1")]})
    assert reading.code == "database-url-invalid"
    assert "hunter2" not in reading.why
    files = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []
