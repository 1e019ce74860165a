"""When an alert fires, when it is over, and what a missing reading is."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tminus.domain.launch import alarm as al
from tminus.domain.plan.alert import AlertRule, Severity, handbook_alerts, implied_alerts
from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.domain.watch.alerting import UNWATCHED_MS, Course, Finding, Sight, alarms_of, follow

pytestmark = pytest.mark.req("R10", "R23")

BROKEN, KEPT, QUIET, MISSING = Sight.BROKEN, Sight.KEPT, Sight.QUIET, Sight.MISSING
LIMIT = Limit("errors", Metric.ERROR_RATE, 10_000)
SECOND = 1_000


def rule(*, for_s: int = 0, resolve_s: int = 2, missing_s: int = 4) -> AlertRule:
    return AlertRule(
        LIMIT,
        Severity.CRITICAL,
        "on-call",
        for_s * SECOND,
        resolve_s * SECOND,
        missing_s * SECOND,
        runbook="https://wiki/errors",
        action="call the provider",
    )


def run(sights: Sequence[Sight], asked: AlertRule) -> list[str]:
    """What happens second by second: `-`, or what fired and what was resolved."""
    alarms, told = al.Alarms(), []
    course: Course | None = None
    for second, sight in enumerate(sights):
        course = follow(course, sight, second * SECOND)
        events = list(alarms_of(Finding(asked, "green", sight, "why"), course, alarms))
        for event in events:
            alarms = al.sound(alarms, event, second * SECOND)
        told.append(" ".join(_word(event) for event in events) or "-")
    return told


def _word(event: al.AlarmEvent) -> str:
    assert isinstance(event, al.AlertFired | al.AlertResolved)
    verb = "fired" if isinstance(event, al.AlertFired) else "resolved"
    return verb if event.cause is al.Cause.LIMIT else f"{verb}:{event.cause.value}"


def test_a_rule_without_for_fires_at_once() -> None:
    assert run([KEPT, BROKEN, BROKEN], rule()) == ["-", "fired", "-"]


def test_a_rule_fires_after_it_was_broken_for_its_time() -> None:
    assert run([BROKEN] * 5, rule(for_s=3)) == ["-", "-", "-", "fired", "-"]


def test_one_good_look_ends_what_was_pending() -> None:
    assert run([BROKEN, BROKEN, KEPT, BROKEN, BROKEN], rule(for_s=2)) == ["-"] * 5


def test_an_alert_is_resolved_after_its_limit_was_kept_for_a_while() -> None:
    assert run([BROKEN, KEPT, KEPT, KEPT], rule()) == ["fired", "-", "-", "resolved"]


def test_what_is_broken_again_before_it_is_resolved_goes_on_firing() -> None:
    assert run([BROKEN, KEPT, KEPT, BROKEN, KEPT, KEPT], rule()) == ["fired", *["-"] * 5]


@pytest.mark.parametrize("unsure", [QUIET, MISSING])
def test_what_is_not_known_neither_resolves_nor_fires(unsure: Sight) -> None:
    assert run([BROKEN, unsure, unsure, unsure], rule()) == ["fired", *["-"] * 3]
    assert run([BROKEN, unsure, unsure, unsure], rule(for_s=1)) == ["-"] * 4


@pytest.mark.parametrize("unsure", [QUIET, MISSING])
def test_time_in_which_nothing_is_known_counts_neither_way(unsure: Sight) -> None:
    assert run([BROKEN, unsure, unsure, BROKEN, BROKEN], rule(for_s=2)) == ["-"] * 5
    assert run([BROKEN, KEPT, unsure, KEPT, KEPT, KEPT], rule()) == ["fired", *["-"] * 4, "resolved"]


def test_a_reading_that_lacks_for_long_is_an_alarm_of_its_own() -> None:
    told = run([KEPT, *[MISSING] * 6, KEPT], rule())
    assert told == ["-", "-", "-", "-", "-", "fired:no-data", "-", "resolved:no-data"]


def test_a_firing_alert_without_readings_fires_and_is_unknown() -> None:
    told = run([BROKEN, *[MISSING] * 5, BROKEN], rule())
    assert told == ["fired", "-", "-", "-", "-", "fired:no-data", "resolved:no-data"]


def test_too_few_requests_are_no_missing_reading() -> None:
    assert run([QUIET] * 60, rule()) == ["-"] * 60


@pytest.mark.parametrize(
    ("later_ms", "fires"), [(UNWATCHED_MS, True), (UNWATCHED_MS + 1, False), (-1, False)]
)
def test_time_in_which_nobody_watched_counts_neither_way(later_ms: int, fires: bool) -> None:
    course = follow(follow(None, BROKEN, 100_000), BROKEN, 100_000 + later_ms)
    found = Finding(rule(for_s=5), "green", BROKEN, "why")
    assert bool(list(alarms_of(found, course, al.Alarms()))) is fires


def test_an_alert_says_all_that_whoever_is_paged_needs() -> None:
    [fired] = alarms_of(
        Finding(rule(), "green", BROKEN, "5 of 10"), Course(0, BROKEN, broken_ms=0), al.Alarms()
    )
    assert fired == al.AlertFired(
        "errors",
        "green",
        al.Cause.LIMIT,
        Severity.CRITICAL,
        "on-call",
        "on-call",
        "5 of 10",
        "https://wiki/errors",
        "call the provider",
    )


@given(st.lists(st.sampled_from(list(Sight)), max_size=60), st.integers(0, 4))
def test_fired_and_resolved_take_turns_whatever_is_seen(sights: list[Sight], for_s: int) -> None:
    words = [word for told in run(sights, rule(for_s=for_s)) for word in told.split() if word != "-"]
    for suffix in ("", ":no-data"):
        own = [word for word in words if word in (f"fired{suffix}", f"resolved{suffix}")]
        assert all(one != other for one, other in pairwise(own))
        assert own[:1] in ([], [f"fired{suffix}"])


@given(st.lists(st.sampled_from([KEPT, QUIET, MISSING]), max_size=60))
def test_nothing_fires_that_was_never_seen_broken(sights: list[Sight]) -> None:
    assert "fired" not in run(sights, rule())


def test_the_handbooks_thresholds_go_to_whom_it_says() -> None:
    told = {each.name: (each.severity.value, each.role, each.for_ms) for each in handbook_alerts(["payment"])}
    assert told == {
        "error rate above 1 %": ("critical", "on-call", 0),
        "payment failures above 0.5 %": ("critical", "on-call", 0),
        "response time p95 above 500ms": ("high", "team", 0),
        "error rate above 0.5 %": ("warning", "team", 60_000),
        "response time p95 above 300ms": ("warning", "team", 60_000),
        "payment success below 99 %": ("high", "team", 0),
    }


def test_what_rolled_back_before_pages_afterwards_unless_a_rule_says_otherwise() -> None:
    own = Limit("declined", Metric.QUESTION, 5_000, question="declined")
    known = Limit("error rate", Metric.ERROR_RATE, 10_000)
    [implied] = implied_alerts((Trigger(known), Trigger(own)), handbook_alerts())
    assert (implied.limit, implied.severity, implied.role) == (own, Severity.CRITICAL, "on-call")
