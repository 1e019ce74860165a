"""Who waits for whom: a launch's backup for a scheduled one, a migration for a backup; and what is empty."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import Bench, benches, psql, until
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R5", "R16")]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def bench(server: Postgres, tmp_path: Path) -> Iterator[Bench]:
    yield from benches(server, tmp_path)


def wanted(bench: Bench, **more: Json) -> dict[str, Json]:
    return {"directory": str(bench.backups), **more}


def test_a_backup_waits_for_another_one_to_end(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    with closing(psycopg.connect(bench.url)) as blocker:
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        bench.start("scheduled", "backup", wanted(bench))
        until(lambda: bench.running("LOCK TABLE public.t") == 1)
        bench.start("launch", "backup", wanted(bench, wait_ms=60_000))
        until(lambda: bench.record("launch").has("pid.json"))
    assert [bench.end(key).phase for key in ("scheduled", "launch")] == [JobPhase.DONE] * 2


def test_a_backup_that_waits_can_be_told_to_stop(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    with closing(psycopg.connect(bench.url)) as blocker:
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        bench.start("scheduled", "backup", wanted(bench))
        until(lambda: bench.running("LOCK TABLE public.t") == 1)
        bench.start("launch", "backup", wanted(bench, wait_ms=60_000))
        bench.jobs.stop_job("launch")
        assert bench.end("launch").code in ("database-stopped", "job-stopped")


def test_a_migration_waits_for_a_backup_that_holds_every_table(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "CREATE TABLE u (v int)")
    with closing(psycopg.connect(bench.url)) as blocker:
        # pg_dump holds t by then and waits for u: without a wait the migration's own limit would end it.
        blocker.execute("LOCK TABLE u IN ACCESS EXCLUSIVE MODE")
        bench.start("backup", "backup", wanted(bench))
        until(lambda: bench.running("LOCK TABLE public.t") + bench.running("LOCK TABLE public.u") > 0)
        bench.migrate("m", psql("ALTER TABLE t ADD w int"), lock_timeout_ms=200)
        asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_catalog.pg_try_adv%'"
        until(lambda: bench.query(asked) == [(1,)])
        assert bench.reading("m").phase is JobPhase.RUNNING
    assert [bench.end(key).phase for key in ("backup", "m")] == [JobPhase.DONE] * 2


@pytest.mark.parametrize("state", ["absent", "empty"])
def test_nothing_is_taken_of_a_database_that_holds_nothing_where_that_may_be(
    bench: Bench, state: str
) -> None:
    if state == "absent":
        bench.server.drop_database(bench.url.rpartition("/")[2])
    reading = bench.run("backup", "backup", wanted(bench, unless_empty=True))
    assert reading.phase is JobPhase.DONE, reading.why
    assert isinstance(reading.result, dict)
    assert (reading.result["path"], reading.result["tables"]) == ("", 0)
    assert not bench.backups.exists()


def test_a_database_that_holds_a_table_is_backed_up(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    reading = bench.run("backup", "backup", wanted(bench, unless_empty=True))
    assert isinstance(reading.result, dict)
    assert Path(str(reading.result["path"])).exists()


def test_a_server_that_is_down_is_not_an_empty_one(bench: Bench) -> None:
    bench.server.stop("immediate")
    reading = bench.run("backup", "backup", wanted(bench, unless_empty=True))
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "database-unreachable")
