"""Base backups and the archived log on a real PostgreSQL: taken, brought up to now, measured, broken."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.database import Bench, benches, marked, until
from tests.unit.engine.launches import a_plan
from tminus.adapters.postgres.standing import check_archiving
from tminus.adapters.postgres.stored import PostgresBackups
from tminus.cli.launch import enter_plan
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.plan.database import Backups, Database
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.problem import ProblemError
from tminus.ports.fault import Refused
from tminus.testing import postgres
from tminus.testing.postgres import Postgres
from tminus.wiring import Home, open_home

RPO = Database(parse_secret_ref("env:SHOP"), backups=Backups(rpo_ms=60_000))

pytestmark = [pytest.mark.integration, pytest.mark.req("R16")]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def bench(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    scratch = Path(f"{server.directory}-{tmp_path.name[-8:]}")
    scratch.mkdir(mode=0o755)
    monkeypatch.setenv("TMPDIR", str(scratch))
    for made in benches(server, tmp_path):
        yield made
        assert list(scratch.iterdir()) == []
    shutil.rmtree(scratch)


def result_of(reading: JobReading) -> dict[str, Any]:
    assert reading.phase is JobPhase.DONE, reading.why
    assert isinstance(reading.result, dict)
    return reading.result


def take_base(bench: Bench, key: str = "base") -> Path:
    found = result_of(bench.run(key, "backup", {"directory": str(bench.backups), "method": "base"}))
    return Path(found["path"])


def restore(bench: Bench, base: Path, key: str = "restore", *, archive: bool = False) -> JobReading:
    more = {"archive": str(bench.backups)} if archive else {}
    return bench.run(key, "restore-test", {"path": str(base), **more})


def start_archive(bench: Bench, key: str = "archive") -> None:
    bench.start(key, "archive", {"directory": str(bench.backups), "beat_ms": 200})
    until(lambda: progress(bench, key).get("covered_ms") is not None)


def progress(bench: Bench, key: str = "archive") -> dict[str, Any]:
    found = bench.reading(key).progress
    return found if isinstance(found, dict) else {}


def stop_archive(bench: Bench, key: str = "archive") -> None:
    bench.jobs.stop_job(key)
    bench.end(key)


def rows(found: dict[str, Any]) -> dict[str, int]:
    return {table["table"]: table["rows"] for table in found["tables"]}


def test_a_base_backup_comes_back_as_it_was_counted(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE t (v int)",
        "INSERT INTO t SELECT generate_series(1, 1000)",
        "CREATE UNLOGGED TABLE u AS SELECT 1 AS v",
    )
    base = take_base(bench)
    found = result_of(restore(bench, base))
    assert (found["differences"], rows(found)) == ([], {"public.t": 1000})
    assert found["took_ms"] > 0
    assert bench.leaks() == []
    assert {path.stat().st_mode & 0o077 for path in (base, base.with_name(f"{base.name}.json"))} == {0}


def test_a_base_backup_is_brought_up_to_now_by_the_archived_log(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    start_archive(bench)
    base = take_base(bench)
    bench.execute(
        "INSERT INTO t SELECT generate_series(2, 5000)",
        "CREATE TABLE w AS SELECT 7 AS v",
        "SELECT pg_switch_wal()",
        "DELETE FROM t WHERE v <= 10",
    )
    found = result_of(restore(bench, base, archive=True))
    assert (found["differences"], rows(found)) == ([], {"public.t": 4990, "public.w": 1})
    stop_archive(bench)
    assert marked(bench.record("archive").mark) == []


def test_writers_do_not_make_a_restore_differ(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    start_archive(bench)
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(bench.url, autocommit=True) as connection:
            while not over.wait(0.01):
                connection.execute("INSERT INTO t VALUES (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        base = take_base(bench)
        found = result_of(restore(bench, base, archive=True))
    finally:
        over.set()
        writer.join()
    assert found["differences"] == []
    assert rows(found)["public.t"] > 0
    stop_archive(bench)


def test_a_file_that_was_altered_is_found_before_anything_is_restored(bench: Bench) -> None:
    bench.execute("CREATE TABLE t AS SELECT generate_series(1, 20000) AS v")
    base = take_base(bench)
    victim = max((base / "data" / "base").rglob("[0-9]*"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[9000:9010] = b"tampered!!"
    victim.write_bytes(content)
    reading = restore(bench, base)
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "backup-unreadable")
    assert "pg_verifybackup finds" in reading.why


def test_a_gap_in_the_log_is_told(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    start_archive(bench)
    base = take_base(bench)
    bench.execute("INSERT INTO t VALUES (1)", "SELECT pg_switch_wal()", "INSERT INTO t VALUES (2)")
    bench.execute("SELECT pg_switch_wal()", "INSERT INTO t VALUES (3)")
    (line,) = (bench.backups / "wal").iterdir()
    last = max(path.name for path in (base / "wal").iterdir())

    def beyond() -> list[Path]:
        return [path for path in line.glob("*[0-9A-F]") if path.name > last]

    until(lambda: beyond() != [])
    beyond()[0].unlink()
    reading = restore(bench, base, archive=True)
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "archive-broken")
    stop_archive(bench)


def test_the_archive_survives_its_receiver_its_runner_and_its_server(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    start_archive(bench)
    base = take_base(bench)
    (line,) = (bench.backups / "wal").iterdir()
    os.kill(bench.pid("archive"), signal.SIGKILL)
    until(lambda: marked(bench.record("archive").mark) == [])
    assert bench.reading("archive").phase is JobPhase.LOST
    bench.execute("INSERT INTO t VALUES (1)")
    start_archive(bench, "again")
    covered_ms = progress(bench, "again")["covered_ms"]
    bench.server.stop("immediate")
    until(lambda: progress(bench, "again")["why"] != "")
    bench.server.start(postgres.BRISK)
    until(lambda: progress(bench, "again")["covered_ms"] > covered_ms)
    assert list((bench.backups / "wal").iterdir()) == [line]
    bench.execute("INSERT INTO t VALUES (2)")
    assert rows(result_of(restore(bench, base, archive=True))) == {"public.t": 2}
    stop_archive(bench, "again")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_base_backup_that_is_cut_short_leaves_nothing_that_counts(bench: Bench, end: str) -> None:
    bench.execute("CREATE TABLE t AS SELECT generate_series(1, 200000) AS v")
    bench.start("base", "backup", {"directory": str(bench.backups), "method": "base"})
    until(lambda: list(bench.backups.glob(".tminus-*.base.tmp")) != [])
    if end == "stop":
        bench.jobs.stop_job("base")
    else:
        os.kill(bench.pid("base"), signal.SIGKILL)
        until(lambda: bench.processes("base") == [])
    assert bench.end("base").phase is not JobPhase.DONE
    assert list(bench.backups.glob("tminus-*")) == []
    base = take_base(bench, "next")
    assert sorted(path.name for path in bench.backups.iterdir() if path.name.endswith((".tmp", ".base"))) == [
        base.name
    ]


def test_a_role_that_may_not_replicate_is_told_so(bench: Bench) -> None:
    bench.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    try:
        url = bench.url.replace(f"postgres:{bench.server.password}", "plain:plain")
        with pytest.raises(Refused) as refusal:
            check_archiving(url)
        assert refusal.value.code == "replication-denied"
        assert "ALTER ROLE … REPLICATION" in refusal.value.why
        with pytest.raises(ProblemError) as refused:
            enter_plan(a_home(bench, url), a_plan(database=RPO), "sha256:plan", "ann")
        told = [each for each in refused.value.problems if each.code == "replication-denied"]
        assert [each.where for each in told] == ["launch.yaml: database.backups.rpo"]
        assert "plain" not in str(refused.value).replace("`plain`", "")
    finally:
        bench.execute("DROP ROLE plain")


def a_home(bench: Bench, url: str) -> Home:
    return open_home(bench.directory / "home", {**os.environ, "SHOP": url})


def test_a_server_that_allows_it_is_fine(bench: Bench) -> None:
    check_archiving(bench.url)


def test_log_and_backups_that_are_needed_no_more_are_removed_and_no_others(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    start_archive(bench)
    bases = [take_base(bench, f"base{number}") for number in range(2)]
    store = PostgresBackups()
    assert [Path(each.path) for each in store.list_backups(bench.backups)] == bases
    assert all(each.whole and each.unbroken for each in store.list_backups(bench.backups))
    store.remove_backup(bases[0])
    assert store.trim_log(bench.backups) > 0
    found = result_of(restore(bench, bases[1], archive=True))
    assert found["differences"] == []
    stop_archive(bench)
    shutil.rmtree(bench.backups / "wal")
    assert not any(each.unbroken for each in store.list_backups(bench.backups))
    assert result_of(restore(bench, bases[1], "own"))["differences"] == []
    (bench.backups / "tminus-20250101T000000.000Z.base").mkdir()
    with pytest.raises(Refused) as refusal:
        store.remove_backup(bench.backups / "tminus-20250101T000000.000Z.base")
    assert refusal.value.code == "backup-foreign"
