"""What a plan becomes when it is read."""

from dataclasses import replace

import pytest

from tests.unit.plan.plans import loaded, plan_with
from tminus.domain.plan.judging import Judging, Mode, OnUnderpowered
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.plan import (
    ArtifactSmoke,
    Build,
    Lease,
    Listen,
    Meter,
    Plan,
    Run,
    Shift,
    Source,
    Stay,
    Window,
)
from tminus.domain.plan.request import Request
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tminus.domain.problem import ProblemError

T0_MS = 1_766_239_200_000  # 2025-12-20T14:00Z


@pytest.mark.req("R2", "R7", "R9", "R20", "R21")
def test_a_plan_that_says_little_gets_the_defaults_of_the_domain() -> None:
    health = (Request("GET /healthz", "GET", "/healthz"),)
    expected = Plan(
        service="hello",
        version="1.1.0",
        source=Source(".", "v1.1.0"),
        run=Run(("./serve", "--port", "{port}")),
        build=Build(smoke=ArtifactSmoke.SUITE),
        smoke=health,
        critical_paths=health,
    )
    # What this machine is asked for by default is the plan's own, and not the domain's.
    assert replace(plan_with(), alerts=expected.alerts, metrics=expected.metrics) == expected


@pytest.mark.parametrize("typed", ["no", "050", "22:30", "1.10", "0x1F", "~", "null", "1e3", "2025-12-20"])
def test_a_scalar_means_what_was_typed(typed: str) -> None:
    assert plan_with(f"  env: {{VALUE: {typed}}}\n").run.environment == (("VALUE", typed),)


@pytest.mark.parametrize(
    ("typed", "body"),
    [
        ("{a: 12, b: 1.10, c: -3e2}", '{"a":12,"b":1.10,"c":-3e2}'),
        ("{a: true, b: null, c: no, d: 050}", '{"a":true,"b":null,"c":"no","d":"050"}'),
        ('{a: "12", b: "true"}', '{"a":"12","b":"true"}'),
        ("[1, [a], {}]", '[1,["a"],{}]'),
        ("déjà", '"déjà"'),
    ],
)
def test_a_json_body_is_written_as_yaml(typed: str, body: str) -> None:
    [request] = plan_with(f"critical_paths: [{{request: POST /, json: {typed}}}]\n").critical_paths
    assert (request.body, request.headers) == (body, (("Content-Type", "application/json"),))


def test_a_content_type_that_is_given_stays() -> None:
    [request] = plan_with(
        "critical_paths: [{request: POST /, json: {}, headers: {content-type: text/json}}]\n"
    ).critical_paths
    assert request.headers == (("content-type", "text/json"),)


def test_a_request_is_read_whole() -> None:
    plan = plan_with(
        "critical_paths:\n"
        "  - {request: POST /login, name: log in, body: a=1, capture: {token: /t}, within: 250ms,\n"
        "     expect: {status: [200, 201], json: {/t/0: x, '': {}}}}\n"
        '  - {request: "GET /me?x={token}", headers: {Authorization: "Bearer {token}"}}\n'
        "smoke: [{request: GET /up}]\n"
    )
    assert plan.critical_paths == (
        Request(
            "log in",
            "POST",
            "/login",
            (),
            "a=1",
            (200, 201),
            (("/t/0", '"x"'), ("", "{}")),
            (("token", "/t"),),
            250,
        ),
        Request("GET /me?x={token}", "GET", "/me?x={token}", (("Authorization", "Bearer {token}"),)),
    )
    assert plan.smoke == (Request("GET /up", "GET", "/up"),)


def test_another_language_in_a_raw_body_is_left_alone() -> None:
    [request] = plan_with('critical_paths: [{request: POST /q, body: "query {user}"}]\n').critical_paths
    assert request.body == "query {user}"


