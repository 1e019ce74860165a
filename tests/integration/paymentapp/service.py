"""The sample service with a database as processes on loopback, and databases that stand at a revision."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.hello import START_LIMIT_S, Hello
from tminus.testing.postgres import Postgres

LIMIT_S = 20.0
MIGRATION_LIMIT_S = 100  # it takes two seconds, and the machine may have much else to do


class Service(Hello):
    """One instance, or a worker, of a release on a database."""

    def __init__(self, directory: Path, url: str, *, slot: str = "", module: str = "paymentapp") -> None:
        super().__init__(directory, slot=slot, environment={"DATABASE_URL": url})
        self._module = module
        self.database = url

    def start(self) -> "Service":
        """Returns when it listens, or works."""
        port = ["--port", str(self.port)] if self._module == "paymentapp" else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, *port],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        # A service that never says so must not hang the test; its end closes the pipe.
        watchdog = threading.Timer(START_LIMIT_S, self._process.kill)
        watchdog.start()
        assert self._process.stdout.readline()
        watchdog.cancel()
        if port:
            until(lambda: self.get("/healthz")[0] == 200)
        return self

    def last_words(self) -> str:
        """What it says on its way out, after SIGTERM."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.read().strip()

    def get(self, path: str, token: str = "") -> tuple[int, Any]:
        status, body = self.ask("GET", path, headers=bearer(token))
        return status, json.loads(body)

    def post(self, path: str, fields: object, token: str = "", key: str = "") -> tuple[int, Any]:
        headers = {**bearer(token), **({"Idempotency-Key": key} if key else {})}
        status, body = self.ask("POST", path, json.dumps(fields).encode(), headers)
        return status, json.loads(body) if body else None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def login(self, user: str = "ada") -> str:
        """A token of a user who is registered where needed."""
        self.post("/auth/register", {"user": user, "password": "engine"})
        status, fields = self.post("/auth/login", {"user": user, "password": "engine"})
        assert status == 200, fields
        token: str = fields["token"]
        return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def until(look: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    ends_at = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


class Databases:
    """Fresh databases that stand at a revision. Each revision is migrated to once and then copied."""

    def __init__(self, server: Postgres, trees: dict[str, Path]) -> None:
        self._server = server
        self._trees = trees
        self._count = 0
        self._made: set[str] = set()

    def at(self, revision: str) -> str:
        """The URL of a new one."""
        if revision not in self._made:
            url = self._server.create_database(revision)
            migrated(self._trees[f"v{revision.split('_', 1)[1].replace('_', '.')}"], url, revision)
            self._made.add(revision)
        self._count += 1
        name = f"copy{self._count}"
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {revision}".encode())
        return self._server.url(name)


def migrate(tree: Path, url: str, revision: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", revision],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=MIGRATION_LIMIT_S,
        check=False,
    )


def migrated(tree: Path, url: str, revision: str) -> None:
    done = migrate(tree, url, revision)
    assert done.returncode == 0, done.stderr


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
