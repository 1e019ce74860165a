"""PostgreSQL: the ports' contract on a real server."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from tminus.adapters.postgres.backup import PostgresBackup
from tminus.adapters.postgres.inspection import PostgresInspection
from tminus.adapters.postgres.migration import PostgresMigration
from tminus.ports.database import MigrationSpec
from tminus.testing import postgres
from tminus.testing.contract.database import DatabaseContract, DatabaseHarness
from tminus.testing.postgres import BRISK, Postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.temporary() as server:
        yield server


class PostgresHarness(DatabaseHarness):
    def __init__(self, server: Postgres, url: str, directory: Path) -> None:
        self.server = server
        self.url = url
        self._directory = directory
        self._backup = PostgresBackup(url, directory)
        self._migration = PostgresMigration(url, directory)
        self._inspection = PostgresInspection(url)

    @property
    def backup(self) -> PostgresBackup:
        return self._backup

    @property
    def migration(self) -> PostgresMigration:
        return self._migration

    @property
    def inspection(self) -> PostgresInspection:
        return self._inspection

    @property
    def directory(self) -> Path:
        return self._directory

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def migrating(self, *statements: str) -> MigrationSpec:
        programs = postgres.programs()
        assert programs is not None
        command = [str(programs / "psql"), "--no-psqlrc", "--single-transaction", "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        # A shell, as most teams' commands have one: it, and what it starts, must end together.
        script = 'url=$1; shift; "$@" --dbname="$DATABASE_URL"'
        environment = {**os.environ, "DATABASE_URL": self.url}
        argv = ("sh", "-c", script, "sh", "unused", *command)
        return MigrationSpec(argv, self.directory, environment, deadline_ms=30_000, lock_timeout_ms=1_000)

    def never_ending(self) -> str:
        return "SELECT 1, 1 FROM pg_sleep(600)"

    def databases(self) -> Sequence[str]:
        with psycopg.connect(self.server.url()) as connection:
            return [name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()]

    def stop_server(self) -> None:
        self.server.stop("immediate")

    def start_server(self) -> None:
        self.server.start(BRISK)


@pytest.fixture(name="harness")
def make_harness(server: Postgres, tmp_path: Path) -> Iterator[PostgresHarness]:
    server.start(BRISK)
    name = f"t_{tmp_path.parent.name}_{tmp_path.name}"[-60:].replace("-", "_")
    harness = PostgresHarness(server, server.create_database(name), tmp_path)
    yield harness
    harness.inspection.close()
    server.start(BRISK)
    server.drop_database(name)


class TestPostgres(DatabaseContract):
    @pytest.fixture
    def harness(self, harness: PostgresHarness) -> DatabaseHarness:
        return harness