def test_secrets_are_references() -> None:
    text = "  secrets: {A: env:A, B: file:/run/b, C: 'command:pass show c:d'}\n"
    assert plan_with(text).run.secrets == (
        ("A", SecretRef(SecretSource.ENV, "A")),
        ("B", SecretRef(SecretSource.FILE, "/run/b")),
        ("C", SecretRef(SecretSource.COMMAND, "pass show c:d")),
    )


def test_a_window_may_be_relative_to_t_0() -> None:
    plan = plan_with("t0: 2025-12-20T15:00+01:00\nwindow: {from: T-10m, to: 2025-12-20 15:00 UTC}\n")
    assert plan.t0_ms == T0_MS
    assert plan.window == Window(T0_MS - 10 * MINUTE_MS, T0_MS + HOUR_MS)


def test_limits_are_typed_by_their_metric() -> None:
    plan = plan_with(
        "routes: {pay: {paths: [/pay]}}\n"
        "triggers:\n"
        "  - {error_rate: 0.5 %, class: pay, over: 30s, min_requests: 50, then: hold, name: payments fail}\n"
        "  - {p95: 1s}\n"
        "verify: {for: 2m, targets: [{error_rate: 0.01%, class: other}]}\n"
    )
    assert plan.triggers == (
        Trigger(
            Limit("payments fail", Metric.ERROR_RATE, 5_000, "pay", 30 * SECOND_MS, 50), Consequence.HOLD
        ),
        Trigger(Limit("response time p95", Metric.LATENCY_P95, 1_000), weighed=True),
    )
    assert plan.targets == (Limit("error rate of other", Metric.ERROR_RATE, 100, "other", MINUTE_MS),)


@pytest.mark.parametrize(
    ("trigger", "weighed"),
    [
        ("error_rate: 1 %", True),
        ("error_rate: 1 %, over: 10s", False),
        ("error_rate: 60 %", False),
        ("p95: 5s", True),
        ("p95: 6s", False),
    ],
)
def test_a_trigger_without_a_window_is_weighed_where_there_is_a_formula(trigger: str, weighed: bool) -> None:
    assert [each.weighed for each in plan_with(f"triggers: [{{{trigger}}}]\n").triggers] == [weighed]


def test_the_handbooks_triggers_are_weighed() -> None:
    assert [(each.limit.name, each.weighed) for each in plan_with("").triggers] == [
        ("error rate", True),
        ("response time p95", True),
        ("security vulnerability", False),
    ]


def test_the_judge_is_as_the_plan_says() -> None:
    plan = plan_with(
        "judge:\n"
        "  mode: strict\n"
        "  error_budget: 0.05 %\n"
        "  alert_budget: 2 %\n"
        "  pass_budget: 5 %\n"
        "  relative: 2x\n"
        "  bad_seconds: 3\n"
        "  burn_in: 5s\n"
        "  on_underpowered: extend\n"
    )
    assert plan.judging == Judging(Mode.STRICT, 500, 20_000, 50_000, 2_000, 3, 5_000, OnUnderpowered.EXTEND)
    assert plan_with("judge: {relative: off}\n").judging == Judging(relative_milli=None)


def test_windows_and_readings_that_were_not_given_fit_into_short_phases() -> None:
    result = loaded("verify: {for: 5s}\nbake: {for: 20s}\nwatch: {for: 1m}\n")
    assert {target.window_ms for target in result.plan.targets} == {5 * SECOND_MS}
    assert (result.plan.verify, result.plan.bake, result.plan.watch) == (
        Stay(5_000, 5_000),
        Stay(20_000, 20_000),
        Stay(60_000, 0),
    )
    assert ("bake.reading", "20s", "once in bake.for") in {
        (each.path, each.value, each.source) for each in result.choices
    }


@pytest.mark.req("R9")
def test_a_payment_class_brings_its_own_trigger() -> None:
    plan = plan_with("routes: {payment: {paths: [/payments]}}\n")
    failures = Limit("payment failures", Metric.ERROR_RATE, 5_000, "payment")
    assert plan.triggers[-1] == Trigger(failures, weighed=True)


