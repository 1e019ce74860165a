"""A plan's triggers as the terms of a trial."""

from dataclasses import replace

import pytest

from tests.unit.judging.trials import ARMS, ERRORS, SLOW, fixed, plan_of, terms, weighed
from tminus.domain.launch.evidence import Counted
from tminus.domain.plan.alert import TEAM, AlertRule, Severity
from tminus.domain.plan.judging import Judging, Mode
from tminus.domain.plan.limit import Consequence, Limit, Trigger
from tminus.domain.plan.limit import Metric as Measure
from tminus.domain.plan.plan import Shift
from tminus.domain.watch.baseline import Baseline
from tminus.domain.watch.counts import BUCKETS_MS, Counts
from tminus.domain.watch.evidence.metric import Group, Kind
from tminus.domain.watch.terms import Arms, after_promotion, can_be_weighed, terms_of

pytestmark = pytest.mark.req("R9")

PAYMENTS = Limit("payments", Measure.ERROR_RATE, 5_000, "payment")
FAST = Counts(
    10_000, 5, 10_000, tuple(10_000 if edge >= 200 else 9_000 if edge >= 50 else 0 for edge in BUCKETS_MS)
)
SEEN = Baseline(1_800, FAST, 2_500)


def test_a_trigger_that_rolls_back_and_one_that_alerts_are_one_metric() -> None:
    low = replace(ERRORS, name="some errors", at_most=5_000)
    found = terms(plan_of(weighed(ERRORS), weighed(low, Consequence.ALERT)))
    [metric], [subject] = found.rules.metrics, found.subjects
    assert (metric.kind, metric.limit, metric.alert) == (Kind.RATE, 10_000, 5_000)
    assert (subject.rollback, subject.alert, subject.on_alert) == (
        "error rate",
        "some errors",
        Consequence.ALERT,
    )


def test_the_strictest_of_two_limits_counts() -> None:
    found = terms(plan_of(weighed(ERRORS), weighed(replace(ERRORS, name="strict", at_most=2_000))))
    assert [(metric.name, metric.limit) for metric in found.rules.metrics] == [("strict", 2_000)]


def test_a_limit_that_holds_is_a_metric_of_its_own() -> None:
    found = terms(plan_of(weighed(ERRORS), weighed(replace(ERRORS, at_most=3_000), Consequence.HOLD)))
    assert [(subject.rollback, subject.alert, subject.on_alert) for subject in found.subjects] == [
        ("error rate", "", Consequence.ALERT),
        ("", "error rate", Consequence.HOLD),
    ]


def test_an_alert_rule_below_the_limit_gives_the_alert() -> None:
    rule = AlertRule(replace(ERRORS, name="warn", at_most=4_000), Severity.WARNING, TEAM)
    plan = replace(plan_of(weighed(ERRORS)), alerts=(rule,))
    assert terms(plan).rules.metrics[0].alert == 4_000


def test_what_has_a_window_is_not_weighed() -> None:
    found = terms(plan_of(weighed(ERRORS), Trigger(SLOW)))
    assert [metric.name for metric in found.rules.metrics] == ["error rate"]


def test_payments_and_times_have_parts_of_the_budget_of_their_own() -> None:
    found = terms(plan_of(weighed(ERRORS), weighed(PAYMENTS), weighed(SLOW)))
    assert [metric.group for metric in found.rules.metrics] == [
        Group.AVAILABILITY,
        Group.PAYMENT,
        Group.LATENCY,
    ]


def test_two_metrics_of_one_name_are_told_apart() -> None:
    found = terms(plan_of(weighed(ERRORS), weighed(replace(PAYMENTS, name="error rate"))))
    assert [metric.name for metric in found.rules.metrics] == ["error rate", "error rate (2)"]


