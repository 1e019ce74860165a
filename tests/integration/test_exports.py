"""What is exported, judged by the programs that it is for: promtool and amtool."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.observability import output
from tests.unit.engine.launches import CANDIDATE, NOW_MS, STABLE, launch
from tminus.adapters.alertmanager.config import Channel, Receiver, config_text, parse_receiver
from tminus.adapters.grafana.dashboard import dashboard_text, expressions
from tminus.adapters.prometheus.exposition import ServiceView, exposition
from tminus.adapters.prometheus.rules import named_rules, rules_text
from tminus.domain.launch import alarm as al
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import evolve
from tminus.domain.plan.alert import Severity
from tminus.domain.plan.plan import Plan
from tminus.domain.watch.answers import Answer
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.measurement import Measurement
from tminus.plan.load import load_plan

pytestmark = [pytest.mark.integration, pytest.mark.req("R10", "R23")]

PLAN = """\
service: shop
version: 1.4.0
run: {command: "serve --port {port}"}
routes: {payment: {paths: [/payments], methods: [POST]}}
database:
  url: env:DATABASE_URL
  questions:
    declined: {sql: "select 0, count(*) from payments where version = '{version}'"}
triggers: [{error_rate: 1 %}, {question: {declined: 15 %}}]
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    file = tmp_path_factory.mktemp("plan") / "launch.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return load_plan(file).plan


@pytest.fixture(scope="module")
def rules(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "rules.yaml"
    file.write_text(rules_text(plan), encoding="utf-8")
    return file


def test_promtool_takes_the_rules(rules: Path) -> None:
    assert "SUCCESS" in output("promtool", "check", "rules", rules)


def test_every_rule_of_the_plan_and_of_its_triggers_is_there(plan: Plan, rules: Path) -> None:
    written = {each["alert"]: each for each in yaml.safe_load(rules.read_text())["groups"][0]["rules"]}
    for name, rule in named_rules(plan).items():
        labels = written[name]["labels"]
        assert (labels["rule"], labels["severity"], labels["role"]) == (rule.name, rule.severity, rule.role)
    assert "declined" in {rule.limit.question for rule in named_rules(plan).values()}


def series(slot: str = "green", **values: str) -> list[dict[str, str]]:
    """Input series: counters of one slot, steps of 15 s."""
    labels = f'service="shop",environment="production",slot="{slot}",class="payment",generation="1"'
    names = {
        "requests": f"tminus_requests_total{{{labels}}}",
        "failures": f"tminus_request_failures_total{{{labels}}}",
        "fast": f'tminus_request_duration_seconds_bucket{{{labels},le="0.5"}}',
        "fair": f'tminus_request_duration_seconds_bucket{{{labels},le="0.3"}}',
        "answers": f"tminus_request_duration_seconds_count{{{labels}}}",
        "bad": 'tminus_question_bad{service="shop",environment="production",question="declined"}',
        "cases": 'tminus_question_cases{service="shop",environment="production",question="declined"}',
        "up": "tminus_up",
        "router": 'tminus_router_up{service="shop",environment="production"}',
        "alert": 'tminus_alert_firing{service="shop",environment="production",rule="missed look",'
        'subject="",cause="missed-look",severity="high",role="team",silenced="false"}',
    }
    return [{"series": names[name], "values": numbers} for name, numbers in values.items()]


CALM = {
    "requests": "0+150x40",
    "failures": "0+0x40",
    "fast": "0+150x40",
    "fair": "0+150x40",
    "answers": "0+150x40",
    "bad": "0x40",
    "cases": "100x40",
    "up": "1x40",
    "router": "1x40",
}

CASES: dict[str, tuple[dict[str, str], str, str, int]] = {
    # what differs from calm, when it is looked at, which alert, how many of it fire
    "calm errors": ({}, "5m", "ErrorRateAbove1Percent", 0),
    "two percent fail": ({"failures": "0+3x40"}, "2m", "ErrorRateAbove1Percent", 1),
    "payments fail": ({"failures": "0+1x40"}, "2m", "PaymentFailuresAbove0_5Percent", 1),
    "a warning waits": ({"failures": "0+1x40"}, "45s", "ErrorRateAbove0_5Percent", 0),
    "a warning comes": ({"failures": "0+1x40"}, "4m", "ErrorRateAbove0_5Percent", 1),
    "too few requests": (
        {"requests": "0+1x40", "failures": "0+1x40", "answers": "0+1x40", "fast": "0+1x40", "fair": "0+1x40"},
        "5m",
        "ErrorRateAbove1Percent",
        0,
    ),
    "fast enough": ({"fast": "0+145x40"}, "3m", "ResponseTimeP95Above500ms", 0),
    "too slow": ({"fast": "0+140x40"}, "3m", "ResponseTimeP95Above500ms", 1),
    "question calm": ({"bad": "10x40"}, "3m", "Declined", 0),
    "question broken": ({"bad": "20x40"}, "3m", "Declined", 1),
    "readings are there": ({}, "5m", "TminusNoReadings", 0),
    "no readings": ({"requests": "_x40"}, "5m", "TminusNoReadings", 1),
    "no answers": ({"cases": "_x40"}, "5m", "TminusNoReadings2", 1),
    "the router is there": ({}, "5m", "TminusRouterDown", 0),
    "the router is gone": ({"router": "0x40"}, "5m", "TminusRouterDown", 1),
    "tminus is there": ({}, "5m", "TminusSilent", 0),
    "tminus is gone": ({"up": "_x40"}, "5m", "TminusSilent", 1),
    "a missed look": ({"alert": "1x40"}, "1m", "TminusAlert", 1),
    "no missed look": ({}, "1m", "TminusAlert", 0),
    "the watchdog": ({}, "1m", "TminusWatchdog", 1),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_should_and_else_not(case: str, rules: Path, tmp_path: Path) -> None:
    changes, at, name, count = CASES[case]
    table = yaml.safe_load(rules.read_text(encoding="utf-8"))
    written = {each["alert"]: each for each in table["groups"][0]["rules"]}
    query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    expected = [{"labels": "{}", "value": count}] if count else []
    test: dict[str, Any] = {
        "rule_files": [str(rules)],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": series(**{**CALM, **changes}),
                "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": expected}],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    assert name in written
    output("promtool", "test", "rules", file)


RECEIVERS = (
    "on-call=pagerduty:secrets/on-call",
    "team=slack:secrets/team:#releases",
    "watchdog=webhook:secrets/watchdog:http://127.0.0.1:9/beat",
)
HOOK = Receiver("tminus", Channel.WEBHOOK, "secrets/tminus", "http://127.0.0.1:9560/alerts")


@pytest.fixture(scope="module")
def routes(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("routes") / "alertmanager.yaml"
    file.write_text(config_text(plan, map(parse_receiver, RECEIVERS), HOOK), encoding="utf-8")
    return file


def test_amtool_takes_the_routes(routes: Path, plan: Plan, tmp_path: Path) -> None:
    assert "SUCCESS" in output("amtool", "check-config", routes)
    least = tmp_path / "least.yaml"
    least.write_text(config_text(plan, ()), encoding="utf-8")
    assert "SUCCESS" in output("amtool", "check-config", least)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"role": "on-call", "severity": "critical"}, "tminus,on-call"),
        ({"role": "team", "severity": "warning"}, "tminus,team"),
        ({"role": "watchdog", "severity": "none"}, "tminus,watchdog"),
        ({"role": "nobody", "severity": "high"}, "tminus,on-call"),
    ],
)
def test_an_alert_reaches_its_role_and_tminus(routes: Path, labels: dict[str, str], receivers: str) -> None:
    asked = [f"{name}={value}" for name, value in labels.items()]
    told = output("amtool", "config", "routes", "test", f"--config.file={routes}", *asked)
    assert told.strip() == receivers


