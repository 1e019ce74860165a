"""The probes that ask over HTTP: http, instances and uptime, against a server that says what a test wants."""

from http.server import BaseHTTPRequestHandler
from time import time
from typing import Any

import pytest

from tests.integration.liar import Answer, lying, says
from tests.probes.asked import ask, fact, told
from tminus.domain.plan.times import Millis
from tminus.ports.probes import Target
from tminus.probes.http import HTTP, HttpSettings, is_hit
from tminus.probes.instances import INSTANCES, InstancesSettings
from tminus.probes.uptime import UPTIME, UptimeSettings
from tminus.testing.contract.probes import MARKER, REFERENCE

pytestmark = [pytest.mark.integration, pytest.mark.req("R5", "R13", "R15")]

JSON = "application/json"
HEALTH = {"status": "ok", "version": "2.0.0", "checks": [{"up": True}], "lag": 1.50}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (HttpSettings("/healthz"), "pass"),
        (HttpSettings("/healthz", expect_json=(("/status", "ok"), ("/checks/0/up", "true"))), "pass"),
        (HttpSettings("/healthz", expect_json=(("/lag", "1.5"), ("/version", '"2.0.0"'))), "pass"),
        (HttpSettings("/healthz", expect_headers=(("cache-control", "NO-store"),)), "pass"),
        (HttpSettings("/healthz", contains='"status": "ok"'), "pass"),
        (HttpSettings("/healthz", (200, 204), within=Millis(15_000)), "pass"),
        (HttpSettings("/healthz", (204,)), "status 200, expected 204"),
        (HttpSettings("/healthz", expect_json=(("/status", "up"),)), "at /status stands another text of 2"),
        (HttpSettings("/healthz", expect_json=(("/lag", "2"),)), "at /lag stands 1.5, and not 2"),
        (HttpSettings("/healthz", expect_json=(("/checks", "1"),)), "at /checks stands a list of 1"),
        (HttpSettings("/healthz", expect_json=(("/nothing", "1"),)), "nothing stands at /nothing"),
        (HttpSettings("/healthz", expect_headers=(("X-Frame-Options", ""),)), "it has no header X-Frame-"),
        (HttpSettings("/healthz", expect_headers=(("Cache-Control", "max-age"),)), "does not contain"),
        (HttpSettings("/healthz", contains="down"), "does not contain 'down'"),
    ],
)
def test_an_answer_is_judged_by_status_headers_and_values(settings: HttpSettings, expected: str) -> None:
    with lying(says(HEALTH, 200, JSON, **{"Cache-Control": "no-store"})) as liar:
        answer = ask(HTTP, settings, Target(url=liar.url))
    verdict, why = told(answer)
    assert (verdict, expected in why) == (("pass", False) if expected == "pass" else ("fail", True)), why
    assert answer.source == f"GET {liar.url}/healthz"
    assert answer.excerpt.startswith("200 application/json\n{")
    assert fact(answer, "status") == 200


def test_what_takes_too_long_fails_by_its_own_limit() -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        liar.over.wait(0.1)
        says(HEALTH)(handler)

    with lying(slowly) as liar:
        answer = ask(HTTP, HttpSettings("/", within=Millis(50)), Target(url=liar.url))
    assert told(answer) == ("fail", f"it took {fact(answer, 'duration_ms')} ms, limit 50 ms")


def test_a_secret_is_sent_and_never_told() -> None:
    with lying(says({"echo": f"Bearer {MARKER}"})) as liar:
        bearer = ask(HTTP, HttpSettings(liar.url, token=REFERENCE, headers=(("X-Plain", "yes"),)))
        key = ask(HTTP, HttpSettings(liar.url, token=REFERENCE, header="X-Key"))
        sent = [(each.get("Authorization"), each.get("X-Key"), each.get("X-Plain")) for each in liar.headers]
    assert sent == [(f"Bearer {MARKER}", None, "yes"), (None, MARKER, None)]
    assert "Bearer [secret]" in bearer.excerpt
    assert told(key)[0] == "pass"


