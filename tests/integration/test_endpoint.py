"""The agent's HTTP endpoint: figures out, alerts in, and nobody holds it up."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tminus.adapters.endpoint import server
from tminus.adapters.endpoint.server import Endpoint
from tminus.ports.fault import PortFault, Refused, Unavailable

pytestmark = [pytest.mark.integration, pytest.mark.req("R10")]

TOKEN = "s3cret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Told:
    """Takes in bodies, or fails as it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.error: Exception | None = None

    def __call__(self, body: bytes) -> str:
        if self.error is not None:
            raise self.error
        self.bodies.append(body)
        return "1 recorded"


@contextmanager
def serving(
    told: Told | None = None, token: str = TOKEN, fault: PortFault | None = None
) -> Iterator[Endpoint]:
    def page() -> str:
        if fault is not None:
            raise fault
        return "tminus_up 1\n"

    endpoint = Endpoint("127.0.0.1", 0, page, "text/plain; version=0.0.4", told, token)
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.close()


def ask(endpoint: Endpoint, method: str, path: str, **more: Any) -> tuple[int, str]:  # noqa: ANN401 - of HTTPConnection.request
    with closing(http.client.HTTPConnection(*endpoint.address, timeout=10)) as connection:
        connection.request(method, path, **more)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_prometheus_gets_the_page() -> None:
    with serving() as endpoint:
        assert ask(endpoint, "GET", "/metrics") == (200, "tminus_up 1\n")


def test_a_page_that_cannot_be_made_now_says_so() -> None:
    with serving(fault=Unavailable("journal-busy", "try again")) as endpoint:
        status, text = ask(endpoint, "GET", "/metrics")
        assert (status, "journal-busy" in text) == (503, True)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/alerts"), ("POST", "/metrics")])
def test_nothing_else_is_there(method: str, path: str) -> None:
    with serving(Told()) as endpoint:
        assert ask(endpoint, method, path, headers=BEARER)[0] == 404


def test_alerts_are_taken_in_with_the_token() -> None:
    told = Told()
    with serving(told) as endpoint:
        assert ask(endpoint, "POST", "/alerts", body=b"{}", headers=BEARER) == (200, "1 recorded\n")
    assert told.bodies == [b"{}"]


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
def test_alerts_without_the_token_are_turned_away_unread(sent: dict[str, str]) -> None:
    told = Told()
    with serving(told) as endpoint:
        assert ask(endpoint, "POST", "/alerts", body=b"{}", headers=sent)[0] == 401
    assert told.bodies == []


def test_an_empty_token_lets_nobody_in() -> None:
    with serving(Told(), token="") as endpoint:
        assert ask(endpoint, "POST", "/alerts", body=b"{}", headers={"Authorization": "Bearer "})[0] == 401


def test_without_anybody_to_take_alerts_there_is_no_such_path() -> None:
    with serving(None) as endpoint:
        assert ask(endpoint, "POST", "/alerts", body=b"{}", headers=BEARER)[0] == 404


def test_a_body_that_is_too_long_is_not_read() -> None:
    told = Told()
    headers = {**BEARER, "Content-Length": str(server.BODY_LIMIT_BYTES + 1)}
    with serving(told) as endpoint:
        assert ask(endpoint, "POST", "/alerts", headers=headers)[0] == 413
    assert told.bodies == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("not JSON"), 400), (Unavailable("journal-full", "the disk is full"), 503)],
)
def test_what_cannot_be_taken_is_sent_again_or_not_by_its_status(error: Exception, status: int) -> None:
    told = Told()
    told.error = error
    with serving(told) as endpoint:
        assert ask(endpoint, "POST", "/alerts", body=b"{}", headers=BEARER)[0] == status


def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WHOLE_LIMIT_S", 0.3)
    with serving() as endpoint, socket.create_connection(endpoint.address, timeout=10) as silent:
        silent.sendall(b"GET /met")
        assert silent.recv(1_000) == b""


def test_more_than_a_few_at_once_are_turned_away_and_the_next_is_served() -> None:
    with serving() as endpoint:
        most = range(server.MOST_CONNECTIONS)
        idle = [socket.create_connection(endpoint.address, timeout=10) for _ in most]
        assert any(not is_served(endpoint) for _ in range(20))  # until the idle ones have been taken in
        for each in idle:
            each.close()
        assert any(is_served(endpoint) for _ in range(200))


def is_served(endpoint: Endpoint) -> bool:
    try:
        return ask(endpoint, "GET", "/metrics")[0] == 200
    except (http.client.HTTPException, OSError):
        return False


def test_an_address_that_somebody_has_is_refused() -> None:
    with serving() as endpoint, pytest.raises(Refused) as refusal:
        Endpoint(*endpoint.address, lambda: "", "text/plain")
    assert refusal.value.code == "endpoint-taken"
