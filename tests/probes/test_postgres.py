"""The probe postgres against a primary with a streaming replica."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.probes.asked import ask, fact, told
from tminus.domain.plan.times import Millis
from tminus.ports.fault import Refused
from tminus.probes.postgres import POSTGRES, PostgresSettings
from tminus.testing import postgres
from tminus.testing.contract.probes import REFERENCE
from tminus.testing.postgres import Postgres

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R13")]

LIMIT_S = 60.0
PROGRAM = "pg_basebackup"
SOON = Millis(300)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Postgres]]:
    folder = postgres.programs()
    if folder is None or not (folder / PROGRAM).exists():
        missing = f"the program {PROGRAM} is missing"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with postgres.temporary({"max_connections": "40"}) as primary, postgres.replica(primary) as standby:
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE moves (n int)")
            connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest-pass-1'")
        with psycopg.connect(standby.url(), autocommit=True) as connection:
            # A replica that does nothing says so every ten seconds otherwise.
            connection.execute("ALTER SYSTEM SET wal_receiver_status_interval = '1s'")
            connection.execute("SELECT pg_reload_conf()")
        until(lambda: verdict(primary, PostgresSettings(REFERENCE, replicas=1)) == "pass")
        yield primary, standby


def until(look: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def asked(server: Postgres, settings: PostgresSettings) -> tuple[str, str]:
    answer = ask(POSTGRES, settings, secret=server.url())
    assert server.password not in repr(answer)
    return told(answer)


def verdict(server: Postgres, settings: PostgresSettings) -> str:
    return asked(server, settings)[0]


def test_a_primary_with_its_replica_passes(servers: tuple[Postgres, Postgres]) -> None:
    answer = ask(POSTGRES, PostgresSettings(REFERENCE, replicas=1, version=14), secret=servers[0].url())
    assert told(answer)[0] == "pass", answer
    assert told(answer)[1].startswith("it is the primary with 1 streaming replicas, ")
    assert fact(answer, "streaming") == 1
    assert fact(answer, "version") >= 140_000
    assert 0 < fact(answer, "connections_ppm") < 1_000_000


def test_a_primary_with_too_few_replicas_fails(servers: tuple[Postgres, Postgres]) -> None:
    expected = ("fail", "1 replicas stream from it, wanted at least 2")
    assert asked(servers[0], PostgresSettings(REFERENCE, replicas=2)) == expected


def test_a_replica_is_no_primary_and_a_primary_no_replica(servers: tuple[Postgres, Postgres]) -> None:
    primary, standby = servers
    assert asked(standby, PostgresSettings(REFERENCE)) == ("fail", "it is a replica, wanted the primary")
    wrong = asked(primary, PostgresSettings(REFERENCE, primary=False))
    assert wrong == ("fail", "it takes writes, wanted a replica")
    until(lambda: verdict(standby, PostgresSettings(REFERENCE, primary=False)) == "pass")


def test_an_older_version_than_wanted_fails(servers: tuple[Postgres, Postgres]) -> None:
    found, why = asked(servers[0], PostgresSettings(REFERENCE, version=99))
    assert (found, why.endswith("wanted 99 or later")) == ("fail", True)


def test_a_replica_that_falls_behind_fails_on_both_sides(servers: tuple[Postgres, Postgres]) -> None:
    primary, standby = servers
    of_primary = PostgresSettings(REFERENCE, replicas=1, lag=SOON)
    of_standby = PostgresSettings(REFERENCE, primary=False, lag=SOON)
    with psycopg.connect(standby.url(), autocommit=True) as replica:
        replica.execute("SELECT pg_wal_replay_pause()")
        until(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("INSERT INTO moves SELECT generate_series(1, 1000)")
        until(lambda: verdict(primary, of_primary) == "fail")
        until(lambda: verdict(standby, of_standby) == "fail")
        behind, itself = asked(primary, of_primary)[1], asked(standby, of_standby)[1]
        replica.execute("SELECT pg_wal_replay_resume()")
    until(lambda: verdict(primary, of_primary) == "pass")
    until(lambda: verdict(standby, of_standby) == "pass")
    assert behind.startswith("a replica is ")
    assert itself.startswith("it is ")
    assert behind.endswith(" ms behind, limit 300 ms")


def test_connections_that_run_out_fail(servers: tuple[Postgres, Postgres]) -> None:
    held = [psycopg.connect(servers[0].url()) for _ in range(15)]
    try:
        found, why = asked(servers[0], PostgresSettings(REFERENCE, connections=30))
    finally:
        for connection in held:
            connection.close()
    assert (found, why.endswith(" % of its connections are in use, limit 30 %")) == ("fail", True)


def test_a_session_that_waits_long_for_a_lock_fails(servers: tuple[Postgres, Postgres]) -> None:
    primary = servers[0]

    def wait_for_it() -> None:
        with psycopg.connect(primary.url()) as waiter:
            waiter.execute("LOCK TABLE moves")

    waiting = threading.Thread(target=wait_for_it)
    settings = PostgresSettings(REFERENCE, lock_wait=SOON)
    with psycopg.connect(primary.url()) as holder:
        holder.execute("LOCK TABLE moves")
        waiting.start()
        until(lambda: verdict(primary, settings) == "fail")
        why = asked(primary, settings)[1]
        patient = verdict(primary, PostgresSettings(REFERENCE))
    waiting.join()
    until(lambda: verdict(primary, settings) == "pass")
    assert why.startswith("a session has waited ")
    assert patient == "pass"


def test_a_role_that_may_not_see_replication_cannot_tell(servers: tuple[Postgres, Postgres]) -> None:
    guest = servers[0].url().replace(f"postgres:{servers[0].password}", "guest:guest-pass-1")
    settings = PostgresSettings(REFERENCE, replicas=1)
    hidden = told(ask(POSTGRES, settings, secret=guest))
    with psycopg.connect(servers[0].url(), autocommit=True) as connection:
        connection.execute("GRANT pg_monitor TO guest")
        seen = told(ask(POSTGRES, settings, secret=guest))
        connection.execute("REVOKE pg_monitor FROM guest")
    assert hidden == ("inconclusive", "its role may not see replication: GRANT pg_monitor")
    assert seen[0] == "pass"


def test_a_wrong_password_is_inconclusive_and_not_told(servers: tuple[Postgres, Postgres]) -> None:
    url = servers[0].url().replace(servers[0].password, "not-the-password")
    answer = ask(POSTGRES, PostgresSettings(REFERENCE), secret=url)
    assert told(answer)[0] == "inconclusive"
    assert "not-the-password" not in repr(answer)


def test_a_secret_that_is_no_address_is_refused() -> None:
    with pytest.raises(Refused, match="database-url-invalid"):
        ask(POSTGRES, PostgresSettings(REFERENCE), secret="postgresql://[broken")
