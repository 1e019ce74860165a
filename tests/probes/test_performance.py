import json
import time
from pathlib import Path

import pytest

from tests.integration.liar import lying, says
from tests.probes.repository import Repository, ask, made, said
from tminus.adapters.report.figures import figures
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.performance import PERFORMANCE, PerformanceSettings

pytestmark = pytest.mark.req("R17")


def k6(p95_ms: float = 180.5, failed: int = 0, requests: int = 1000) -> str:
    # As --summary-export writes it; a pass of http_req_failed is a request that failed.
    return json.dumps(
        {
            "metrics": {
                "http_req_duration": {"avg": 90.1, "p(90)": 150.0, "p(95)": p95_ms},
                "http_req_failed": {"value": failed / requests, "passes": failed, "fails": requests - failed},
                "http_reqs": {"count": requests, "rate": 50.0},
            }
        }
    )


K6_HANDLED = json.dumps(
    {
        "metrics": {
            "http_req_duration": {"type": "trend", "values": {"p(95)": 180.5}},
            "http_req_failed": {"type": "rate", "values": {"rate": 0.001, "passes": 1, "fails": 999}},
            "http_reqs": {"type": "counter", "values": {"count": 1000, "rate": 50.0}},
        }
    }
)
LOCUST_CSV = """Type,Name,Request Count,Failure Count,Median Response Time,50%,90%,95%,99%
GET,/,900,1,80,80,150,170,300
,Aggregated,1000,1,80,80,150,180,310
"""
LOCUST_JSON = json.dumps(
    [
        {"name": "/", "num_requests": 94, "num_failures": 0, "response_times": {"20": 94}, "start_time": 1.0},
        {"name": "/pay", "num_requests": 6, "num_failures": 1, "response_times": {"180": 1, "400.0": 5}},
    ]
)
WRK = """Running 10s test @ http://localhost:8080/
  2 threads and 10 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   93.69%
    Req/Sec     9.20k     0.87k   10.00k    75.00%
  Latency Distribution
     50%  400.00us
     75%    1.00ms
     90%    1.50ms
     99%    4.00ms
  1000 requests in 10.00s, 150.00MB read
  Socket errors: connect 0, read 0, write 0, timeout 2
  Non-2xx or 3xx responses: 3
Requests/sec:    100.00
"""
OWN = json.dumps({"requests": 1000, "failed": 0, "p95_us": 180_500})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (k6(), ("k6", 1000, 0, 180_500, 180_500)),
        (K6_HANDLED, ("k6", 1000, 1, 180_500, 180_500)),
        (LOCUST_CSV, ("locust", 1000, 1, 180_000, 180_000)),
        (LOCUST_JSON, ("locust", 100, 1, 180_000, 180_000)),
        (WRK, ("wrk", 1000, 5, 1_500, 4_000)),
        (WRK.replace("  Latency Distribution", "").replace("%", ""), ("wrk", 1000, 5, 0, 12_920)),
        (OWN, ("tminus", 1000, 0, 180_500, 180_500)),
    ],
)
def test_every_format_tells_the_same_figures(content: str, expected: tuple[str, int, int, int, int]) -> None:
    found = figures(content.encode())
    names = ("format", "requests", "failed", "p95_low_us", "p95_high_us")
    assert tuple(found[name] for name in names) == expected


def judge(repository: Repository, report: str, baseline: str = "", **settings: object) -> Answer:
    repository.write("load.json", report)
    if baseline:
        repository.write("last.json", baseline)
        settings["baseline"] = "last.json"
    asked = made(PerformanceSettings, file="load.json", **settings)
    return ask(PERFORMANCE, asked, repository.around())


def test_a_load_test_within_its_limits_passes(repository: Repository) -> None:
    answer = judge(repository, k6(failed=1), p95=Millis(181))
    assert said(answer) == (Outcome.PASS, "1000 requests, 0.1 % failed, p95 180.5 ms")
    assert {"requests": 1000, "failed": 1, "p95_us": 180_500}.items() <= dict(answer.facts).items()


