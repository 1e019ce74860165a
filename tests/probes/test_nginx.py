"""The probes waf and rate-limit against nginx with a rule that refuses and one that counts."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.liar import lying, says
from tests.integration.observability import Daemon, free_port
from tests.probes.asked import ask, fact, told
from tminus.ports.fault import Refused
from tminus.ports.probes import Target
from tminus.probes.rate_limit import MOST_REQUESTS, RATE_LIMIT, RateLimitSettings
from tminus.probes.waf import WAF, WafSettings
from tminus.testing.contract.probes import around

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R14")]

LIMIT_S = 30.0
LOOPBACK = "127.0.0.1"
CONFIG = """\
worker_processes 1;
daemon off;
error_log stderr error;
pid nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  limit_req_zone $binary_remote_addr zone=asked:1m rate=5r/s;
  server {{
    listen 127.0.0.1:{port};
    location /guarded {{ if ($args ~* "(<|%3C)script") {{ return 403; }} return 200 "fine\\n"; }}
    location /open {{ return 200 "fine\\n"; }}
    location /limited {{
      limit_req zone=asked burst=10 nodelay; limit_req_status 429; try_files /none @fine;
    }}
    location @fine {{ return 200 "fine\\n"; }}
    location /closed {{ return 403; }}
    location /full {{ return 429; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    (folder / "nginx.conf").write_text(CONFIG.format(port=port), encoding="utf-8")
    daemon = Daemon("nginx", folder, ["-p", str(folder), "-c", "nginx.conf", "-e", "stderr"])
    daemon.start()
    try:
        ends_at = time.monotonic() + LIMIT_S
        while not listens(port):
            assert time.monotonic() < ends_at, daemon.said()
            time.sleep(0.02)
        yield Target(url=f"http://{LOOPBACK}:{port}")
    finally:
        daemon.stop()


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) == 0


def test_a_firewall_that_refuses_the_pattern_passes(nginx: Target) -> None:
    answer = ask(WAF, WafSettings("/guarded"), nginx)
    assert told(answer) == ("pass", "the pattern is refused with 403")
    assert (fact(answer, "status_plain"), fact(answer, "status_pattern")) == (200, 403)


def test_a_service_without_a_firewall_fails(nginx: Target) -> None:
    expected = ("fail", "the pattern is answered with 200, expected 403 or 406")
    assert told(ask(WAF, WafSettings("/open"), nginx)) == expected


def test_a_path_that_refuses_everybody_shows_no_firewall(nginx: Target) -> None:
    expected = ("inconclusive", "it answers 403 without the pattern too")
    assert told(ask(WAF, WafSettings("/closed"), nginx)) == expected


def test_a_firewall_that_hangs_up_is_not_understood(nginx: Target) -> None:
    with lying() as liar:
        liar.answer = lambda handler: None if "script" in handler.path else says("fine")(handler)
        verdict, why = told(ask(WAF, WafSettings("/"), Target(url=liar.url)))
    assert (verdict, why.startswith("with the pattern: ")) == ("inconclusive", True)


def test_a_limit_is_met_within_few_requests(nginx: Target) -> None:
    answer = ask(RATE_LIMIT, RateLimitSettings(150, "/limited"), nginx)
    assert told(answer)[0] == "pass", answer
    assert 10 < fact(answer, "requests") <= 150


def test_a_service_without_a_limit_fails_after_the_requests_it_was_given(nginx: Target) -> None:
    answer = ask(RATE_LIMIT, RateLimitSettings(40, "/open"), nginx)
    verdict, why = told(answer)
    assert (verdict, why.startswith("no 429 came within 40 requests in ")) == ("fail", True)
    assert answer.excerpt == "200: 40 times"


def test_a_path_that_is_always_full_shows_no_limit(nginx: Target) -> None:
    verdict, why = told(ask(RATE_LIMIT, RateLimitSettings(40, "/full"), nginx))
    assert (verdict, why.startswith("the first request is refused already")) == ("inconclusive", True)


def test_no_more_is_sent_than_was_said() -> None:
    with lying(says("fine")) as liar:
        ask(RATE_LIMIT, RateLimitSettings(30, "/"), Target(url=liar.url))
        assert len(liar.paths) == 30


def test_too_little_time_says_nothing_of_a_limit() -> None:
    with lying() as liar:
        liar.answer = lambda handler: (liar.over.wait(0.05), says("fine")(handler))[1]
        answer = ask(RATE_LIMIT, RateLimitSettings(MOST_REQUESTS, "/"), Target(url=liar.url), limit_ms=300)
    assert told(answer)[0] == "inconclusive"
    assert fact(answer, "requests") < MOST_REQUESTS


@pytest.mark.parametrize("url", ["http://example.org/", "http://192.0.2.1:8000/"])
def test_nobody_elses_host_is_asked(url: str, tmp_path: Path) -> None:
    given = around(tmp_path, Target(url="https://shop.example.com"))
    for kind, settings in ((WAF, WafSettings(url)), (RATE_LIMIT, RateLimitSettings(2, url))):
        with pytest.raises(Refused, match="probe-foreign-host"):
            kind.ask(settings, given, 1_000)


@pytest.mark.parametrize("requests", [0, 1, 201, -5])
def test_a_number_of_requests_that_is_a_load_is_refused(requests: int) -> None:
    with pytest.raises(ValueError, match="from 2 to 200"):
        RateLimitSettings(requests)
