"""Load of users who do different things, against servers that misbehave on purpose."""

import threading
import time
from collections import Counter

import pytest

from tests.integration.scripted import OK, Visitor, answering, serving
from tminus.adapters.http.load_spec import LoadSpec
from tminus.adapters.http.mix import Ask, run_mix
from tminus.adapters.http.wire import AnswerParser

pytestmark = pytest.mark.integration

GET, PUT = "get", "put"
LIMIT_S = 10


class Users:
    """Fetch and put in turn; every fifth request has a connection of its own."""

    kinds = (GET, PUT)

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.told_of: dict[int, str] = {}
        self.bodies: Counter[bytes] = Counter()

    def ask(self, number: int) -> Ask:
        self.asked.append(number)
        is_new = number % 5 == 0
        if number % 2:
            return Ask(GET, "GET", f"/{number}", is_new=is_new, keep_body=10)
        return Ask(PUT, "PUT", f"/{number}", (("X-Number", str(number)),), b"x" * 40_000, is_new, pause_ms=1)

    def told(self, number: int, ask: Ask, answer: AnswerParser, why: str) -> None:
        assert number not in self.told_of
        self.told_of[number] = why
        self.bodies[bytes(answer.body)] += 1


def spec(
    url: str, *, rate: int = 200, count: int = 40, connections: int = 8, limit_ms: int = 10_000
) -> LoadSpec:
    return LoadSpec(url, rate, 5, connections=connections, limit_ms=limit_ms, count=count)


def test_every_request_is_sent_once_and_its_answer_told() -> None:
    users = Users()
    with serving(answering()) as server:
        result = run_mix(spec(server.url), users)
    assert result.total.sent == result.total.answered == 40
    assert (result.kinds[GET].answered, result.kinds[PUT].answered) == (20, 20)
    assert users.asked == list(range(1, 41))
    assert sorted(users.told_of) == users.asked
    assert set(users.told_of.values()) == {""}
    assert users.bodies == {b"ok": 20, b"": 20}, "only what the script wants to see is kept"


def test_connections_are_kept_unless_a_request_wants_its_own() -> None:
    with serving(answering()) as server:
        run_mix(spec(server.url, connections=1), Users())
    assert server.connections == 1 + 40 // 5


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "cut"),
        (b"", "lost"),
        (b"SSH-2.0-OpenSSH\r\n", "lost"),
    ],
)
def test_what_goes_wrong_has_a_name(said: bytes, fate: str) -> None:
    def script(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.say(said)

    users = Users()
    with serving(script) as server:
        result = run_mix(spec(server.url, count=6), users)
    assert getattr(result.total, fate) == result.total.sent == 6
    assert {failure.fate for failure in result.failures} == {fate}
    assert all(users.told_of.values()) is (fate != "failed")


def test_a_reset_and_a_refused_connection_are_lost() -> None:
    def script(visitor: Visitor, _number: int) -> None:
        visitor.request()
        visitor.reset()

    with serving(script) as server:
        reset = run_mix(spec(server.url, count=4), Users())
    refused = run_mix(spec(server.url, count=4), Users())
    assert (reset.total.lost, refused.total.lost) == (4, 4)
    assert {failure.why for failure in refused.failures} == {"the connection was refused"}


def test_a_request_that_waits_for_a_connection_in_vain_says_so() -> None:
    release = threading.Event()

    def script(visitor: Visitor, _number: int) -> None:
        visitor.request()
        release.wait(10)
        visitor.say(OK)

    began = time.monotonic()
    with serving(script) as server:
        # Numbers 1 to 4 want kept connections, and there is one: the first keeps it until its limit, and
        # what the others have left of theirs by then is next to nothing.
        result = run_mix(spec(server.url, rate=5_000, count=4, connections=1, limit_ms=300), Users())
        release.set()
    assert time.monotonic() - began < LIMIT_S
    reasons = Counter(failure.why for failure in result.failures)
    assert result.total.lost == sum(reasons.values()) == 4
    assert reasons["no complete answer within the time limit"] >= 1
    assert reasons["no connection was free within the time limit"] >= 1


def test_it_begins_nothing_more_when_it_is_stopped() -> None:
    users, stop = Users(), threading.Event()

    def script(visitor: Visitor, _number: int) -> None:
        while visitor.request():
            visitor.say(OK)
            stop.set()

    with serving(script) as server:
        result = run_mix(spec(server.url, count=1000), users, stop)
    assert result.total.sent == result.total.answered < 1000
    assert len(users.told_of) == result.total.sent


def test_load_is_made_over_http_only() -> None:
    with pytest.raises(ValueError, match="load is made over http only"):
        run_mix(spec("https://localhost:1"), Users())
