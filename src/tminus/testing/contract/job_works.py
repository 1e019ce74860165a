"""Works that the contract suite of jobs runs: they show how jobs end, not what they do."""

# ruff: noqa: ARG001 - every work takes the same three arguments

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

_FOREVER_S = 600.0  # longer than any test


class _Work(Protocol):
    def __call__(self, arguments: Json, directory: Path, stop: threading.Event) -> Json: ...


def echo(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Returns its arguments."""
    return arguments


def fail(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Fails as works do when they expect it."""
    raise ProblemError(Problem("tank-empty", "the tank is empty", why="nobody filled it", fix="fill it"))


def crash(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Fails as works do when they have a bug; the text must not get out."""
    raise RuntimeError("hunter2")


def patient(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Notes that it began, then works until told to stop, and returns."""
    (directory / "progress.json").write_text(json.dumps({"began": True}), encoding="utf-8")
    stop.wait(_FOREVER_S)
    return {"stopped": stop.is_set()}


def stubborn(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Does not listen."""
    threading.Event().wait(_FOREVER_S)
    return None


def count(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Appends a line to the file named in its arguments: one for each time it really ran."""
    path = Path(cast("dict[str, str]", arguments)["path"])
    with path.open("a", encoding="utf-8") as file:
        file.write("ran\n")
    return None


def vanish(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Counts as `count` does, then kills its own process, as a machine that runs out of memory would."""
    count(arguments, directory, stop)
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def environment(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Returns the names of its environment's variables, sorted."""
    return cast("list[Json]", sorted(os.environ))


def secret_length(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Returns how long the value of the variable TOKEN is: enough to show that it is there."""
    return len(os.environ.get("TOKEN", ""))


def offspring(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Starts a process that would outlive it in a session of its own, and returns its pid."""
    argv = [sys.executable, "-c", f"import time; time.sleep({_FOREVER_S})"]  # it sleeps, this does not
    child = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL)
    (directory / "progress.json").write_text(json.dumps({"pid": child.pid}), encoding="utf-8")
    if arguments == "stay":
        stop.wait(_FOREVER_S)
    return child.pid


WORKS: Mapping[str, _Work] = {
    "echo": echo,
    "fail": fail,
    "crash": crash,
    "patient": patient,
    "stubborn": stubborn,
    "count": count,
    "vanish": vanish,
    "environment": environment,
    "secret_length": secret_length,
    "offspring": offspring,
}