@pytest.mark.parametrize(
    ("report", "baseline", "outcome", "why"),
    [
        (k6(p95_ms=200.1), "", Outcome.FAIL, "p95 is 200.1 ms, limit 200 ms"),
        (k6(failed=2), "", Outcome.FAIL, "0.2 % of the requests failed, limit 0.1 %"),
        (k6(requests=99), "", Outcome.INCONCLUSIVE, "99 requests, fewer than 100 are no evidence"),
        (
            k6(),
            k6(p95_ms=150.0),
            Outcome.FAIL,
            "p95 is 180.5 ms, and the last one's 150 ms: more than 20 % longer",
        ),
        (
            k6(),
            k6(p95_ms=150.5),
            Outcome.PASS,
            "1000 requests, 0 % failed, p95 180.5 ms, the last one's 150.5 ms",
        ),
        (k6(), "hello", Outcome.INCONCLUSIVE, "last.json: it is of neither k6, locust, wrk nor tminus"),
        (
            k6(failed=9, requests=3).replace('"fails": -6', '"fails": 0'),
            "",
            Outcome.INCONCLUSIVE,
            "load.json: it tells of 9 failures of 3 requests",
        ),
        ("{}", "", Outcome.INCONCLUSIVE, "load.json: it is JSON of neither k6, locust nor tminus"),
    ],
)
def test_limits_and_the_last_release_decide(
    repository: Repository, report: str, baseline: str, outcome: Outcome, why: str
) -> None:
    assert said(judge(repository, report, baseline, p95=Millis(200))) == (outcome, why)


@pytest.mark.parametrize(
    ("p95_ms", "outcome"),
    [(1, Outcome.FAIL), (2, Outcome.INCONCLUSIVE), (3, Outcome.INCONCLUSIVE), (4, Outcome.PASS)],
)
def test_a_percentile_that_lies_between_two_others_passes_by_the_upper_and_fails_by_the_lower(
    repository: Repository, p95_ms: int, outcome: Outcome
) -> None:
    answer = judge(repository, WRK, p95=Millis(p95_ms), errors="1 %")
    assert answer.outcome is outcome, answer.why


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"p95": Millis(1)}, "write either file or url"),
        ({"file": "a", "url": "http://localhost/", "p95": Millis(1)}, "write either file or url"),
        ({"file": "a"}, "nothing bounds the response time"),
        ({"url": "http://shop.example.com/", "p95": Millis(1)}, "only http on this machine"),
        ({"url": "http://localhost/", "p95": Millis(1), "rate": 5_000}, "rate lies in"),
        ({"file": "a", "p95": Millis(1), "errors": "few"}, "is not a share"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        made(PerformanceSettings, **settings)


def test_a_file_that_is_not_there_says_nothing(repository: Repository, tmp_path: Path) -> None:
    answer = ask(PERFORMANCE, PerformanceSettings(file="none.json", p95=Millis(1)), repository.around())
    assert said(answer) == (Outcome.INCONCLUSIVE, "there is no none.json")


@pytest.mark.slow
@pytest.mark.integration
def test_a_load_that_is_made_here_is_judged_by_what_it_measured(repository: Repository) -> None:
    with lying(says({})) as liar:
        url = f"{liar.url.replace('127.0.0.1', 'localhost')}/pay?a=1"
        asked = made(PerformanceSettings, url=url, rate=100, seconds=2, p95=Millis(5_000))
        answer = ask(PERFORMANCE, asked, repository.around())
        assert answer.outcome is Outcome.PASS, answer.why
        facts = dict(answer.facts)
        assert (facts["requests"], facts["failed"]) == (200, 0)
        assert 0 < facts["p95_us"] < 5_000_000
        assert set(liar.paths) == {"/pay?a=1"}
        liar.answer = says({}, status=404)
        refused = ask(PERFORMANCE, asked, repository.around())
        assert refused.outcome is Outcome.INCONCLUSIVE
        assert refused.why.endswith("served none of 200 requests")
    gone = ask(PERFORMANCE, asked, repository.around())
    assert gone.outcome is Outcome.INCONCLUSIVE


@pytest.mark.slow
@pytest.mark.integration
def test_a_load_ends_within_the_time_that_the_probe_has(repository: Repository) -> None:
    with lying(says({})) as liar:
        asked = made(PerformanceSettings, url=liar.url, rate=50, seconds=300, p95=Millis(5_000))
        began = time.monotonic()
        answer = ask(PERFORMANCE, asked, repository.around(), 6_000)
        assert time.monotonic() - began < 30
    assert answer.outcome in (Outcome.PASS, Outcome.INCONCLUSIVE), answer.why
    assert dict(answer.facts)["requests"] > 0
