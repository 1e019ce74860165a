"""What becomes of a request when the other side misbehaves: each way has one name."""

import socket
import threading

import pytest

from tests.integration.scripted import OK, Script, Visitor, answering, serving
from tminus.adapters.http.connection import Connection, Fate, parse_origin
from tminus.adapters.http.wire import request_bytes

REQUEST = request_bytes("GET", "/", "host")
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"

pytestmark = pytest.mark.integration


def first(*parts: bytes, end: str = "close") -> Script:
    """Says these parts to the first request, then ends as told."""

    def script(visitor: Visitor, _number: int) -> None:
        visitor.request()
        for part in parts:
            visitor.say(part)
        if end == "reset":
            visitor.reset()
        elif end == "hang":
            visitor.request()

    return script


@pytest.mark.parametrize(
    ("script", "fate", "why"),
    [
        (answering(OK), Fate.ANSWERED, ""),
        (answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), Fate.ANSWERED, ""),
        (answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), Fate.FAILED, ""),
        (first(b"HTTP/1.1 503 No\r\n\r\nuntil close"), Fate.FAILED, ""),
        (first(), Fate.LOST, "the connection was closed before the answer was complete"),
        (first(end="reset"), Fate.LOST, "the connection was reset"),
        (
            first(b"HTTP/1.1 200 OK\r\nContent-"),
            Fate.LOST,
            "the connection was closed before the answer was complete",
        ),
        (first(end="hang"), Fate.LOST, "no complete answer within the time limit"),
        (first(b"HTTP/1.1 200 OK\r\n", end="hang"), Fate.LOST, "no complete answer within the time limit"),
        (
            first(b"220 smtp ready\r\n"),
            Fate.LOST,
            "not an HTTP answer: the answer does not start with HTTP/1.",
        ),
        (first(HALF), Fate.CUT, "the connection was closed before the answer was complete"),
        (first(HALF, end="reset"), Fate.CUT, "the connection was reset"),
        (first(HALF, end="hang"), Fate.CUT, "no complete answer within the time limit"),
    ],
)
def test_each_way_to_misbehave_has_one_name(script: Script, fate: Fate, why: str) -> None:
    with serving(script) as server, Connection(parse_origin(server.url)) as connection:
        exchange = connection.exchange(REQUEST, "GET", 0.3)
        assert (exchange.fate, exchange.why) == (fate, why)
        assert server.connections == 1


def test_a_refused_connection_is_a_lost_request() -> None:
    with serving(answering()) as server:
        server.stop_listening()
        with Connection(parse_origin(server.url)) as connection:
            exchange = connection.exchange(REQUEST, "GET", 5)
    assert (exchange.fate, exchange.why) == (Fate.LOST, "the connection was refused")


def test_the_limit_holds_for_the_whole_and_not_for_each_piece() -> None:
    def drip(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        pause = threading.Event()
        while True:
            visitor.say(b"x")
            pause.wait(0.02)

    with serving(drip) as server, Connection(parse_origin(server.url)) as connection:
        exchange = connection.exchange(REQUEST, "GET", 0.3)
    assert exchange.fate is Fate.CUT
    assert 300_000 <= exchange.duration_us < 5_000_000


def test_a_kept_connection_carries_one_request_after_the_other() -> None:
    with serving(answering()) as server, Connection(parse_origin(server.url)) as connection:
        fates = [connection.exchange(REQUEST, "GET", 5).fate for _ in range(10)]
        assert fates == [Fate.ANSWERED] * 10
        assert server.connections == 1


def test_an_announced_close_is_followed_by_a_new_connection() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(closing)) as server, Connection(parse_origin(server.url)) as connection:
        assert [connection.exchange(REQUEST, "GET", 5).fate for _ in range(3)] == [Fate.ANSWERED] * 3
        assert server.connections == 3


def test_an_idle_connection_that_shows_its_end_is_left_before_anything_is_written() -> None:
    closed = threading.Event()

    def once(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.say(OK)
        visitor.close()
        closed.set()

    with serving(once) as server, Connection(parse_origin(server.url)) as connection:
        assert connection.exchange(REQUEST, "GET", 5).fate is Fate.ANSWERED
        assert closed.wait(10)
        assert connection.exchange(REQUEST, "GET", 5).fate is Fate.ANSWERED
        assert server.connections == 2


def test_a_kept_connection_that_ends_after_the_request_was_written_is_lost_and_not_repeated() -> None:
    def second_is_dropped(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.say(OK)
        visitor.request()

    with serving(second_is_dropped) as server, Connection(parse_origin(server.url)) as connection:
        assert connection.exchange(REQUEST, "GET", 5).fate is Fate.ANSWERED
        assert connection.exchange(REQUEST, "GET", 5).fate is Fate.LOST
        assert server.connections == 1


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no http or https URL with a host"):
        parse_origin(url)


def test_a_name_that_no_resolver_knows_is_a_lost_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Connection(parse_origin("http://nowhere.invalid")) as connection:
        exchange = connection.exchange(REQUEST, "GET", 5)
    assert (exchange.fate, exchange.why) == (Fate.LOST, "gaierror: Name or service not known")
