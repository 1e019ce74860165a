"""An image tried alone, before it is pushed: by a command in it, or by the health of one instance."""

import http.client
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tminus.adapters.docker.container import ONCE, Wish, create, find, remove, tail
from tminus.adapters.docker.dialing import host_of
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.domain.plan.image import Container
from tminus.domain.problem import Problem, ProblemError

_LOOK_S = 0.1
_ASK_LIMIT_S = 1.0
_TAIL = 12  # lines of output: enough to see what failed
_HEALTHY = 200


@dataclass(frozen=True, slots=True)
class Smoke:
    """How an image is tried.

    Attributes:
        command: run in it without a network, must end with 0; empty asks an instance for its health.
        run: the instance's own command; empty for the image's.
        environment: of either, nothing secret.
        container: limits, and the port that the instance listens on.
        health: path that must answer 200.
        limit_ms: for either.
        job: names what is left by a try that was killed.
    """

    command: tuple[str, ...]
    run: tuple[str, ...]
    environment: Mapping[str, str]
    container: Container
    health: str
    limit_ms: int
    job: str


def smoke(engine: Engine, image: str, order: Smoke, stop: threading.Event) -> str:
    """Tries the image; returns what was done in words.

    Raises:
        ProblemError: `image-smoke-failed`, `build-stopped`.
        Unavailable: `engine-unreachable`.
    """
    for left in find(engine, {ONCE: order.job}):
        remove(engine, left["Id"])
    port = str(order.container.port)
    alone = Wish(
        image=image,
        command=order.command,
        environment=order.environment,
        container=order.container,
        network="none",
        labels={ONCE: order.job},
    )
    if not order.command:
        alone = replace(
            alone,
            command=[word.replace("{port}", port) for word in order.run],
            environment={**order.environment, "PORT": port},
            network="bridge",
            published=("127.0.0.1" if engine.url.startswith("unix:") else "", 0),
        )
    try:
        made = create(engine, "", alone)
    except EngineError as error:
        raise _failed("no container can be made of the image", image, error.why) from error
    try:
        return _watch(engine, made, order, stop)
    finally:
        remove(engine, made)


def _watch(engine: Engine, made: str, order: Smoke, stop: threading.Event) -> str:
    try:
        engine.post(f"/containers/{made}/start")
    except EngineError as error:
        raise _failed("the image does not start", made, error.why) from error
    until = time.monotonic() + order.limit_ms / 1000
    while True:
        state = engine.get(f"/containers/{made}/json")
        running, code = state["State"]["Running"], state["State"]["ExitCode"]
        if order.command and not running:
            if code == 0:
                return f"{' '.join(order.command)} ended with 0"
            raise _failed(f"`build.docker.smoke` ended with {code}", made, tail(engine, made, _TAIL))
        if not order.command and not running:
            raise _failed(f"the instance ended with {code}", made, tail(engine, made, _TAIL))
        if not order.command and _answers(engine, state, order):
            return f"GET {order.health} answered 200"
        if time.monotonic() > until:
            what = f"not done within {order.limit_ms} ms"
            if not order.command:
                asked = f"GET {order.health} on port {order.container.port}"
                what = f"{asked} did not answer 200 within {order.limit_ms} ms"
            raise _failed(what, made, tail(engine, made, _TAIL))
        if stop.wait(_LOOK_S):
            raise ProblemError(Problem("build-stopped", "the build was told to stop"))


def _answers(engine: Engine, state: Mapping[str, Any], order: Smoke) -> bool:
    bound = (state["NetworkSettings"]["Ports"] or {}).get(f"{order.container.port}/tcp") or []
    if not bound:
        return False
    line = http.client.HTTPConnection(host_of(engine.url), int(bound[0]["HostPort"]), timeout=_ASK_LIMIT_S)
    try:
        line.request("GET", order.health)
        return line.getresponse().status == _HEALTHY
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def _failed(what: str, where: str, why: str) -> ProblemError:
    fix = "run the image by hand, correct it, and tag a new version; nothing was pushed"
    return ProblemError(Problem("image-smoke-failed", what, where[:19], why, fix))
