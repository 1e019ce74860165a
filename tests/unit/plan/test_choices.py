"""What a plan left open is said, with where the value comes from."""

from tests.unit.plan.plans import loaded
from tminus.plan.choice import Choice


def choices(more: str = "") -> dict[str, tuple[str, str]]:
    return {each.path: (each.value, each.source) for each in loaded(more).choices}


def test_every_default_of_the_least_plan_is_listed_in_the_order_of_the_format() -> None:
    assert [each.path for each in loaded().choices] == [
        "project",
        "environment",
        "t0",
        "window",
        "freezes",
        "source.repository",
        "source.tag",
        "build.command",
        "build.deadline",
        "build.smoke",
        "run.instances",
        "run.health",
        "run.boot",
        "run.stop",
        "database",
        "resources.disk_free",
        "resources.memory_free",
        "warm",
        "listen",
        "router.name",
        "sticky",
        "assets",
        "critical_paths",
        "smoke",
        "shift.steps",
        "shift.each",
        "shift.deadline",
        "verify.for",
        "verify.reading",
        "verify.targets",
        "bake.for",
        "bake.reading",
        "watch.for",
        "watch.stages",
        "triggers",
        "alerts",
        "alertmanager",
        "judge.mode",
        "judge.error_budget",
        "judge.alert_budget",
        "judge.pass_budget",
        "judge.relative",
        "judge.bad_seconds",
        "judge.burn_in",
        "judge.on_underpowered",
        "poll",
        "on_inconclusive",
        "drain",
        "hold_expiry",
        "lease.shift",
        "lease.bake",
        "meter.post",
        "meter.body",
        "meter.rate",
        "meter.get",
    ]


def test_a_choice_says_its_value_as_a_plan_would_and_its_source() -> None:
    found = choices()
    assert found["shift.steps"] == ("10 %, 50 %, 100 %", "tminus")
    assert found["bake.for"] == ("1h", "handbook")
    assert found["source.tag"] == ("v1.1.0", "from the version")
    assert found["verify.targets"] == (
        "error rate at most 0.1 %; response time p95 at most 200ms",
        "handbook",
    )
    assert found["triggers"] == (
        (
            "error rate at most 1 %, else rollback; response time p95 at most 500ms, else rollback; "
            "security vulnerability noted by a person, else rollback"
        ),
        "handbook",
    )


def test_what_is_given_is_no_choice() -> None:
    given = "t0: now\nbake: {for: 1h, reading: 30m}\nlisten: 127.0.0.1:8080\nlease: off\nmeter: off\n"
    assert not choices(given).keys() & {
        "t0",
        "bake.for",
        "bake.reading",
        "listen",
        "lease.shift",
        "meter.rate",
    }


def test_what_a_critical_path_adds_to_a_class_is_a_choice() -> None:
    more = "critical_paths: [{request: POST /pay, class: payment, name: pay}]\n"
    assert Choice("routes.payment", "POST /pay", "critical path 'pay'") in loaded(more).choices


def test_a_drain_that_was_not_given_is_as_long_as_the_longest_of_the_routes() -> None:
    result = loaded("routes: {live: {paths: [/ws], drain: 5m}}\n")
    assert result.plan.drain_deadline_ms == 300_000
    assert Choice("drain", "5m", "the longest drain of the routes") in result.choices
