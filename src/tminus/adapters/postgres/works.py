"""The works `backup`, `restore-test`, `migrate` and `integrity`. The database's URL comes as DATABASE_URL."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from tminus.adapters.postgres.arguments import bad_arguments, database_url, object_of, problems
from tminus.adapters.postgres.backup import PostgresBackup
from tminus.adapters.postgres.base import BaseBackup
from tminus.adapters.postgres.inspection import PostgresInspection
from tminus.adapters.postgres.migration import PostgresMigration
from tminus.adapters.postgres.proof import prove_base
from tminus.adapters.postgres.stored import keep_test
from tminus.domain.canonical import Json
from tminus.domain.codec import from_json, to_json
from tminus.domain.plan.database import Integrity
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.database import BackupReading, MigrationSpec

DUMP, BASE = "dump", "base"
"""Methods of a backup, and how their names end."""

CHECK_LIMIT_MS = 60_000  # an integrity query may read a large table once
_DIGEST_HEX = 64


def backup(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Takes a backup.

    Args:
        arguments: `directory` (path, made where needed), optionally `wait_ms` (for another backup to end),
            `unless_empty` (without a table nothing is taken), `method` (`dump`, or `base` for a copy of the
            whole cluster with its log), `secrets` (with DATABASE_URL).
        directory: of the job.
        stop: ends it; nothing half-written is left.

    Returns:
        `ports.database.BackupReading` as JSON, `path` empty where nothing was taken.

    Raises:
        ProblemError: see `PostgresBackup.take_backup`; `database-url-missing`, `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the backup was not taken"):
        wait_ms = int(body.get("wait_ms", 0))
        adapter = PostgresBackup(database_url(), directory.resolve(), wait_ms=wait_ms)
        if body.get("unless_empty") and adapter.has_nothing():
            return to_json(BackupReading("", "", 0, time.time_ns() // 1_000_000, 0))
        if body.get("method", DUMP) == BASE:
            base = BaseBackup(database_url(), directory.resolve(), wait_ms=wait_ms)
            reading = base.take_backup(Path(body["directory"]), stop)
        else:
            reading = adapter.take_backup(Path(body["directory"]), stop)
    return to_json(reading)


def restore_test(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Restores a backup into a scratch database and compares.

    Args:
        arguments: `path` (of the dump or base backup), optionally `archive` (directory of the backups, whose
            log is replayed up to now on a base backup), `secrets` (with DATABASE_URL).
        directory: of the job.
        stop: ends it; the scratch database is removed.

    Returns:
        `{"passed", "differences", "tables": [{"table", "rows", "checksum"}], "took_ms"}`; passed only if
        nothing differs and there was a table.

    Raises:
        ProblemError: see `PostgresBackup.test_restore`; `database-url-missing`, `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the backup was not proven"):
        path = Path(body["path"]).resolve()
        if path.suffix == f".{BASE}":
            held = body.get("archive")
            archive = None if held is None else Path(str(held))
            reading = prove_base(database_url(), path, directory.resolve(), archive, stop)
        else:
            reading = PostgresBackup(database_url(), directory.resolve()).test_restore(path, stop)
    differences = list(reading.differences)
    if not reading.tables:
        differences.append("the backup holds no table, so it proves nothing")
    keep_test(path, differences, reading.took_ms, time.time_ns() // 1_000_000)
    return {
        "passed": not differences,
        "differences": cast("Json", differences),
        "tables": to_json(reading.tables),
        "took_ms": reading.took_ms,
    }


def migrate(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Runs a migration command of the team in the artifact, alone on the database.

    The command sees the job's environment with DATABASE_URL, what `environment` adds, and
    PYTHONDONTWRITEBYTECODE=1, since an artifact must stay as it was built. What it prints goes to
    `migrate.log` in the job's directory, without secrets.

    Args:
        arguments: `command` (argument vector), `artifact` (digest), `artifacts_directory` (path),
            `lock_timeout_ms`, `deadline_ms`, optionally `environment` (an object), `secrets` (with
            DATABASE_URL), `container` (`domain.plan.image.Container`, to run it in the artifact's image)
            with `once` (the program that does so, and the beginning of its order).
        directory: of the job.
        stop: ends the command.

    Returns:
        `ports.database.MigrationReading` as JSON.

    Raises:
        ProblemError: see `PostgresMigration.migrate`; `artifact-missing`, `database-url-missing`,
            `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the migration was not done"):
        added = {str(name): str(value) for name, value in dict(body.get("environment") or {}).items()}
        tree = _artifact(Path(body["artifacts_directory"]), str(body["artifact"]))
        command, after = _housed(body, tree, directory)
        spec = MigrationSpec(
            command=command,
            directory=tree,
            environment={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **added},
            deadline_ms=int(body["deadline_ms"]),
            lock_timeout_ms=int(body["lock_timeout_ms"]),
            after=after,
        )
        secrets = [os.environ[name] for name in dict(body.get("secrets") or {}) if name in os.environ]
        reading = PostgresMigration(database_url(), directory.resolve(), secrets).migrate(spec, stop)
    return to_json(reading)


def _housed(body: Mapping[str, Any], tree: Path, job: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command as it is run here, and what is run after it: by the program `once` for a container."""
    command = tuple(map(str, body["command"]))
    if not command:
        raise bad_arguments("the command is empty")
    if body.get("container") is None:
        return command, ()
    program = tuple(map(str, body["once"]["program"]))
    order = {
        **body["once"]["order"],
        "folder": str(tree),
        "container": body["container"],
        "job": job.name,
        "command": command,
        "deadline_ms": int(body["deadline_ms"]),
    }
    text = json.dumps(order)
    return (*program, "run", text), (*program, "remove", text)


