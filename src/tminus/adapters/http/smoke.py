"""The work `smoke`: a suite of requests against each target. Must not follow redirects."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tminus.adapters.http.connection import Connection, Origin, parse_origin
from tminus.adapters.http.wire import request_bytes
from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.plan.assertion import Answer, UnfilledError, fill, judge_answer
from tminus.domain.plan.request import Request, RequestAnswer
from tminus.domain.problem import Problem, ProblemError

BODY_LIMIT_BYTES = (
    1024 * 1024
)  # of an answer; a smoke test that needs more reads a report, not a sign of life
ATTEMPTS_LIMIT = 5  # a candidate that needs more tries than this is not ready
_PARALLEL_TARGETS = 8  # instances asked at the same time


@dataclass(frozen=True, slots=True)
class _Suite:
    """Arguments of the work, see `smoke`."""

    requests: tuple[Request, ...]
    targets: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    attempts: int
    secrets: Mapping[str, str]

    @property
    def declared(self) -> frozenset[str]:
        """Every name that `{name}` may stand for."""
        captured = {name for request in self.requests for name, _ in request.capture}
        return frozenset(captured | self.secrets.keys())


def smoke(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Runs the suite in order against each target, straight to it and not through a router.

    Every request has a connection of its own. Later requests run also after one failed, but those that
    need what it should have captured fail.

    Args:
        arguments: `requests` (a list of Request as JSON), `targets` (URLs without a path), optionally
            `headers` (an object, added to every request), `attempts` (how often a target whose suite fails
            is given another chance; 1 by default, 5 at most), `secrets` (names and references; the
            values stand in the environment and may be used as `{name}`).
        directory: of the job.
        stop: ends the suite before its next request.

    Returns:
        `{"passed", "targets": [{"target", "passed", "attempts", "answers": [RequestAnswer]}]}`: passed only
        if every request passed on every target.

    Raises:
        ProblemError: `no-requests`, `no-targets`, `bad-arguments`, `smoke-stopped`.
    """
    suite = _suite(arguments)
    found: dict[str, dict[str, Json]] = {}
    slots = threading.Semaphore(_PARALLEL_TARGETS)

    def visit(target: str) -> None:
        with slots:
            found[target] = _visit(suite, target, stop)

    threads = [threading.Thread(target=visit, args=(target,)) for target in suite.targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if stop.is_set():
        raise ProblemError(Problem("smoke-stopped", "the smoke suite was told to stop"))
    results: list[Json] = [found[target] for target in suite.targets]
    return {"passed": all(found[target]["passed"] for target in suite.targets), "targets": results}


def _visit(suite: _Suite, target: str, stop: threading.Event) -> dict[str, Json]:
    answers: list[RequestAnswer] = []
    attempt = 0
    passed = False
    while attempt < suite.attempts and not passed and not stop.is_set():
        attempt += 1
        answers = list(_run(suite, parse_origin(target), stop))
        passed = bool(answers) and all(answer.passed for answer in answers)
    shown: list[Json] = [to_json(answer) for answer in answers]
    return {"target": target, "passed": passed, "attempts": attempt, "answers": shown}


def _run(suite: _Suite, origin: Origin, stop: threading.Event) -> Iterator[RequestAnswer]:
    variables = dict(suite.secrets)
    for request in suite.requests:
        if stop.is_set():
            return
        try:
            filled = fill(request, variables, suite.declared)
            judged = _ask(filled, origin, suite.headers)
        except ValueError as error:
            why = str(error) if isinstance(error, UnfilledError) else "the request cannot be written as HTTP"
            yield RequestAnswer(request.name, False, 0, 0, why)  # noqa: FBT003 - the fields are named there
            continue
        if isinstance(judged, RequestAnswer):
            yield judged
        else:
            yield judged[0]
            variables.update(judged[1])


def _ask(
    request: Request, origin: Origin, headers: tuple[tuple[str, str], ...]
) -> RequestAnswer | tuple[RequestAnswer, Mapping[str, str]]:
    body = None if request.body is None else request.body.encode()
    content = request_bytes(
        request.method, request.path, origin.authority, _all_headers(request, headers), body
    )
    with Connection(origin, keep_body=BODY_LIMIT_BYTES) as connection:
        exchange = connection.exchange(content, request.method, request.limit_ms / 1000)
    duration_ms = exchange.duration_us // 1000
    answer = exchange.answer
    if exchange.why:
        why = exchange.why
    elif answer.body_length > BODY_LIMIT_BYTES:
        why = f"the answer has {answer.body_length} bytes, limit {BODY_LIMIT_BYTES}"
    else:
        judged = judge_answer(request, Answer(answer.status, bytes(answer.body), duration_ms))
        return judged.answer, judged.captured
    return RequestAnswer(request.name, False, duration_ms, answer.status, why)  # noqa: FBT003 - as above


def _all_headers(request: Request, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The request's own headers before those of the suite before the defaults; one connection each."""
    defaults = [("Accept", "*/*"), ("User-Agent", "tminus-smoke")]
    if request.body is not None:
        defaults.append(("Content-Type", _content_type(request.body)))
    chosen: dict[str, tuple[str, str]] = {}
    for name, value in (*request.headers, *headers, *defaults):
        chosen.setdefault(name.lower(), (name, value))
    chosen["connection"] = ("Connection", "close")
    return tuple(chosen.values())


def _content_type(body: str) -> str:
    try:
        json.loads(body)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "application/json"


def _suite(arguments: Json) -> _Suite:
    body: dict[str, Any] = cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
    try:
        requests = from_json(tuple[Request, ...], body.get("requests", []))
        targets = tuple(dict.fromkeys(body.get("targets", [])))
        for target in targets:
            parse_origin(target)
        attempts = max(1, min(int(body.get("attempts", 1)), ATTEMPTS_LIMIT))
        headers = tuple((str(name), str(value)) for name, value in body.get("headers", {}).items())
    except (DecodeError, ValueError, TypeError, AttributeError) as error:
        what = "the smoke suite's arguments cannot be read"
        raise ProblemError(Problem("bad-arguments", what, why=str(error))) from error
    if not requests:
        raise ProblemError(
            Problem(
                "no-requests",
                "the smoke suite has no requests",
                why="zero tests are not a pass",
                fix="name requests under `smoke` or `critical_paths` in launch.yaml",
            )
        )
    if not targets:
        why = "a suite that reaches no instance says nothing"
        raise ProblemError(Problem("no-targets", "the smoke suite has no targets", why=why))
    secrets = {name: os.environ[name] for name in body.get("secrets", {}) if name in os.environ}
    return _Suite(requests, targets, headers, attempts, secrets)
