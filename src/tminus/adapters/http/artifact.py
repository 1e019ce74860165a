"""The work `artifact-smoke`: one instance of an artifact, started alone, asked, and stopped.

The instance runs under the program `tminus.adapters.command.guard`, which ends it and everything that it
has started when it is told to, and when whoever started it is gone.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tminus.adapters.http.connection import Connection, parse_origin
from tminus.adapters.http.smoke import smoke
from tminus.adapters.http.wire import request_bytes
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

_LOCAL = "127.0.0.1"
_LOOK_S = 0.1  # how often an instance that boots is asked for its health
_ASK_S = 1.0  # within which it must answer
_END_S = 4.0  # of the job's grace of 5 s, for an instance that is told to stop
_DIGEST_HEX = 64
_OK = 200


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `artifact_smoke`."""

    command: tuple[str, ...]
    tree: Path
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    health_path: str
    boot_deadline_ms: int
    requests: Json


def artifact_smoke(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Starts the artifact once on a free port of this machine, sends it the suite, and stops it completely.

    It sees the job's environment (the secrets that the arguments name are part of it), what `environment`
    adds, PORT, and PYTHONDONTWRITEBYTECODE=1. It is in no slot and behind no router. What it prints goes to
    `instance.log` in the job's directory, without the values of secrets.

    Args:
        arguments: `command` (argument vector, `{port}` is replaced), `artifact` (digest),
            `artifacts_directory` (path), `health_path`, `boot_deadline_ms`, `requests` (a list of Request
            as JSON), optionally `environment` (an object), `secrets` (names and references).
        directory: of the job.
        stop: ends it.

    Returns:
        As the work `smoke`, with `boot_ms`, the time until its health path answered 200.

    Raises:
        ProblemError: `artifact-not-up`, `artifact-missing`, `smoke-stopped`, `no-requests`,
            `bad-arguments`.
    """
    order = _order(arguments)
    port = _free_port()
    target = f"http://{_LOCAL}:{port}"
    with _instance(order, port, directory) as instance:
        boot_ms = _await_health(order, target, instance, stop)
        asked: Json = {"requests": order.requests, "targets": [target]}
        result = cast("dict[str, Json]", smoke(asked, directory, stop))
    return {**result, "boot_ms": boot_ms}


class _Instance:
    """The process that guards the instance."""

    def __init__(self, guard: "subprocess.Popen[bytes]") -> None:
        self._guard = guard
        self._said = b""

    @property
    def ended(self) -> bool:
        """Nothing of the instance runs any more."""
        return self._guard.poll() is not None

    def end(self) -> dict[str, Any]:
        """Stops it where it runs, and tells how it ended; empty where its guard was killed."""
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        with suppress(OSError):
            self._guard.stdin.write(b"stop\n")
        try:
            self._guard.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # and the instance with it
            self._guard.wait()
        self._said = self._said or self._guard.stdout.read()
        return cast("dict[str, Any]", json.loads(self._said)) if self._said else {}


@contextmanager
def _instance(order: _Order, port: int, directory: Path) -> Iterator[_Instance]:
    body = {
        "command": [word.replace("{port}", str(port)) for word in order.command],
        "directory": str(order.tree),
        "environment": {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            **order.environment,
            "PORT": str(port),
        },
        "deadline_ms": 1 << 40,  # the job's own deadline ends it
        "log": str((directory / "instance.log").resolve()),
        "secrets": order.secrets,
    }
    argv = [sys.executable, "-P", "-m", "tminus.adapters.command.guard"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
    ) as guard:
        assert guard.stdin is not None
        instance = _Instance(guard)
        try:
            guard.stdin.write(json.dumps(body).encode() + b"\n")
            yield instance
        finally:
            instance.end()


def _await_health(order: _Order, target: str, instance: _Instance, stop: threading.Event) -> int:
    """Milliseconds until the health path answered 200."""
    began_s = time.monotonic()
    while not _is_healthy(target, order.health_path):
        if instance.ended:
            ending = instance.end()
            raise _not_up(
                order, f"it ended with {ending.get('code', 'nothing')}", str(ending.get("tail", ""))
            )
        if time.monotonic() - began_s >= order.boot_deadline_ms / 1000:
            why = f"{order.health_path} did not answer 200 within {order.boot_deadline_ms} ms"
            raise _not_up(order, why, str(instance.end().get("tail", "")))
        if stop.wait(_LOOK_S):
            raise ProblemError(Problem("smoke-stopped", "the smoke suite was told to stop"))
    return int((time.monotonic() - began_s) * 1000)


def _is_healthy(target: str, path: str) -> bool:
    origin = parse_origin(target)
    content = request_bytes("GET", path, origin.authority, (("Connection", "close"),), None)
    with Connection(origin) as connection:
        exchange = connection.exchange(content, "GET", _ASK_S)
    return not exchange.why and exchange.answer.status == _OK


def _not_up(order: _Order, why: str, tail: str) -> ProblemError:
    return ProblemError(
        Problem(
            "artifact-not-up",
            f"the artifact was started alone and is not up: {why}",
            " ".join(order.command),
            tail,
            "run the command by hand in the artifact, or see `build.smoke` in launch.yaml",
        )
    )


def _free_port() -> int:
    with socket.create_server((_LOCAL, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _order(arguments: Json) -> _Order:
    body = cast("Mapping[str, Any]", arguments if isinstance(arguments, dict) else {})
    try:
        argv = tuple(map(str, body["command"]))
        tree = Path(str(body["artifacts_directory"])) / _folder(str(body["artifact"]))
        environment = {str(name): str(value) for name, value in dict(body.get("environment") or {}).items()}
        secrets = tuple(os.environ[name] for name in dict(body.get("secrets") or {}) if name in os.environ)
        boot_ms, path = int(body["boot_deadline_ms"]), str(body["health_path"])
        order = _Order(argv, tree, environment, secrets, path, boot_ms, body["requests"])
    except KeyError as error:
        raise _bad(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise _bad(str(error)) from error
    if not argv:
        raise _bad("the command is empty")
    if not tree.is_dir():
        what = "the artifact is not there"
        raise ProblemError(Problem("artifact-missing", what, str(tree), fix="build the release again"))
    return order


def _folder(digest: str) -> str:
    value = digest.removeprefix("sha256:")
    if len(value) != _DIGEST_HEX or not value.isalnum():
        raise ValueError(f"{digest!r} is no sha256 digest")
    return value


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the artifact to smoke cannot be told", why=why))
