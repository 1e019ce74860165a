"""What the database says of a real streaming replica: that it keeps up, falls behind and catches up."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from tests.integration.database import Bench, benches, until
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.req("R20", "R22")]

PROGRAM = "pg_basebackup"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Postgres]]:
    folder = postgres.programs()
    if folder is None or not (folder / PROGRAM).exists():
        missing = f"the program {PROGRAM} is missing"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with postgres.temporary() as primary, postgres.replica(primary) as standby:
        yield primary, standby


@pytest.fixture
def bench(servers: tuple[Postgres, Postgres], tmp_path: Path) -> Iterator[Bench]:
    yield from benches(servers[0], tmp_path)


def told(bench: Bench) -> dict[str, Any]:
    found = cast("dict[str, Any] | None", bench.reading("s").progress) or {}
    return cast("dict[str, Any]", found.get("database") or {})


def test_the_lag_of_a_replica_is_read_while_it_stands_still_and_after(
    bench: Bench, servers: tuple[Postgres, Postgres]
) -> None:
    _, standby = servers
    bench.execute("CREATE TABLE moves (n int)")
    bench.start("s", "sampler", {"questions": [], "database": True})
    until(lambda: told(bench).get("replica_lag_ms") is not None)
    with psycopg.connect(standby.url(), autocommit=True) as replica:
        replica.execute("SELECT pg_wal_replay_pause()")
        until(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
        bench.execute("INSERT INTO moves SELECT generate_series(1, 1000)")
        until(lambda: told(bench).get("replica_lag_ms", 0) > 2_000)
        replica.execute("SELECT pg_wal_replay_resume()")
    until(lambda: told(bench).get("replica_lag_ms", -1) in range(2_000))
    assert told(bench).keys() == {"at_ms", "connections_ppm", "latency_us", "replica_lag_ms", "waiting"}


def test_a_session_that_waits_for_a_lock_is_counted(bench: Bench) -> None:
    bench.execute("CREATE TABLE held (n int)")
    bench.start("s", "sampler", {"questions": [], "database": True})

    def wait_for_it() -> None:
        with psycopg.connect(bench.url) as waiter:
            waiter.execute("LOCK TABLE held")

    waiting = threading.Thread(target=wait_for_it)
    with psycopg.connect(bench.url) as holder:
        holder.execute("LOCK TABLE held")
        waiting.start()
        until(lambda: told(bench).get("waiting") == 1)
    waiting.join()
    until(lambda: told(bench).get("waiting") == 0)
