"""Scheduled backups and restore tests on a real PostgreSQL: taken, proven, removed, deferred, and failed."""

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import until
from tests.integration.schedule import Shop, a_shop
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.database import Backups
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tminus.domain.readiness.upkeep import Begun, Deferred, Ended, Removed, Work
from tminus.engine.upkeep import Upkeep
from tminus.ports.jobs import Jobs, JobSpec
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R16")]

SCHEDULE = Backups()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def shop(server: Postgres, tmp_path: Path) -> Iterator[Shop]:
    with a_shop(server, tmp_path, SCHEDULE) as made:
        yield made


def block(shop: Shop) -> psycopg.Connection:
    """Keeps pg_dump waiting for a table, ten seconds at most."""
    connection = psycopg.connect(shop.url)
    connection.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    return connection


def begin(shop: Shop) -> Begun:
    note = shop.look_until(Begun)
    assert isinstance(note, Begun)
    return note


def test_the_first_look_takes_a_backup_and_then_proves_it(shop: Shop) -> None:
    assert begin(shop).work is Work.BACKUP
    taken = shop.look_until(Ended)
    assert (taken.work, taken.passed, taken.tables, taken.rows) == (Work.BACKUP, True, 1, 1000)
    tested = shop.look_until(Ended)
    assert (tested.work, tested.passed, tested.rows) == (Work.RESTORE_TEST, True, 1000)
    assert tested.path == taken.path
    shop.settle()
    (stored,) = shop.json()["backups"]
    assert (stored["path"], stored["digest"], stored["passed"]) == (taken.path, taken.digest, True)
    assert stored["restored_in_ms"] == tested.took_ms > 0
    assert shop.sessions() == 0
    assert len(shop.job_folders()) == 2


def test_each_interval_adds_a_backup_and_what_is_too_old_goes(shop: Shop) -> None:
    shop.settle()
    strays = [shop.backups / name for name in ("tminus-20010101T000000.000Z.dump", "mine.dump")]
    for stray in strays:
        stray.write_bytes(b"none of ours: there are no counts beside it")
    # The looks are at times to come; the files tell when they were really taken.
    for _ in range(3):
        assert shop.look_until(Ended, Work.BACKUP, HOUR_MS + MINUTE_MS).passed
    shop.settle()
    proven, cited, *old, newest = (each["path"] for each in shop.json()["backups"])
    shop.launch("shop-2.0.0", t0_ms=shop.now_ms() + 30 * DAY_MS)
    shop.tell("shop-2.0.0", ev.JobEnded("backup", JobPhase.DONE, {"path": cited}, "", ""))
    removed = [note.path for note in shop.look(25 * HOUR_MS) if isinstance(note, Removed)]
    assert removed == old != []
    assert not any(list(shop.backups.glob(f"{Path(path).name}*")) for path in old)
    assert [each["path"] for each in shop.json()["backups"]][:3] == [proven, cited, newest]
    assert all(stray.exists() for stray in strays)


def test_a_restore_that_finds_a_difference_is_told_and_another_backup_is_taken(
    server: Postgres, tmp_path: Path
) -> None:
    with a_shop(server, tmp_path, Backups(every_ms=60 * DAY_MS, keep_ms=90 * DAY_MS)) as shop:
        shop.settle()
        (dump,) = shop.dumps()
        counts = shop.backups / f"{dump}.json"
        body = json.loads(counts.read_text(encoding="utf-8"))
        body["tables"][0]["rows"] = 1001
        counts.write_text(json.dumps(body), encoding="utf-8")
        ended = shop.look_until(Ended, Work.RESTORE_TEST, 8 * DAY_MS)
        why = "table public.t came back with 1000 rows, the snapshot had 1001"
        assert (ended.passed, ended.code, ended.why) == (False, "restore-differs", why)
        assert "restore test failed  1 in a row" in shop.show()
        taken = shop.look_until(Ended, Work.BACKUP, 8 * DAY_MS)
        assert taken.passed
        tested = shop.look_until(Ended, Work.RESTORE_TEST, 8 * DAY_MS + HOUR_MS)
        assert (tested.passed, tested.path) == (True, taken.path)


