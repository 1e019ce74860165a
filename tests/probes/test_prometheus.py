"""The probe prometheus against a real one that scrapes each second and evaluates rules."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.liar import Liar, lying, says
from tests.integration.observability import Daemon, free_port, program
from tests.integration.prometheus import LIMIT_S, PROGRAM, Exporter, exporting
from tests.probes.asked import ask, fact, told
from tminus.probes.prometheus import PROMETHEUS, PrometheusSettings
from tminus.testing.contract.probes import MARKER, REFERENCE

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R15")]

RULES: dict[str, Any] = {
    "groups": [
        {
            "name": "shop",
            "interval": "1s",
            "rules": [
                {"alert": "Watchdog", "expr": "vector(1)"},
                {"alert": "Asleep", "expr": "vector(1) > 2"},
                {"record": "shop:up:sum", "expr": "sum(up)"},
                # Two series of one name cannot be joined, which is found when it is evaluated.
                {"record": "shop:broken", "expr": "up * on(job) up"},
            ],
        }
    ]
}


def until(look: Callable[[], bool], said: Callable[[], str]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < ends_at, said()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def exporters() -> Iterator[list[Exporter]]:
    program(PROGRAM)
    with exporting(2) as found:
        yield found


@pytest.fixture(scope="module")
def url(exporters: list[Exporter], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.json").write_text(json.dumps(RULES), encoding="utf-8")
    listed = json.dumps([f"127.0.0.1:{each.port}" for each in exporters])
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 900ms}\n"
        'rule_files: ["rules.json"]\n'
        f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: {listed}}}]}}]\n",
        encoding="utf-8",
    )
    port = free_port()
    flags = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    daemon = Daemon(PROGRAM, folder, flags)
    daemon.start()
    try:
        found = f"http://127.0.0.1:{port}"
        until(lambda: told(ask(PROMETHEUS, whole(found)))[0] == "pass", daemon.said)
        yield found
    finally:
        daemon.stop()


def whole(url: str) -> PrometheusSettings:
    rules = ("Watchdog", "Asleep", "shop:up:sum")
    return PrometheusSettings(url, targets=2, jobs=("shop",), rules=rules, watchdog="Watchdog")


def test_a_prometheus_that_sees_its_targets_and_has_its_rules_passes(url: str) -> None:
    answer = ask(PROMETHEUS, whole(url))
    assert told(answer) == ("pass", "2 targets are up, 3 rules are loaded, Watchdog fires")
    assert (fact(answer, "targets_up"), fact(answer, "rules")) == (2, 4)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"targets": 3}, "it has 2 targets, wanted at least 3"),
        ({"jobs": ("shop", "pay")}, "it has no target of the job pay"),
        ({"rules": ("HighErrorRate",)}, "the rule HighErrorRate is not loaded"),
        ({"watchdog": "Asleep"}, "Asleep does not fire, so alerts may not either"),
        ({"watchdog": "DeadMansSwitch"}, "DeadMansSwitch does not fire, so alerts may not either"),
    ],
)
def test_what_is_missing_fails(url: str, more: dict[str, Any], why: str) -> None:
    assert told(ask(PROMETHEUS, PrometheusSettings(url, **more))) == ("fail", why)


def test_a_rule_that_cannot_be_evaluated_fails(url: str) -> None:
    settings = PrometheusSettings(url, rules=("shop:broken",))
    expected = ("fail", "the rule shop:broken cannot be evaluated")
    until(lambda: told(ask(PROMETHEUS, settings)) == expected, lambda: repr(ask(PROMETHEUS, settings)))


def test_a_target_that_is_down_fails_and_is_named(url: str, exporters: list[Exporter]) -> None:
    exporters[1].close()
    settings = PrometheusSettings(url)
    until(lambda: told(ask(PROMETHEUS, settings))[0] == "fail", lambda: repr(ask(PROMETHEUS, settings)))
    answer = ask(PROMETHEUS, settings)
    assert told(answer)[1] == f"1 of 2 targets are down: shop 127.0.0.1:{exporters[1].port}"
    assert answer.excerpt == f"shop 127.0.0.1:{exporters[1].port} down"


def api(liar: Liar, **answers: object) -> None:
    """Answers of a Prometheus that has just begun, by the last word of the path."""
    liar.answer = lambda handler: says(
        {"status": "success", "data": answers[handler.path.rpartition("/")[2].partition("?")[0]]}
    )(handler)


def test_what_was_not_scraped_or_evaluated_yet_is_not_known() -> None:
    fresh = {"labels": {"job": "shop", "instance": "a"}, "health": "unknown"}
    rule = {"name": "Watchdog", "health": "unknown"}
    with lying() as liar:
        api(liar, targets={"activeTargets": [fresh]}, rules={"groups": [{"rules": [rule]}]})
        answer = ask(PROMETHEUS, PrometheusSettings(liar.url, rules=("Watchdog",), token=REFERENCE))
        sent = [each["Authorization"] for each in liar.headers]
    assert told(answer) == (
        "inconclusive",
        "1 of 1 targets were not scraped yet; the rule Watchdog was not evaluated yet",
    )
    assert sent == [f"Bearer {MARKER}"] * 2


@pytest.mark.parametrize(
    "targets",
    [None, [], {}, {"activeTargets": None}, {"activeTargets": [1]}, {"activeTargets": [{"labels": 5}]}],
)
def test_what_is_no_answer_of_prometheus_is_not_believed(targets: object) -> None:
    with lying() as liar:
        api(liar, targets=targets)
        answer = ask(PROMETHEUS, PrometheusSettings(liar.url))
    assert told(answer) == ("inconclusive", "it does not answer as Prometheus does")