@pytest.mark.parametrize(
    ("typed", "listen"),
    [
        ("0.0.0.0:80", Listen("0.0.0.0", 80)),
        ("9000", Listen("127.0.0.1", 9000)),
        (":9000", Listen("127.0.0.1", 9000)),
        ('"[::1]:9000"', Listen("::1", 9000)),
    ],
)
def test_listen_is_a_host_and_a_port(typed: str, listen: Listen) -> None:
    assert plan_with(f"listen: {typed}\n").listen == listen


@pytest.mark.parametrize(
    ("typed", "argv"),
    [
        ("./serve --name 'a b' --port={port}", ("./serve", "--name", "a b", "--port={port}")),
        ('["sh", "-c", "exec ./serve $PORT && true"]', ("sh", "-c", "exec ./serve $PORT && true")),
        ("[./serve, 8080, no]", ("./serve", "8080", "no")),
    ],
)
def test_a_command_is_a_line_or_a_list_of_words(typed: str, argv: tuple[str, ...]) -> None:
    base = f"service: hello\nversion: 1.1.0\nrun:\n  command: {typed}\n"
    assert loaded(base=base).plan.run.command == argv


def test_words_stand_for_whole_sections() -> None:
    plan = plan_with("shift: at-once\nlease: off\nmeter: off\n")
    assert (plan.shift, plan.lease, plan.meter) == (Shift((10_000,)), Lease(0, 0), Meter(rate_per_s=0))


def test_shares_of_traffic_may_be_fractions_of_a_percent() -> None:
    assert plan_with("shift: {steps: [0.5 %, 12.25, 100%]}\n").shift.steps_bp == (50, 1_225, 10_000)


def test_everything_else_lands_in_its_place() -> None:
    plan = plan_with(
        "project: 050\nenvironment: staging\nsource: {repository: ../shop, tag: release-1.1.0}\n"
        "build: {command: make, deadline: 5m}\non_inconclusive: rollback\ndrain: 1m\nhold_expiry: 2d\n"
        "lease: {shift: 2s, bake: 1m}\nmeter: {get: '/ping?x=1', post: /echo, body: '[]', rate: 7/s}\n"
        "routes: {live: {paths: [/ws], traffic: websocket, drain: 45s}}\n"
    )
    assert (plan.project, plan.environment, plan.source) == (
        "050",
        "staging",
        Source("../shop", "release-1.1.0"),
    )
    assert (plan.build.command, plan.build.deadline_ms) == (("make",), 5 * MINUTE_MS)
    assert (plan.on_inconclusive.value, plan.drain_deadline_ms, plan.hold_expiry_ms) == (
        "rollback",
        MINUTE_MS,
        2 * DAY_MS,
    )
    assert (plan.lease, plan.meter) == (Lease(2_000, 60_000), Meter("/ping?x=1", "/echo", "[]", 7))
    assert plan.route_classes == (RouteClass("live", ("/ws",), (), Traffic.WEBSOCKET, 45_000),)


def test_the_digest_ignores_the_order_of_keys_and_t_0_and_nothing_else() -> None:
    digest = loaded("bake: {for: 1h}\ndrain: 30s\n").digest
    assert digest.startswith("sha256:")
    assert loaded("drain: 30s\nbake: {for: 60m}\nt0: 2025-12-20T14:00Z\n").digest == digest
    assert loaded("drain: 31s\n").digest != digest


def test_a_rule_is_left_out_only_when_its_own_keys_could_not_be_typed() -> None:
    with pytest.raises(ProblemError) as refusal:
        loaded("  boot: soon\nshift: {steps: [50, 20, 100]}\n")
    assert [problem.code for problem in refusal.value.problems] == ["plan-bad-duration", "plan-bad-shift"]


def test_alerts_and_stages_can_be_switched_off() -> None:
    plan = plan_with("alerts: off\nwatch: {stages: off}\n")
    assert (plan.alerts, plan.stages) == ((), ())