def test_a_service_without_an_address_is_not_known_yet() -> None:
    assert told(ask(HTTP, HttpSettings("/healthz"))) == ("inconclusive", "the service has no address yet")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": "healthz"}, "neither a path that starts with / nor an http or https address"),
        ({"url": "ftp://example.org/"}, "neither a path that starts with / nor an http or https address"),
        ({"url": "http://shop:password@example.org/"}, "an address holds no user and no password"),
        ({"url": "/", "status": ()}, "no status is expected"),
        ({"url": "/", "expect_json": (("status", "ok"),)}, "'status' is no JSON pointer"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        HttpSettings(**settings)
    assert "password@" not in str(raised.value)


class Edge:
    """A cache: the first answer comes from behind it, later ones from itself."""

    def __init__(self, hit: dict[str, str], miss: dict[str, str]) -> None:
        self._answers: list[Answer] = [says("page", 200, JSON, **miss), says("page", 200, JSON, **hit)]

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(handler)


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"Age": "12"}, "pass"),
        ({"X-Cache": "HIT, MISS"}, "pass"),
        ({"CF-Cache-Status": "HIT"}, "pass"),
        ({"Cache-Status": "edge; hit; ttl=30, origin; fwd=miss"}, "pass"),
        (
            {"Age": "0", "X-Cache": "MISS from edge", "Cache-Status": "edge; fwd=miss; detail=hit-later"},
            "fail",
        ),
        ({}, "fail"),
    ],
)
def test_the_second_answer_of_a_cached_page_comes_from_the_edge(
    headers: dict[str, str], outcome: str
) -> None:
    with lying(Edge(headers, {"X-Cache": "MISS"})) as liar:
        answer = ask(HTTP, HttpSettings("/logo.png", cached=True), Target(url=liar.url))
        assert liar.paths == ["/logo.png", "/logo.png"]
    assert told(answer)[0] == outcome, answer


@pytest.mark.parametrize("headers", [{"age": "²"}, {"age": "-5"}, {"age": ""}, {"x-cache": "hitchhike"}])
def test_a_garbled_header_is_no_hit(headers: dict[str, str]) -> None:
    assert not is_hit(headers)


def test_instances_are_counted_one_by_one() -> None:
    with lying() as first, lying() as second, lying(says({}, 503)) as ill, lying() as gone:
        hosts = tuple(each.url.removeprefix("http://") for each in (first, second, second, ill))
        enough = ask(INSTANCES, InstancesSettings(2), Target(instances=hosts))
        few = ask(INSTANCES, InstancesSettings(3, "/live"), Target(instances=hosts))
        lost = (*hosts, "127.0.0.1:1")
        doubt = ask(INSTANCES, InstancesSettings(3, addresses=lost))
        assert [path for each in (first, second, ill) for path in each.paths] == [
            *("/healthz", "/live", "/healthz"),
            *("/healthz", "/live", "/healthz"),
            *("/healthz", "/live", "/healthz"),
        ]
        assert gone.paths == []
    assert told(enough) == ("pass", "2 of 3 instances are healthy, wanted at least 2")
    assert told(few) == ("fail", "2 of 3 instances are healthy, wanted at least 3")
    assert told(doubt) == (
        "inconclusive",
        "2 of 4 instances are healthy, wanted at least 3; 1 cannot be reached",
    )
    assert "answers 503" in few.excerpt


def test_instances_nobody_knows_of_are_not_healthy() -> None:
    assert told(ask(INSTANCES, InstancesSettings(1)))[0] == "inconclusive"


@pytest.mark.parametrize(
    ("body", "settings", "expected"),
    [
        ({"s": "up"}, {}, ("pass", "the monitor says up, without saying when it looked")),
        ({"s": 2}, {"up": ("2",)}, ("pass", "the monitor says 2, without saying when it looked")),
        ({"s": True}, {"up": ("true",)}, ("pass", "the monitor says true, without saying when it looked")),
        ({"s": "down"}, {}, ("fail", "the monitor does not say up")),
        ({"s": []}, {}, ("inconclusive", "an object or a list stands at /s")),
        ({}, {}, ("inconclusive", "nothing stands at /s")),
        ({"s": "up", "t": 1_000_000_000}, {"at": "/t"}, ("inconclusive", "the monitor last looked ")),
        (
            {"s": "up", "t": "2020-01-01T00:00:00Z"},
            {"at": "/t"},
            ("inconclusive", "the monitor last looked "),
        ),
        (
            {"s": "up", "t": 99_999_999_999},
            {"at": "/t"},
            ("inconclusive", "the monitor says that it looked at"),
        ),
        ({"s": "up", "t": "yesterday"}, {"at": "/t"}, ("inconclusive", "what should say when the monitor")),
        ({"s": "up", "t": "²"}, {"at": "/t"}, ("inconclusive", "what should say when the monitor")),
        (b'{"s": "up", "t": 1e9999999}', {"at": "/t"}, ("inconclusive", "what should say when the monitor")),
        ({"s": "up", "t": None}, {"at": "/t"}, ("inconclusive", "what should say when the monitor")),
        ({"s": "up"}, {"at": "/t"}, ("inconclusive", "nothing stands at /t")),
    ],
)
def test_a_monitor_is_believed_when_it_says_up_and_has_looked_lately(
    body: object, settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    with lying(says(body)) as liar:
        verdict, why = told(ask(UPTIME, UptimeSettings(liar.url, "/s", **settings)))
    assert verdict == expected[0]
    assert why.startswith(expected[1])


def test_a_monitor_that_has_just_looked_is_fresh() -> None:
    with lying(says({"s": "up", "t": int(time())})) as liar:
        answer = ask(UPTIME, UptimeSettings(liar.url, "/s", at="/t", fresh=Millis(60_000)))
    assert told(answer)[0] == "pass"
    assert 0 <= fact(answer, "age_ms") < 60_000
