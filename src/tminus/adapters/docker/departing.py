"""Containers that are to go: marked by their name, stopped by the engine, removed once they have ended."""

import contextlib
import http
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tminus.adapters.docker import container as box
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.ports.fault import PortFault

LEAVING = ".leaving."
"""In the name of a container that is to go. A name is changed at once, and outlives every controller."""

_ENDED = ("exited", "dead", "created")
_SLACK_S = 20.0  # for the engine beyond the grace that it waits for itself


def is_leaving(listed: Mapping[str, Any]) -> bool:
    """Whether that container, as the engine lists it, is to go."""
    return any(LEAVING in name for name in listed["Names"])


def mark(engine: Engine, listed: Mapping[str, Any]) -> None:
    """Marks a container: from now on every controller knows that it is to go.

    Raises:
        EngineError: the engine refuses.
        Unavailable: `engine-unreachable`.
    """
    ident = str(listed["Id"])
    name = str(listed["Names"][0]).lstrip("/") if listed["Names"] else ident[:12]
    try:
        engine.post(f"/containers/{ident}/rename", {"name": f"{name}{LEAVING}{ident[:12]}"})
    except EngineError as error:
        if error.status != http.HTTPStatus.NOT_FOUND:
            raise


def stop_aside(url: str, ident: str) -> None:
    """Has the engine stop a container; it goes on doing so when nobody listens any more."""

    def run() -> None:
        with contextlib.suppress(PortFault, EngineError), contextlib.closing(Engine(url)) as engine:
            grace_s = int(engine.get(f"/containers/{ident}/json")["Config"].get("StopTimeout") or 10)
            engine.post(f"/containers/{ident}/stop", {"t": grace_s}, limit_s=grace_s + _SLACK_S)

    threading.Thread(target=run, name=f"stop {ident[:12]}", daemon=True).start()


def start_aside(url: str, ident: str) -> None:
    """Has the engine start a container that has ended; whoever reads it next sees what came of it."""

    def run() -> None:
        with contextlib.suppress(PortFault, EngineError), contextlib.closing(Engine(url)) as engine:
            engine.post(f"/containers/{ident}/start")

    threading.Thread(target=run, name=f"start {ident[:12]}", daemon=True).start()


def sweep(
    engine: Engine, listed: Sequence[dict[str, Any]], logs: Path, lines: int
) -> Iterator[dict[str, Any]]:
    """What is left of `listed` after those that have ended and were to go were removed.

    A container that runs once and is overdue is removed too: whoever ran it is gone.
    """
    for each in listed:
        ends = each["Labels"].get(box.ENDS, "")
        overdue = ends.isdigit() and time.time_ns() // 1_000_000 > int(ends)
        if overdue or (is_leaving(each) and each["State"] in _ENDED):
            with contextlib.suppress(PortFault, EngineError):
                _keep_output(engine, each, logs, lines)
                box.remove(engine, each["Id"])
            continue
        yield each


def _keep_output(engine: Engine, listed: Mapping[str, Any], logs: Path, lines: int) -> None:
    name = listed["Labels"].get(box.PROGRAM, "")
    text = box.tail(engine, str(listed["Id"]), lines) if name else ""
    if text:
        with contextlib.suppress(OSError):
            logs.mkdir(parents=True, exist_ok=True)
            with (logs / f"{name}.log").open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