def test_beside_a_stable_slot_the_candidate_is_compared_with_it() -> None:
    plan = replace(plan_of(weighed(ERRORS), weighed(SLOW), judging=Judging()), sticky_cookie="")
    found = terms(plan, baseline=SEEN)
    named = {metric.name: metric for metric in found.rules.metrics}
    errors, times = named["error rate against blue"], named["p95 against blue"]
    assert (errors.kind, errors.limit, errors.alert, errors.floor) == (
        Kind.AGAINST_STABLE,
        1_500,
        1_000,
        5_000,
    )
    assert (times.kind, times.cuts_ms, times.floor) == (Kind.LATENCY_AGAINST_STABLE, (50, 200), 300)
    assert named["share of green"].kind is Kind.SHARE
    assert [subject.counted for subject in found.subjects][-1] is Counted.SHARES


def test_times_are_not_compared_without_a_baseline() -> None:
    found = terms(plan_of(weighed(SLOW), judging=Judging()))
    assert [metric.name for metric in found.rules.metrics] == ["p95"]


@pytest.mark.parametrize("how", ["first launch", "at once", "off"])
def test_nothing_is_compared_without_both_slots_at_once(how: str) -> None:
    judging = Judging(relative_milli=None) if how == "off" else Judging()
    plan = plan_of(weighed(ERRORS), judging=judging)
    if how == "at once":
        plan = replace(plan, shift=Shift((10_000,)))
    found = terms(plan, Arms(ARMS.candidate, None) if how == "first launch" else ARMS)
    assert [metric.name for metric in found.rules.metrics] == ["error rate"]


def test_the_baseline_says_how_failures_cluster() -> None:
    assert terms(plan_of(weighed(ERRORS)), baseline=SEEN).rules.metrics[0].dispersion_milli == 2_500
    assert terms(plan_of(weighed(ERRORS))).rules.metrics[0].dispersion_milli == 2_000


def test_the_plans_own_terms_are_taken_over() -> None:
    judging = Judging(Mode.STRICT, 500, 20_000, 50_000, None, 3, 5_000)
    found = terms(plan_of(weighed(SLOW), judging=judging)).rules
    assert (found.alpha_ppm, found.alert_ppm, found.pass_ppm, found.blocks) == (500, 20_000, 50_000, 3)
    assert (found.metrics[0].strict, found.metrics[0].burn_in_ms) == (True, 5_000)


def test_the_event_holds_everything_that_decides() -> None:
    event = fixed(plan_of(weighed(ERRORS), weighed(SLOW), judging=Judging()), baseline=SEEN)
    assert terms_of(event, ARMS).rules.digest() == event.digest
    assert [taken.requests for taken in event.baseline] == [10_000]


def test_another_budget_has_another_digest() -> None:
    plans = [plan_of(weighed(ERRORS), judging=Judging(bad_seconds=each)) for each in (10, 3)]
    assert len({fixed(plan).digest for plan in plans}) == 2


def test_in_the_watch_nothing_is_compared_and_the_limits_stay() -> None:
    found = terms(plan_of(weighed(ERRORS), weighed(SLOW), judging=Judging()), baseline=SEEN)
    watch = after_promotion(found, 86_400_000)
    assert [metric.name for metric in watch.rules.metrics] == ["error rate", "p95"]
    assert watch.rules.horizon_ms == 86_400_000
    assert [subject.metric for subject in watch.subjects] == ["error rate", "p95"]


@pytest.mark.parametrize(
    ("limit", "can"),
    [
        (ERRORS, True),
        (replace(ERRORS, at_most=0), False),
        (replace(ERRORS, at_most=600_000), False),
        (SLOW, True),
        (replace(SLOW, at_most=5_001), False),
        (Limit("declined", Measure.QUESTION, 10_000, question="declined"), False),
    ],
)
def test_only_what_has_a_formula_can_be_weighed(limit: Limit, can: bool) -> None:
    assert can_be_weighed(limit) is can


def test_a_pass_is_slowed_down_where_failures_are_known_to_cluster() -> None:
    found = [
        terms(plan_of(weighed(ERRORS), judging=judging), baseline=baseline).rules.metrics[0].tempers_pass
        for judging, baseline in (
            (Judging(relative_milli=None), None),
            (Judging(relative_milli=None), SEEN),
            (Judging(Mode.STRICT, relative_milli=None), None),
        )
    ]
    assert found == [False, True, True]
