"""The agent's HTTP endpoint: which address, which token, what it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.endpoint.server import Endpoint
from tminus.adapters.prometheus.exposition import CONTENT_TYPE
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.cli.collecting import metrics_page
from tminus.cli.telling import take_notice
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.problem import Problem, ProblemError
from tminus.wiring import Home

LOOPBACK = "127.0.0.1"
"""Figures tell what a service is, and alerts make launches act: nobody elsewhere gets them unless named."""


@contextmanager
def open_endpoint(home: Home, address: str | None, alert_token: str | None) -> Iterator[Endpoint | None]:
    """Answers at `address` for as long as the agent runs; at none without one.

    Raises:
        ProblemError: `bad-endpoint`.
        Refused: `endpoint-taken`, or the token cannot be had.
    """
    if address is None:
        if alert_token is not None:
            raise _bad("--alert-token without --metrics", "there is no address that it would be for")
        yield None
        return
    host, port = _host_and_port(address)
    token = "" if alert_token is None else _token(home, alert_token)
    clock = SystemClock()
    notify = None if alert_token is None else partial(take_notice, home)
    endpoint = Endpoint(host, port, lambda: metrics_page(home, clock.now_ms()), CONTENT_TYPE, notify, token)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.close()


def _host_and_port(text: str) -> tuple[str, int]:
    from tminus.plan.parse import listen_of

    try:
        host, port = listen_of(text)
    except ValueError as error:
        raise _bad(str(error), "the address is where Prometheus asks") from error
    return host or LOOPBACK, port


def _token(home: Home, text: str) -> str:
    try:
        reference = parse_secret_ref(text)
    except ValueError as error:
        raise _bad(str(error), "a token on a command line can be read by everybody on the machine") from error
    token = ReferenceSecrets(home.environment, Path.cwd()).resolve(reference)
    if not token.strip():
        raise _bad(f"{reference.text()} is empty", "an empty token would let everybody in")
    return token


def _bad(what: str, why: str) -> ProblemError:
    fix = "write --metrics 127.0.0.1:9560, and --alert-token env:NAME where alerts are to be taken in"
    return ProblemError(Problem("bad-endpoint", what, "tminus agent", why, fix))
