"""The work `command`: one command of the team, run once in an artifact."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

_LOOK_S = 0.05  # how often a running command is looked at
_DIGEST_HEX = 64


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `command`."""

    command: tuple[str, ...]
    tree: Path
    environment: Mapping[str, str]
    deadline_ms: int
    secrets: tuple[str, ...]
    after: tuple[str, ...] = ()


def command(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Runs the command with the artifact as its working directory; it must end with 0.

    It sees the job's environment (the secrets that the arguments name are part of it), what `environment`
    adds, and PYTHONDONTWRITEBYTECODE=1, since an artifact must stay as it was built. What it prints goes to
    `command.log` in the job's directory, without the values of secrets. It does not survive the job.

    Args:
        arguments: `command` (argument vector), `artifact` (digest), `artifacts_directory` (path),
            `deadline_ms`, optionally `environment` (an object), `secrets` (names and references),
            `container` (`domain.plan.image.Container`, to run it in the artifact's image) with `once` (the
            program that does so, and the beginning of its order).
        directory: of the job.
        stop: ends the command.

    Returns:
        `{"passed": true, "took_ms"}`.

    Raises:
        ProblemError: `command-failed`, `command-deadline`, `command-stopped`, `artifact-missing`,
            `bad-arguments`.
    """
    order = _order(arguments, directory)
    ending = _run(order, directory, stop)
    shown = " ".join(map(str, cast("Mapping[str, Any]", arguments)["command"]))
    match ending["ended"]:
        case "exited" if ending["code"] == 0:
            return {"passed": True, "took_ms": ending["took_ms"]}
        case "deadline":
            what = f"the command was not done within {order.deadline_ms} ms"
            problem = Problem(
                "command-deadline", what, shown, ending["tail"], "raise its deadline in launch.yaml"
            )
        case "stopped":
            problem = Problem("command-stopped", "the command was told to stop", shown, ending["tail"])
        case "unstartable":
            problem = Problem("command-failed", "the command cannot be run", shown, ending["tail"])
        case _:
            what = f"the command ended with {ending['code']}"
            fix = "run it by hand in the artifact, correct it, and tag a new version"
            problem = Problem("command-failed", what, shown, ending["tail"], fix)
    raise ProblemError(problem)


def _run(order: _Order, directory: Path, stop: threading.Event) -> dict[str, Any]:
    body = {
        "command": order.command,
        "directory": str(order.tree),
        "environment": {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **order.environment},
        "deadline_ms": order.deadline_ms,
        "log": str((directory / "command.log").resolve()),
        "secrets": order.secrets,
        "after": order.after,
    }
    argv = [sys.executable, "-P", "-m", "tminus.adapters.command.guard"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        try:
            guard.stdin.write(json.dumps(body).encode() + b"\n")
            while guard.poll() is None:
                if stop.wait(_LOOK_S):
                    guard.stdin.write(b"stop\n")
                    guard.wait()
        except BrokenPipeError:
            guard.wait()
        said = guard.stdout.read()
    if not said:
        return {
            "ended": "killed",
            "code": -9,
            "tail": "its guard was killed, and the command with it",
            "took_ms": 0,
        }
    return cast("dict[str, Any]", json.loads(said))


def _order(arguments: Json, directory: Path) -> _Order:
    body = cast("Mapping[str, Any]", arguments if isinstance(arguments, dict) else {})
    try:
        argv = tuple(map(str, body["command"]))
        digest = str(body["artifact"])
        tree = Path(str(body["artifacts_directory"])) / _folder(digest)
        environment = {str(name): str(value) for name, value in dict(body.get("environment") or {}).items()}
        names = dict(body.get("secrets") or {})
        secrets = tuple(os.environ[name] for name in names if name in os.environ)
        order = _Order(argv, tree, environment, int(body["deadline_ms"]), secrets)
        if body.get("container") is not None:
            order = _housed(order, body, directory)
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


def _housed(order: _Order, body: Mapping[str, Any], directory: Path) -> _Order:
    """The same in a container of the artifact's image, by the program that the arguments name for it."""
    program = tuple(map(str, body["once"]["program"]))
    whole = {
        **body["once"]["order"],
        "folder": str(order.tree),
        "container": body["container"],
        "job": directory.name,
        "command": order.command,
        "deadline_ms": order.deadline_ms,
    }
    text = json.dumps(whole)
    return replace(order, command=(*program, "run", text), after=(*program, "remove", text))


def _folder(digest: str) -> str:
    value = digest.removeprefix("sha256:")
    if len(value) != _DIGEST_HEX or not value.isalnum():
        raise ValueError(f"{digest!r} is no sha256 digest")
    return value


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the command's arguments cannot be used", why=why))