def integrity(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Asks every integrity query.

    Args:
        arguments: `checks` (a list of `domain.plan.database.Integrity` as JSON), optionally `limit_ms` (of
            one query; a minute by default), `secrets` (with DATABASE_URL).
        directory: of the job.
        stop: ends it before the next query.

    Returns:
        `{"passed", "answers": [{"name", "passed", "duration_ms", "why"}]}`.

    Raises:
        ProblemError: `no-checks`, `database-unreachable`, `database-url-missing`, `integrity-stopped`,
            `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the integrity of the database was not checked"):
        checks = from_json(tuple[Integrity, ...], body.get("checks", []))
        limit_ms = int(body.get("limit_ms", CHECK_LIMIT_MS))
        if not checks:
            raise ProblemError(Problem("no-checks", "there is no integrity query", why="zero are not a pass"))
        answers = list(_answers(checks, limit_ms, stop))
    return {"passed": all(bool(answer["passed"]) for answer in answers), "answers": list(answers)}


def _answers(
    checks: tuple[Integrity, ...], limit_ms: int, stop: threading.Event
) -> Iterator[dict[str, Json]]:
    with contextlib.closing(PostgresInspection(database_url())) as inspection:
        for check in checks:
            if stop.is_set():
                raise ProblemError(Problem("integrity-stopped", "the integrity queries were told to stop"))
            started = time.monotonic()
            (answer,) = inspection.check_integrity([check], limit_ms)
            duration_ms = int((time.monotonic() - started) * 1000)
            yield {
                "name": answer.name,
                "passed": answer.passed,
                "duration_ms": duration_ms,
                "why": answer.why,
            }


def _artifact(artifacts: Path, digest: str) -> Path:
    value = digest.removeprefix("sha256:")
    if len(value) != _DIGEST_HEX or not value.isalnum():
        raise ValueError(f"{digest!r} is no sha256 digest")
    tree = artifacts.resolve() / value
    if not tree.is_dir():
        what = "the artifact is not there"
        raise ProblemError(Problem("artifact-missing", what, str(tree), fix="build the release again"))
    return tree
