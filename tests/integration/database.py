"""A database and jobs on it for one test: started for real, looked at from outside."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from tminus.adapters.jobs.identity import MARK_VARIABLE, kill_marked
from tminus.adapters.jobs.record import JobRecord, record_of
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.ports.jobs import JobSpec
from tminus.testing import postgres
from tminus.testing.postgres import Postgres

LIMIT_S = 60.0  # on a machine that others use too; nothing here takes more than seconds
LONG_MS = 120_000
ARTIFACT = "sha256:" + "a" * 64


class Bench:
    """Jobs on a database of their own; the URL reaches them as a secret."""

    def __init__(self, server: Postgres, url: str, directory: Path) -> None:
        self.server = server
        self.url = url
        self.directory = directory
        self.backups = directory / "backups"
        self.artifacts = directory / "artifacts"
        (self.artifacts / ARTIFACT.removeprefix("sha256:")).mkdir(parents=True)
        environment = {**os.environ, "SHOP_DATABASE": url}
        self.jobs = SubprocessJobs(directory / "jobs", environment, ReferenceSecrets(environment, directory))

    def start(self, key: str, work: str, arguments: dict[str, Json], deadline_ms: int = LONG_MS) -> None:
        body: dict[str, Json] = {"secrets": {"DATABASE_URL": "env:SHOP_DATABASE"}, **arguments}
        self.jobs.start_job(JobSpec(key, work, body, deadline_ms))

    def run(self, key: str, work: str, arguments: dict[str, Json]) -> JobReading:
        self.start(key, work, arguments)
        return self.end(key)

    def migrate(self, key: str, command: list[str], **more: Json) -> None:
        arguments: dict[str, Json] = {
            "command": list(command),
            "artifact": ARTIFACT,
            "artifacts_directory": str(self.artifacts),
            "lock_timeout_ms": 1_000,
            "deadline_ms": LONG_MS,
        }
        self.start(key, "migrate", {**arguments, **more})

    def reading(self, key: str) -> JobReading:
        return self.jobs.read_jobs([key])[key]

    def end(self, key: str) -> JobReading:
        until(lambda: self.reading(key).phase is not JobPhase.RUNNING)
        return self.reading(key)

    def record(self, key: str) -> JobRecord:
        return record_of(self.directory / "jobs", key)

    def pid(self, key: str) -> int:
        until(lambda: self.record(key).has("pid.json"))
        identity = self.record(key).identity()
        assert identity is not None
        return identity.pid

    def processes(self, key: str) -> list[int]:
        return marked(self.record(key).mark)

    def log(self, key: str, name: str) -> str:
        return (self.record(key).directory / name).read_text(encoding="utf-8")

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def query(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def running(self, part: str) -> int:
        """Sessions on this database whose statement holds `part`."""
        rows = self.query("SELECT datname, query FROM pg_stat_activity WHERE state <> 'idle'")
        return sum(part in (query or "") for name, query in rows if name != "postgres")

    def scratch(self) -> list[str]:
        return [name for (name,) in self.query("SELECT datname FROM pg_database") if "tminus_restore" in name]

    def leaks(self) -> list[str]:
        """Files of jobs and backups that hold the password."""
        wanted = self.server.password.encode()
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        assert files
        return [str(path) for path in files if wanted in path.read_bytes()]

    def close(self) -> None:
        for directory in (self.directory / "jobs").glob("*/"):
            kill_marked(JobRecord(directory).mark)


def psql(*statements: str) -> list[str]:
    """A command that runs statements in one transaction, under a shell as most teams' commands are."""
    programs = postgres.programs()
    assert programs is not None
    argv = [str(programs / "psql"), "--no-psqlrc", "--single-transaction", "-v", "ON_ERROR_STOP=1"]
    for statement in statements:
        argv += ["-c", statement]
    return ["sh", "-c", '"$@" --dbname="$DATABASE_URL"', "sh", *argv]


def until(look: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def marked(mark: str) -> list[int]:
    """Processes that carry a job's mark in their environment."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def benches(server: Postgres, directory: Path) -> Iterator[Bench]:
    """A bench on a new database, and its end."""
    server.start(postgres.BRISK)
    name = f"b_{directory.parent.name}_{directory.name}"[-60:].replace("-", "_")
    bench = Bench(server, server.create_database(name), directory)
    yield bench
    bench.close()
    server.start(postgres.BRISK)
    server.drop_database(name)
    for left in bench.scratch():
        server.drop_database(left)
