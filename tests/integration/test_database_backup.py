"""Backups and restore tests as jobs: proven ones, tampered ones, and those that something cut short."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import Bench, benches, until
from tminus.adapters.postgres.programs import find_program
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.ports.fault import Refused
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R5", "R16")]

GATE = "CREATE OR REPLACE FUNCTION gate(v int) RETURNS boolean LANGUAGE sql AS"
SHUT = f"{GATE} 'SELECT pg_sleep(600) IS NOT NULL'"
OPEN = f"{GATE} 'SELECT true'"
# The restore of such a table waits for ever once `gate` does, which is not what it did when rows came in.
GATED = (
    OPEN,
    "CREATE TABLE gated (v int CHECK (public.gate(v)))",
    "INSERT INTO gated VALUES (1)",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def bench(server: Postgres, tmp_path: Path) -> Iterator[Bench]:
    yield from benches(server, tmp_path)


def back_up(bench: Bench, key: str = "backup") -> Path:
    reading = bench.run(key, "backup", {"directory": str(bench.backups)})
    assert reading.phase is JobPhase.DONE, reading.why
    assert isinstance(reading.result, dict)
    return Path(str(reading.result["path"]))


def restore(bench: Bench, path: Path, key: str = "restore") -> JobReading:
    return bench.run(key, "restore-test", {"path": str(path)})


def differences(reading: JobReading) -> object:
    assert reading.phase is JobPhase.DONE, reading.why
    assert isinstance(reading.result, dict)
    assert reading.result["passed"] is (reading.result["differences"] == [])
    return reading.result["differences"]


def leftovers(bench: Bench) -> list[str]:
    return sorted(path.name for path in bench.backups.iterdir() if "dump" in path.name)


def test_a_backup_is_proven_and_readable_by_its_owner_only(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t SELECT generate_series(1, 1000)")
    path = back_up(bench)
    reading = restore(bench, path)
    assert differences(reading) == []
    assert isinstance(reading.result, dict)
    assert isinstance(reading.result["tables"], list)
    tables = [table for table in reading.result["tables"] if isinstance(table, dict)]
    assert [(table["table"], table["rows"]) for table in tables] == [("public.t", 1000)]
    assert {file.stat().st_mode & 0o077 for file in (path, path.with_name(f"{path.name}.json"))} == {0}
    assert bench.scratch() == []
    assert bench.leaks() == []


def test_a_backup_without_tables_proves_nothing(bench: Bench) -> None:
    assert differences(restore(bench, back_up(bench))) == ["the backup holds no table, so it proves nothing"]


def test_a_dump_that_was_exchanged_is_found_by_its_rows(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t VALUES (1), (2)", "CREATE TABLE u (v int)")
    path = back_up(bench)
    bench.execute("UPDATE t SET v = 3 WHERE v = 2", "INSERT INTO u VALUES (1)", "CREATE TABLE w (v int)")
    shutil.copyfile(back_up(bench, "later"), path)
    assert differences(restore(bench, path)) == [
        f"the file {path.name} is not the one that was written: its digest differs",
        "table public.t came back with 2 rows, some of them altered",
        "table public.u came back with 1 rows, the snapshot had 0",
        "table public.w came back, the snapshot did not have it",
    ]


def test_counts_that_were_altered_are_found(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    path = back_up(bench)
    beside = path.with_name(f"{path.name}.json")
    body = json.loads(beside.read_text(encoding="utf-8"))
    body["tables"][0]["rows"] = 2
    body["tables"].append({"table": "public.gone", "rows": 7, "checksum": "0"})
    beside.write_text(json.dumps(body), encoding="utf-8")
    assert differences(restore(bench, path)) == [
        "table public.gone did not come back, the snapshot had 7 rows in it",
        "table public.t came back with 1 rows, the snapshot had 2",
    ]


def test_a_damaged_dump_is_not_restored_and_leaves_no_database(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE t (v text)", "INSERT INTO t SELECT md5(n::text) FROM generate_series(1, 5000) n"
    )
    path = back_up(bench)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    reading = restore(bench, path)
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "restore-failed")
    assert "pg_restore ended with 1: pg_restore: error: " in reading.why
    assert bench.scratch() == []


def test_the_scratch_database_of_a_killed_test_is_removed_by_the_next_and_a_living_one_is_not(
    bench: Bench,
) -> None:
    bench.execute(*GATED)
    good = back_up(bench)
    bench.execute(SHUT)
    stuck = back_up(bench, "stuck")
    for key in ("killed", "living"):
        bench.start(key, "restore-test", {"path": str(stuck)})
    until(lambda: bench.running("COPY") == 2)
    killed, living = (bench.pid(key) for key in ("killed", "living"))
    os.kill(killed, signal.SIGKILL)
    until(lambda: bench.processes("killed") == [])
    until(lambda: bench.running("COPY") == 1)
    assert len(bench.scratch()) == 2
    assert differences(restore(bench, good)) == []
    (left,) = bench.scratch()
    assert f"_{living}_" in left
    bench.jobs.stop_job("living")
    assert bench.end("living").code == "database-stopped"
    assert bench.scratch() == []


def test_a_server_that_stops_in_the_middle_of_a_restore_is_unreachable(bench: Bench) -> None:
    bench.execute(*GATED, SHUT)
    path = back_up(bench)
    bench.start("restore", "restore-test", {"path": str(path)})
    until(lambda: bench.running("COPY") == 1)
    bench.server.stop("immediate")
    assert bench.end("restore").code == "database-unreachable"
    bench.server.start(postgres.BRISK)
    bench.execute(OPEN)
    assert differences(restore(bench, back_up(bench, "again"), "again-restore")) == []
    assert bench.scratch() == []
    assert bench.leaks() == []


@pytest.mark.parametrize("end", ["stop", "server", "kill"])
def test_a_backup_that_is_cut_short_leaves_nothing_half_written(bench: Bench, end: str) -> None:
    bench.execute("CREATE TABLE t (v int)")
    with closing(psycopg.connect(bench.url)) as blocker:
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        bench.start("backup", "backup", {"directory": str(bench.backups)})
        until(lambda: bench.running("LOCK TABLE public.t") == 1)
        if end == "stop":
            bench.jobs.stop_job("backup")
            assert bench.end("backup").code == "database-stopped"
        elif end == "server":
            bench.server.stop("immediate")
            assert bench.end("backup").code == "database-unreachable"
            bench.server.start(postgres.BRISK)
        else:
            os.kill(bench.pid("backup"), signal.SIGKILL)
            until(lambda: bench.processes("backup") == [])
            assert bench.reading("backup").phase is JobPhase.LOST
            assert [name[0] for name in leftovers(bench)] == ["."]  # removed by the next backup
    if end != "kill":
        assert leftovers(bench) == []
    path = back_up(bench, "next")
    assert leftovers(bench) == [path.name, f"{path.name}.json"]


def test_a_full_disk_is_told_as_such_and_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.execute(
        "CREATE TABLE t (v text)", "INSERT INTO t SELECT md5(n::text) FROM generate_series(1, 20000) n"
    )
    bench.backups.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(bench.backups)]
    if os.geteuid() != 0 or subprocess.run(argv, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can make a small file system")
    try:
        reading = bench.run("backup", "backup", {"directory": str(bench.backups)})
        assert (reading.phase, reading.code) == (JobPhase.FAILED, "disk-full")
        assert reading.why == (
            f"the backup was not taken; no backup can be written to {bench.backups}: No space left on device"
        )
        assert leftovers(bench) == []
    finally:
        subprocess.run(["umount", str(bench.backups)], check=True)


def test_two_backups_into_one_folder_do_not_run_at_the_same_time(bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)")
    with closing(psycopg.connect(bench.url)) as blocker:
        blocker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        bench.start("first", "backup", {"directory": str(bench.backups)})
        until(lambda: bench.running("LOCK TABLE public.t") == 1)
        assert bench.run("second", "backup", {"directory": str(bench.backups)}).code == "backup-running"
    assert bench.end("first").phase is JobPhase.DONE


def test_a_role_that_may_not_see_every_row_takes_no_backup(bench: Bench, tmp_path: Path) -> None:
    bench.execute(
        "CREATE TABLE t (v int)",
        "INSERT INTO t VALUES (1)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE reader",
        "GRANT SELECT ON t TO reader",
    )
    try:
        url = f"{bench.url}?options=-c%20role%3Dreader"
        reading = Bench(bench.server, url, tmp_path / "reader").run(
            "b", "backup", {"directory": str(bench.backups)}
        )
        assert (reading.phase, reading.code) == (JobPhase.FAILED, "backup-failed")
        assert 'query would be affected by row-level security policy for table "t"' in reading.why
        assert leftovers(bench) == []
    finally:
        bench.execute("DROP OWNED BY reader", "DROP ROLE reader")


def fake_program(folder: Path, name: str, version: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n", encoding="ascii")
    (folder / name).chmod(0o755)
    return folder


def test_the_program_nearest_to_the_server_is_taken(tmp_path: Path) -> None:
    folders = [
        fake_program(tmp_path / version, "pg_dump", f"{version}.3 (Some 1)") for version in ("18", "15", "17")
    ]
    assert find_program("pg_dump", 16, folders) == tmp_path / "17" / "pg_dump"
    assert find_program("pg_dump", 15, folders) == tmp_path / "15" / "pg_dump"


@pytest.mark.parametrize(
    ("versions", "code", "why"),
    [
        (
            [],
            "pg-tools-missing",
            (
                "pg_dump is neither on the PATH nor in a wheel; "
                "install PostgreSQL's client programs of version 16"
            ),
        ),
        (
            ["14", "15"],
            "pg-tools-older",
            (
                "pg_dump is of version 15, the server of version 16; "
                "install PostgreSQL's client programs of version 16"
            ),
        ),
    ],
)
def test_programs_that_do_not_fit_are_refused(
    tmp_path: Path, versions: list[str], code: str, why: str
) -> None:
    folders = [fake_program(tmp_path / version, "pg_dump", f"{version}.1") for version in versions]
    with pytest.raises(Refused) as refusal:
        find_program("pg_dump", 16, folders)
    assert (refusal.value.code, refusal.value.why) == (code, why)