def test_no_secret_stands_in_the_routes(routes: Path) -> None:
    body = yaml.safe_load(routes.read_text(encoding="utf-8"))
    [page] = [each for each in body["receivers"] if each["name"] == "on-call"]
    assert page["pagerduty_configs"][0]["routing_key_file"] == "secrets/on-call"


@pytest.mark.parametrize("text", ["", "on-call", "on-call=mail:x", "team=slack:file", "a=pagerduty:f:more"])
def test_a_receiver_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not ROLE=pagerduty:FILE"):
        parse_receiver(text)


def test_promtool_reads_every_query_of_the_dashboard(plan: Plan, tmp_path: Path) -> None:
    body = json.loads(dashboard_text(plan))
    assert {"Request rate", "Error rate", "Response time p95", "payment: success", "Question declined"} <= {
        panel["title"] for panel in body["panels"]
    }
    records = [{"record": f"q{n}", "expr": each} for n, each in enumerate(expressions(plan))]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": records}]}), encoding="utf-8")
    assert f"{len(records)} rules found" in output("promtool", "check", "rules", file)


def page() -> str:
    """A page with everything that can stand in one."""
    state = launch(Phase.WATCHING)
    fired = al.AlertFired(
        'a "rule"\\', "green", al.Cause.LIMIT, Severity.HIGH, "team", "team", "5 of 10 failed"
    )
    state = evolve(state, fired, NOW_MS)
    counts = Counts(100, 2, 98, tuple(50 + index for index in range(len(BUCKETS_MS))))
    classes = tuple(ClassCounts(slot, 5, name, counts) for slot in (STABLE, CANDIDATE) for name in "ab")
    full = ServiceView(
        service="shop",
        environment="production",
        launch="shop-1",
        state=state,
        sample=Sample(NOW_MS, classes),
        answers={"q": Answer(1, 2, 3)},
        measured={
            "cpu": (Measurement(1, value_micro=82_500_000),),
            "paid": (Measurement(1, bad=1, total=9),),
        },
        look_due_ms=NOW_MS,
    )
    return exposition([full, ServiceView("idle", "staging")], NOW_MS)


def test_promtool_reads_the_page(plan: Plan) -> None:
    output("promtool", "check", "metrics", feed=page())


def test_the_page_says_what_is_down_and_what_fires() -> None:
    lines = page().splitlines()
    assert 'tminus_router_up{service="idle",environment="staging"} 0' in lines
    assert (
        'tminus_alert_firing{service="shop",environment="production",rule="a \\"rule\\"\\\\",'
        'subject="green",cause="limit",severity="high",role="team",silenced="false"} 1'
    ) in lines
    assert 'tminus_metric_value{service="shop",environment="production",metric="cpu",arm=""} 82.5' in lines
    assert 'tminus_metric_cases{service="shop",environment="production",metric="paid",arm=""} 9' in lines
    assert (
        'tminus_request_duration_seconds_bucket{service="shop",environment="production",'
        'slot="blue",class="a",generation="5",le="+Inf"} 98'
    ) in lines
