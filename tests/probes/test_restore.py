"""RTO and RPO are measured on a real server."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import Bench, benches, until
from tests.probes.repository import LIMIT_MS, Repository, ask, made
from tminus.adapters.postgres.backup import PostgresBackup
from tminus.adapters.postgres.base import BaseBackup
from tminus.adapters.postgres.dump import sidecar_path
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.probes.restore import RESTORE, RestoreSettings
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R16")]
URL = SecretRef(SecretSource.ENV, "DATABASE_URL")
LONG_MS = 4 * LIMIT_MS


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


@pytest.fixture
def url(server: Postgres, tmp_path: Path) -> str:
    found = server.create_database(tmp_path.name.replace("-", "_"))
    execute(found, "CREATE TABLE orders (id int PRIMARY KEY, note text)")
    execute(found, "INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 500) AS n")
    return found


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def judge(repository: Repository, url: str, limit_ms: int = LONG_MS, **settings: object) -> Answer:
    return ask(
        RESTORE, made(RestoreSettings, URL, **settings), repository.around({"DATABASE_URL": url}), limit_ms
    )


def back_up(repository: Repository, url: str) -> Path:
    logs = repository.directory / "logs"
    logs.mkdir(exist_ok=True)
    folder = repository.around().backups
    return Path(PostgresBackup(url, logs).take_backup(folder, threading.Event()).path)


def scratch(server: Postgres) -> list[str]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'tminus_restore%'")
        return [name for (name,) in rows.fetchall()]


def test_a_backup_that_comes_back_in_time_passes_with_what_was_measured(
    repository: Repository, server: Postgres, url: str
) -> None:
    back_up(repository, url)
    answer = judge(repository, url)
    assert answer.outcome is Outcome.PASS, answer.why
    facts = dict(answer.facts)
    assert (facts["tables"], facts["rows"]) == (1, 500)
    assert 0 < facts["rto_ms"] < LONG_MS
    assert 0 <= facts["rpo_ms"] < LONG_MS
    assert scratch(server) == []
    assert server.password not in repr(answer)


def test_beyond_either_limit_it_fails_with_both(repository: Repository, url: str) -> None:
    back_up(repository, url)
    answer = judge(repository, url, rto=Millis(1), rpo=Millis(1))
    assert answer.outcome is Outcome.FAIL
    assert "limit 1ms; the work of " in answer.why
    assert answer.why.endswith("would be lost, limit 1ms")


def test_no_backup_and_one_that_was_changed_fail(repository: Repository, server: Postgres, url: str) -> None:
    assert judge(repository, url).why == "there is no backup to restore"
    path = back_up(repository, url)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = judge(repository, url)
    assert answer.outcome is Outcome.FAIL
    assert scratch(server) == []
    path.write_bytes(content[:-1])
    assert judge(repository, url).why == "there is no backup to restore"


def test_rows_that_do_not_come_back_fail(repository: Repository, url: str) -> None:
    counts = sidecar_path(back_up(repository, url))
    # A dump beside the counts of more rows: what a tool that loses some would leave.
    counts.write_text(
        counts.read_text(encoding="utf-8").replace('"rows":500', '"rows":503'), encoding="utf-8"
    )
    answer = judge(repository, url)
    assert answer.outcome is Outcome.FAIL
    assert answer.why.startswith("not everything came back: ")


def test_without_the_server_or_the_time_nothing_is_learnt_and_nothing_stays(
    repository: Repository, server: Postgres, url: str
) -> None:
    back_up(repository, url)
    gone = url.replace(f":{server.port}/", f":{postgres.free_port()}/")
    assert judge(repository, gone).outcome is Outcome.INCONCLUSIVE
    slow = judge(repository, url, limit_ms=20)
    assert slow.outcome is Outcome.INCONCLUSIVE
    assert "within 20 ms" in slow.why
    assert judge(repository, url).outcome is Outcome.PASS  # removes what the slow one may have left
    assert scratch(server) == []
    with pytest.raises(Refused, match="database-url-invalid"):
        judge(repository, "postgresql://[")


def test_a_base_backup_alone_loses_what_came_after_it(repository: Repository, server: Postgres) -> None:
    logs = repository.directory / "logs"
    logs.mkdir()
    url = server.url()
    BaseBackup(url, logs).take_backup(repository.around().backups, threading.Event())
    answer = judge(repository, url)
    assert answer.outcome in (Outcome.PASS, Outcome.FAIL), answer.why
    assert {"rto_ms", "rpo_ms"} <= dict(answer.facts).keys()


@pytest.fixture
def bench(server: Postgres, tmp_path: Path) -> Iterator[Bench]:
    yield from benches(server, tmp_path / "bench")


def test_with_an_archive_what_was_written_last_comes_back_too(repository: Repository, bench: Bench) -> None:
    bench.execute("CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    bench.start("archive", "archive", {"directory": str(bench.backups), "beat_ms": 200})
    until(lambda: "covered_ms" in str(bench.reading("archive").progress))
    bench.run("base", "backup", {"directory": str(bench.backups), "method": "base"})
    bench.execute("INSERT INTO t SELECT generate_series(2, 300)")
    around = replace(repository.around({"DATABASE_URL": bench.url}), backups=bench.backups)
    answer = ask(RESTORE, RestoreSettings(URL), around, LONG_MS)
    bench.jobs.stop_job("archive")
    bench.end("archive")
    assert answer.outcome is Outcome.PASS, answer.why
    facts = dict(answer.facts)
    assert facts["rows"] == 300
    assert facts["rpo_ms"] < LONG_MS
    # Once nobody archives any more, what is written now is nowhere else.
    behind = ask(RESTORE, RestoreSettings(URL), around, 4_000)
    assert behind.outcome is Outcome.INCONCLUSIVE