def test_a_launch_that_begins_stops_the_backup_and_has_its_way(shop: Shop) -> None:
    with closing(block(shop)):
        begun = begin(shop)
        until(lambda: shop.sessions() > 0)
        shop.launch("shop-2.0.0")
        deferred = shop.look_until(Deferred)
        assert deferred.why == "it was stopped: shop-2.0.0 has the database: it is ready to begin"
        ended = shop.look_until(Ended)
    assert (ended.key, ended.passed, ended.code) == (begun.key, False, "database-stopped")
    until(lambda: shop.sessions() == 0)
    assert shop.dumps() == []
    assert not any(isinstance(note, Begun) for note in shop.look(HOUR_MS))
    shown = shop.show()
    assert "backup waits" in shown
    assert "shop-2.0.0 has the database" in shown
    shop.end("shop-2.0.0")
    assert begin(shop).work is Work.BACKUP
    assert shop.look_until(Ended).passed


def test_a_launch_with_a_time_leaves_the_database_until_its_own_backup_is_near(shop: Shop) -> None:
    shop.launch("shop-2.0.0", t0_ms=shop.now_ms() + 2 * HOUR_MS)
    shop.settle()
    assert len(shop.dumps()) == 1
    deferred = shop.look_until(Deferred, Work.BACKUP, HOUR_MS + 26 * MINUTE_MS)
    assert deferred.why == "shop-2.0.0 has the database: it is past T-35m"
    # In the watch of a first launch nothing of it writes there.
    shop.tell("shop-2.0.0", ev.PhaseEntered(Phase.CUTOVER, ""), ev.Promoted(Slot.BLUE))
    shop.tell("shop-2.0.0", ev.PhaseEntered(Phase.WATCHING, ""))
    begun = shop.look_until(Begun, Work.BACKUP, 3 * HOUR_MS)
    assert begun.skipped == 2


def test_a_server_that_is_down_is_recorded_and_asked_again_later(shop: Shop) -> None:
    shop.server.stop("immediate")
    ended = shop.look_until(Ended)
    assert (ended.work, ended.code) == (Work.BACKUP, "database-unreachable")
    assert shop.look(MINUTE_MS - 5 * SECOND_MS) == []
    assert "backup failed" in shop.show()
    shop.server.start(postgres.BRISK)
    assert shop.look_until(Begun, Work.BACKUP, MINUTE_MS + SECOND_MS)
    assert shop.look_until(Ended).passed


def test_a_server_that_stops_during_a_backup_leaves_nothing_that_counts_as_one(shop: Shop) -> None:
    with closing(block(shop)):
        begin(shop)
        until(lambda: shop.sessions() > 0)
        shop.server.stop("immediate")
    ended = shop.look_until(Ended)
    assert (ended.passed, ended.code) == (False, "database-unreachable")
    assert shop.json()["backups"] == []
    shop.server.start(postgres.BRISK)


