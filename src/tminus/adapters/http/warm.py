"""The work `warm`: fetches pages until they answer, so that no visitor waits for a cold one."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from tminus.adapters.http.connection import Connection, Origin, parse_origin
from tminus.adapters.http.wire import request_bytes
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

ATTEMPT_LIMIT_S = 10.0  # of one fetch: a cold page may render for seconds, a person would have left by then
_PAUSE_S = 0.2  # between two fetches of the same page
_PARALLEL_TARGETS = 8  # asked at the same time
_FINE = range(200, 400)


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `warm`."""

    paths: tuple[str, ...]
    targets: tuple[str, ...]
    deadline_ms: int


def warm(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Fetches every path from every target, in order, each until it answers with 2xx or 3xx.

    Targets are visited at the same time. Paths that the deadline leaves no time for are reported as not
    fetched, and did not pass.

    Args:
        arguments: `paths` (each starts with a slash), `targets` (base URLs: of instances, or of the edge; a
            path in them is put before every path), `deadline_ms` (of all together).
        directory: of the job.
        stop: ends it before the next fetch.

    Returns:
        `{"passed", "answers": [{"name", "target", "passed", "status", "attempts", "duration_ms", "why"}]}`,
        where `name` is the path and `duration_ms` counts from its first fetch to its last.

    Raises:
        ProblemError: `no-paths`, `no-targets`, `bad-arguments`, `warm-stopped`.
    """
    order = _order(arguments)
    ends_at = time.monotonic() + order.deadline_ms / 1000
    found: dict[str, list[dict[str, Json]]] = {}
    slots = threading.Semaphore(_PARALLEL_TARGETS)

    def visit(target: str) -> None:
        with slots:
            found[target] = [_fetch(target, path, ends_at, stop) for path in order.paths]

    threads = [threading.Thread(target=visit, args=(target,)) for target in order.targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if stop.is_set():
        raise ProblemError(Problem("warm-stopped", "warming was told to stop"))
    answers = [answer for target in order.targets for answer in found[target]]
    return {"passed": all(bool(answer["passed"]) for answer in answers), "answers": list(answers)}


def _fetch(target: str, path: str, ends_at: float, stop: threading.Event) -> dict[str, Json]:
    """One path until it is fine, or time is over."""
    parts = urlsplit(target)
    origin = parse_origin(target)
    request = _request(origin, parts.path.rstrip("/") + path)
    started = time.monotonic()
    attempts = status = 0
    why = "not fetched: the deadline was over"
    while not stop.is_set() and (left_s := ends_at - time.monotonic()) > 0:
        attempts += 1
        with Connection(origin) as connection:
            exchange = connection.exchange(request, "GET", min(left_s, ATTEMPT_LIMIT_S))
        status = exchange.answer.status
        why = exchange.why or ("" if status in _FINE else f"answered {status}")
        if not why:
            break
        stop.wait(min(_PAUSE_S, max(0.0, ends_at - time.monotonic())))
    return {
        "name": path,
        "target": target,
        "passed": not why,
        "status": status,
        "attempts": attempts,
        "duration_ms": int((time.monotonic() - started) * 1000),
        "why": why,
    }


def _request(origin: Origin, path: str) -> bytes:
    headers = (("Accept", "*/*"), ("User-Agent", "tminus-warm"), ("Connection", "close"))
    return request_bytes("GET", path, origin.authority, headers, None)


def _order(arguments: Json) -> _Order:
    body = cast("Mapping[str, Any]", arguments if isinstance(arguments, dict) else {})
    try:
        order = _Order(
            tuple(dict.fromkeys(map(str, body.get("paths", [])))),
            tuple(dict.fromkeys(map(str, body.get("targets", [])))),
            int(body["deadline_ms"]),
        )
        for target in order.targets:
            for path in order.paths:
                _request(parse_origin(target), path)
                _slash(path)
    except KeyError as error:
        raise _bad(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise _bad(str(error)) from error
    for code, wanted, why in (
        ("no-paths", order.paths, "what fetches nothing warms nothing"),
        ("no-targets", order.targets, "a path without a host cannot be fetched"),
    ):
        if not wanted:
            raise ProblemError(Problem(code, f"warming has {code.replace('-', ' ')}", why=why))
    return order


def _slash(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} does not start with a slash")


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the arguments of warming cannot be used", why=why))
