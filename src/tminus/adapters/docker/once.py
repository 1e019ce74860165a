"""A program that runs one command in the image of an artifact: `python -m tminus.adapters.docker.once`.

`run ORDER` runs it in a container of its own, prints what it prints and ends as it ends; `remove ORDER` takes
away what such a run has left. ORDER is JSON without secrets: these come in the environment, and all of it but
what belongs to this machine is handed on.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.docker import container as box
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.adapters.docker.pulling import pull
from tminus.adapters.docker.record import read_record
from tminus.domain.codec import from_json
from tminus.domain.plan.image import Container
from tminus.domain.problem import ProblemError
from tminus.ports.fault import PortFault

_OURS = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "PATH",
        "PWD",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "TMINUS_JOB",
        "TMPDIR",
        "TZ",
        "VIRTUAL_ENV",
        "DOCKER_CONFIG",
        "SSH_AUTH_SOCK",
    }
)
"""Variables that mean something on this machine only."""

_SLACK_MS = 60_000  # beyond the deadline, after which whoever looks removes what is left
_CANNOT_RUN = 126  # as a shell has it
_TOLD = 143  # ended by SIGTERM, as a shell has it
_SILENT_LIMIT_S = 24 * 3600.0  # a migration may print nothing for hours; its deadline is kept by its guard


@dataclass(frozen=True, slots=True)
class _Order:
    """What to run; see `_order`."""

    folder: Path
    container: Container
    engine: str
    keeper: str
    network: str
    job: str
    command: tuple[str, ...]
    deadline_ms: int

    @property
    def labels(self) -> dict[str, str]:
        ends_ms = time.time_ns() // 1_000_000 + self.deadline_ms + _SLACK_MS
        return {box.KEEPER: self.keeper, box.ONCE: self.job, box.ENDS: str(ends_ms)}


def run(order: _Order, environment: Mapping[str, str]) -> int:
    """Runs the command; returns its exit code. What an earlier run of the same job has left goes first."""
    with closing(Engine(order.engine)) as engine:
        remove(engine, order)
        record = read_record(order.folder)
        pull(engine, record, environment)
        network = box.ensure_network(engine, order.container.network, order.network)
        wish = box.Wish(
            image=record.reference,
            command=order.command,
            environment={name: value for name, value in environment.items() if name not in _OURS},
            container=order.container,
            network=network,
            labels=order.labels,
        )
        made = box.create(engine, "", wish)
        try:
            engine.post(f"/containers/{made}/start")
            _copy_output(engine, made)
            return int(engine.post(f"/containers/{made}/wait", limit_s=_SILENT_LIMIT_S)["StatusCode"])
        finally:
            # On a line of its own: the wish to end may have come in the middle of a call.
            with _undisturbed(), closing(Engine(order.engine)) as own:
                box.remove(own, made)


def remove(engine: Engine, order: _Order) -> None:
    """Takes away every container of that job."""
    for left in box.find(engine, {box.KEEPER: order.keeper, box.ONCE: order.job}):
        box.remove(engine, left["Id"])


def _copy_output(engine: Engine, made: str) -> None:
    query = {"follow": "1", "stdout": "1", "stderr": "1"}
    path = f"/containers/{made}/logs"
    with engine.open("GET", path, query, limit_s=_SILENT_LIMIT_S) as answer:
        for piece in box.output(answer):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second wish to end must not keep the container alive."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _order(text: str) -> _Order:
    body: dict[str, Any] = json.loads(text)
    return _Order(
        folder=Path(body["folder"]),
        container=from_json(Container, body["container"]),
        engine=_engine_of(body),
        keeper=body["keeper"],
        network=body["network"],
        job=body["job"],
        command=tuple(body["command"]),
        deadline_ms=body["deadline_ms"],
    )


def _engine_of(body: Mapping[str, Any]) -> str:
    """The first machine of the plan, else this one."""
    machines = body["container"]["machines"]
    return str(machines[0]["engine"] if machines else body["engine"])


def _leave(*_: object) -> None:
    sys.exit(_TOLD)


def main(verb: str, text: str) -> int:
    """See the module."""
    signal.signal(signal.SIGTERM, _leave)
    order = _order(text)
    try:
        if verb == "run":
            return run(order, os.environ)
        with closing(Engine(order.engine)) as engine:
            remove(engine, order)
    except (PortFault, EngineError, ProblemError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the last line of the command's output
        return _CANNOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
