"""Migrations as jobs: what stops half-way leaves nothing, and nothing of it runs on."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import Bench, benches, psql, until
from tminus.domain.launch.reading import JobPhase
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R6")]

TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def bench(server: Postgres, tmp_path: Path) -> Iterator[Bench]:
    yield from benches(server, tmp_path)


def tables(bench: Bench) -> list[str]:
    with psycopg.connect(bench.url) as connection:
        return [name for (name,) in connection.execute(TABLES).fetchall()]


def lock_is_free(bench: Bench) -> bool:
    return bench.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_a_migration_reports_the_versions_around_it(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('1')"
    )
    bench.migrate("m", psql("UPDATE alembic_version SET version_num = '2'"))
    reading = bench.end("m")
    assert reading.phase is JobPhase.DONE
    assert isinstance(reading.result, dict)
    assert (reading.result["before"], reading.result["after"]) == ("1", "2")


def test_an_expand_that_fails_half_way_leaves_nothing_and_tells_its_last_line(bench: Bench) -> None:
    bench.migrate("m", psql("CREATE TABLE half ()", "ALTER TABLE nowhere ADD v int"))
    reading = bench.end("m")
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "migration-failed")
    assert reading.why.startswith("the migration was not done; the command ended with 1: ")
    assert 'relation "nowhere" does not exist' in reading.why
    assert tables(bench) == []


def test_a_migration_that_waits_for_a_lock_gives_up_and_lets_traffic_pass(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    answered: list[tuple[int, ...]] = []

    def visit() -> None:
        with psycopg.connect(bench.url) as visitor:
            answered.extend(visitor.execute("SELECT v FROM t").fetchall())

    with psycopg.connect(bench.url) as reader:
        reader.execute("SELECT * FROM t")  # a transaction that stays open holds its lock on the table
        bench.migrate("m", psql("ALTER TABLE t ADD w int"), lock_timeout_ms=700)
        until(lambda: bench.running("ALTER TABLE t") == 1)
        visitor = threading.Thread(target=visit)
        visitor.start()
        reading = bench.end("m")
        visitor.join(20)
        assert answered == [(1,)]
    assert reading.code == "migration-failed"
    assert "canceling statement due to lock timeout" in reading.why


def test_two_migrations_do_not_run_at_the_same_time(bench: Bench) -> None:
    bench.migrate("first", psql("SELECT pg_sleep(600)"))
    until(lambda: bench.running("pg_sleep") == 1)
    bench.migrate("second", psql("CREATE TABLE second ()"))
    reading = bench.end("second")
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "migration-running")
    assert "somebody else holds the migration lock of this database (server process " in reading.why
    bench.jobs.stop_job("first")
    assert bench.end("first").code == "migration-stopped"
    assert lock_is_free(bench)


def test_a_migration_whose_job_is_killed_does_not_go_on(bench: Bench) -> None:
    command = psql("CREATE TABLE half ()", "SELECT pg_sleep(600)")
    command[2] = "setsid sleep 600 & " + command[2]  # a child that left the group
    bench.migrate("m", command)
    until(lambda: bench.running("pg_sleep") == 1)
    os.kill(bench.pid("m"), signal.SIGKILL)
    until(lambda: bench.processes("m") == [])
    until(lambda: bench.running("pg_sleep") == 0)
    assert bench.reading("m").phase is JobPhase.LOST
    until(lambda: lock_is_free(bench))
    assert tables(bench) == []
    bench.migrate("next", psql("CREATE TABLE whole ()"))
    assert bench.end("next").phase is JobPhase.DONE
    assert tables(bench) == ["whole"]


def test_a_statement_that_outlived_its_client_is_ended_before_the_next_migration(bench: Bench) -> None:
    with psycopg.connect(bench.url, application_name="tminus-migration", autocommit=True) as left:
        sleeping = threading.Thread(target=lambda: _sleep(left))
        sleeping.start()
        until(lambda: bench.running("pg_sleep") == 1)
        bench.migrate("m", psql("CREATE TABLE next ()"))
        assert bench.end("m").phase is JobPhase.DONE
        sleeping.join(20)
        assert not sleeping.is_alive()


def _sleep(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.execute("SELECT pg_sleep(600)")


def test_a_migration_past_its_deadline_is_killed_with_its_statement(bench: Bench) -> None:
    bench.migrate("m", psql("CREATE TABLE half ()", "SELECT pg_sleep(600)"), deadline_ms=3_000)
    reading = bench.end("m")
    assert reading.code == "migration-deadline"
    assert "the command was not done within 3000 ms and was killed" in reading.why
    assert bench.running("pg_sleep") == 0
    assert tables(bench) == []


def test_a_migration_that_loses_its_lock_is_stopped(bench: Bench, tmp_path: Path) -> None:
    began = tmp_path / "began"
    bench.migrate("m", ["sh", "-c", f"touch {began}; exec sleep 600"])
    until(began.exists)
    advisory = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    until(lambda: bench.query(advisory) == [(True,)])
    reading = bench.end("m")
    assert reading.code == "migration-failed"
    assert "the session that held the migration lock ended, so the command was stopped" in reading.why


def test_a_server_that_stops_in_the_middle_fails_the_migration(bench: Bench) -> None:
    bench.migrate("m", psql("CREATE TABLE half ()", "SELECT pg_sleep(600)"))
    until(lambda: bench.running("pg_sleep") == 1)
    bench.server.stop("immediate")
    assert bench.end("m").code == "migration-failed"
    assert bench.leaks() == []
    bench.server.start(postgres.BRISK)
    assert tables(bench) == []


def test_a_command_that_prints_its_environment_leaks_no_secret(bench: Bench) -> None:
    bench.migrate("m", ["sh", "-c", "env; echo ${DATABASE_URL#*postgres:} >&2; exit 3"])
    reading = bench.end("m")
    assert reading.code == "migration-failed"
    assert "DATABASE_URL=[secret]" in bench.log("m", "migrate.log")
    assert bench.server.password not in reading.why
    assert bench.leaks() == []


def test_a_wrong_password_is_told_without_the_password(bench: Bench, tmp_path: Path) -> None:
    wrong = bench.url.replace(bench.server.password, "hunter2-is-wrong")
    other = Bench(bench.server, wrong, tmp_path / "other")
    other.migrate("m", ["true"])
    reading = other.end("m")
    other.close()
    assert reading.code == "database-unreachable"
    files = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    assert "hunter2" not in reading.why
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


def test_a_command_sees_the_artifact_and_the_settings(bench: Bench) -> None:
    script = 'pwd; echo "$PGAPPNAME $PGOPTIONS $COLOUR $PYTHONDONTWRITEBYTECODE"'
    bench.migrate("m", ["sh", "-c", script], environment={"COLOUR": "red"}, lock_timeout_ms=400)
    assert bench.end("m").phase is JobPhase.DONE
    lines = bench.log("m", "migrate.log").splitlines()
    assert Path(lines[0]).name == "a" * 64
    assert lines[1] == "tminus-migration -c lock_timeout=400 -c client_connection_check_interval=1000 red 1"