def test_a_full_disk_is_recorded_and_what_was_there_stays(shop: Shop) -> None:
    shop.backups.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(shop.backups)]
    if os.geteuid() != 0 or subprocess.run(argv, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can make a small file system")
    try:
        shop.settle()
        (good,) = shop.dumps()
        shop.execute("CREATE TABLE large AS SELECT md5(n::text) FROM generate_series(1, 20000) n")
        ended = shop.look_until(Ended, Work.BACKUP, 25 * HOUR_MS)
        assert (ended.passed, ended.code) == (False, "disk-full")
        assert shop.dumps() == [good]
        shop.execute("DROP TABLE large")
        assert shop.look_until(Ended, Work.BACKUP, 26 * HOUR_MS).passed
    finally:
        shop.close()
        subprocess.run(["umount", str(shop.backups)], check=True)


def test_a_killed_backup_is_recorded_as_lost_and_the_next_one_sweeps_up(shop: Shop) -> None:
    with closing(block(shop)):
        begin(shop)
        until(lambda: list(shop.backups.glob(".tminus-*.tmp")) != [])
        (folder,) = shop.job_folders()
        pid = int((folder / "pid.json").read_text(encoding="utf-8").partition('"pid":')[2].partition(",")[0])
        os.kill(pid, signal.SIGKILL)
        ended = shop.look_until(Ended)
        assert (ended.passed, ended.code) == (False, "job-lost")
        until(lambda: not shop.jobs_running())
    assert shop.json()["backups"] == []
    shop.look_until(Begun, Work.BACKUP, 2 * MINUTE_MS)
    assert shop.look_until(Ended).passed
    assert list(shop.backups.glob(".tminus-*.tmp")) == []
    until(lambda: shop.sessions() == 0)


def test_a_new_agent_goes_on_with_what_the_last_one_has_begun(shop: Shop) -> None:
    blocker = block(shop)
    begun = begin(shop)
    shop.upkeep = shop.new_upkeep()
    assert shop.look() == []
    blocker.close()
    ended = shop.look_until(Ended)
    assert (ended.key, ended.passed) == (begun.key, True)


def test_an_agent_that_noted_a_run_and_died_before_it_began_has_lost_it(shop: Shop) -> None:
    jobs = shop.home.upkeep("shop", "production").jobs_of
    ports = replace(shop.home.upkeep("shop", "production"), jobs_of=lambda path: _Dying(jobs(path)))
    shop.upkeep = Upkeep(ports, "shop", "production")
    with pytest.raises(KeyboardInterrupt):
        shop.look()
    shop.upkeep = shop.new_upkeep()
    assert shop.look_until(Ended).code == "job-lost"
    assert shop.look_until(Ended, Work.BACKUP, 2 * MINUTE_MS).passed


@pytest.mark.slow
def test_an_agent_keeps_the_schedule_and_ends_without_a_trace(server: Postgres, tmp_path: Path) -> None:
    brisk = Backups(every_ms=2 * SECOND_MS, keep_ms=6 * SECOND_MS, restore_every_ms=5 * SECOND_MS)
    with a_shop(server, tmp_path, brisk) as shop:
        shop.start_agent()
        until(lambda: sum(isinstance(note, Removed) for note in shop.notes()) >= 2)
        until(lambda: sum(_tested(note) for note in shop.notes()) >= 2)
        until(lambda: shop.json()["agent"])
        shop.end_agent(signal.SIGKILL)
        gone_ms = shop.now_ms()
        until(lambda: shop.now_ms() - gone_ms > 5_000)
        assert "no agent runs" in shop.show()
        before = len(shop.notes())
        shop.start_agent()
        until(lambda: any(isinstance(note, Begun) and note.skipped for note in shop.notes()[before:]))
        shop.end_agent()
        until(lambda: not shop.jobs_running())
        until(lambda: shop.sessions() == 0)
        assert len(shop.job_folders()) <= 4
        assert len(shop.dumps()) <= 8


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_archive_keeps_the_loss_to_seconds_and_is_proven_from_base_and_log(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(server.directory))
    schedule = Backups(rpo_ms=10 * SECOND_MS, restore_every_ms=HOUR_MS)
    with a_shop(server, tmp_path, schedule) as shop:
        assert shop.look_until(Begun, Work.ARCHIVE)
        taken = shop.look_until(Ended, Work.BACKUP)
        assert (taken.passed, taken.rows) == (True, 1000), taken.why
        shop.execute("INSERT INTO t SELECT generate_series(1, 500)")
        # The first backup may have begun before there was a log that follows it.
        until(lambda: not shop.look() and shop.json()["archive"].get("covered_ms") is not None)
        tested = shop.look_until(Ended, Work.RESTORE_TEST, 2 * HOUR_MS)
        assert (tested.passed, tested.rows) == (True, 1500), tested.why
        until(lambda: shop.json()["loss_ms"] < 60 * MINUTE_MS)
        seen = shop.json()
        assert seen["loss_ms"] < seen["now_ms"] - taken.taken_ms
        assert any(each["whole"] and each["unbroken"] for each in seen["backups"])
        (archive,) = [note for note in shop.notes() if isinstance(note, Begun) and note.work is Work.ARCHIVE]
        shop.home.jobs.stop_job(archive.key)
        until(lambda: not shop.jobs_running())
        until(lambda: shop.sessions() == 0)
        assert not list(Path(str(server.directory)).glob("tminus-restore-*"))


def _tested(note: object) -> bool:
    return isinstance(note, Ended) and note.work is Work.RESTORE_TEST and note.passed


class _Dying:
    """Jobs of an agent that dies when it starts one."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def start_job(self, spec: JobSpec) -> None:
        raise KeyboardInterrupt

    def read_jobs(self, keys: Iterable[str]) -> Mapping[str, JobReading]:
        return self._jobs.read_jobs(keys)

    def stop_job(self, key: str) -> None:
        self._jobs.stop_job(key)
