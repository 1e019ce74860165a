"""Where a metric and a launch stand, and what they say about it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.evidence.series import ALL_PPM, START_MS, counted, errors, rules_of, watched
from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.judgement import State
from tminus.domain.watch.evidence.metric import Group, Kind, Metric, cuts_of
from tminus.domain.watch.evidence.rules import Rules, weights_of
from tminus.domain.watch.evidence.said import evidence_of
from tminus.domain.watch.evidence.tally import Arm, Reading

GUARDED = Metric("against", Kind.AGAINST_STABLE, 1_500, group=Group.RELATIVE, floor=5_000, deduplicated=True)


def both(second: int, bad: int, total: int, stable_bad: int, stable_total: int) -> list[Reading]:
    return [
        counted(second, bad, total, metric="against"),
        counted(second, stable_bad, stable_total, arm=Arm.STABLE, metric="against"),
    ]


def at(judge: Judge, second: float, weight_ppm: int = ALL_PPM, remaining_ms: int | None = None) -> Judge:
    return judge.tick(START_MS + int(second * 1000), weight_ppm, remaining_ms)


def test_before_anything_is_known_evidence_is_collected() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(0, 0, 10)]])
    judgement = judge.judgement()
    assert judgement.state is State.COLLECTING
    assert not judgement.passed
    assert judgement.metrics[0].cases_to_pass == 543


@pytest.mark.req("R9")
def test_a_candidate_without_a_case_has_no_data_after_half_a_minute() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 0, 0)] for s in range(30)])
    assert judge.judgement().state is State.COLLECTING
    judge = watched(judge, [[counted(s, 0, 0)] for s in range(30, 32)], first=30)
    judgement = judge.judgement()
    assert judgement.state is State.NO_DATA
    assert judgement.why == "errors on green: no case for 31s, though it is given traffic"


def test_a_candidate_that_is_given_no_traffic_is_not_silent() -> None:
    judge = Judge.start(rules_of(errors()))
    for second in range(60):
        judge = at(judge.feed(counted(second, 0, 0)), second + 0.6, weight_ppm=0)
    assert judge.judgement().state is State.COLLECTING


@pytest.mark.req("R9")
def test_a_candidate_that_falls_silent_does_not_pass_any_more() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 0, 100)] for s in range(10)])
    assert judge.judgement().passed
    judge = watched(judge, [[counted(s, 0, 0)] for s in range(10, 50)], first=10)
    assert judge.judgement().state is State.NO_DATA
    assert not judge.judgement().passed


@pytest.mark.req("R9")
@pytest.mark.parametrize(("second", "said"), [(17, "is 6s old"), (3, "ahead of the clock")])
def test_readings_that_stop_or_a_clock_that_is_set_back_make_it_stale(second: int, said: str) -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 0, 100)] for s in range(11)])
    judgement = at(judge, second).judgement()
    assert judgement.state is State.STALE
    assert said in judgement.why
    assert not judgement.passed


def test_too_little_traffic_for_a_pass_is_said_while_there_is_time() -> None:
    judge = Judge.start(rules_of(errors()))
    for second in range(15):
        judge = at(judge.feed(counted(second, 0, 2)), second + 0.6, remaining_ms=60_000)
    judgement = judge.judgement()
    assert judgement.state is State.UNDERPOWERED
    assert judgement.why.endswith(
        "a pass takes 523 more without a bad one, and 123 are expected in the 1m that are left"
    )


def test_with_enough_time_left_nothing_is_underpowered() -> None:
    judge = Judge.start(rules_of(errors()))
    for second in range(15):
        judge = at(judge.feed(counted(second, 0, 2)), second + 0.6, remaining_ms=600_000)
    assert judge.judgement().state is State.COLLECTING


@pytest.mark.req("R10")
def test_between_alert_and_limit_it_alerts_and_goes_on() -> None:
    rules = rules_of(errors(alert=1_000))
    judge = watched(Judge.start(rules), [[counted(s, s % 2, 100)] for s in range(60)])
    judgement = judge.judgement()
    assert judgement.rollback is None
    assert judgement.state is State.ALERT
    (alert,) = judgement.alerts
    assert alert.why.startswith("errors on green: ")
    assert alert.why.endswith("by luck less than once in 100 launches")


@pytest.mark.req("R10")
def test_a_rollback_is_an_alert_too() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 10, 10)] for s in range(10)])
    assert judge.alerts == (judge.rollback,)


@pytest.mark.req("R9")
def test_a_candidate_much_worse_than_stable_and_below_the_floor_is_not_rolled_back() -> None:
    seconds = [both(s, 3, 1000, 0, 1000) for s in range(200)]
    judge = watched(Judge.start(rules_of(GUARDED)), seconds)
    judgement = judge.judgement()
    assert judgement.metrics[0].log_e > judgement.metrics[0].needed_log_e
    assert judgement.rollback is None


@pytest.mark.req("R9")
def test_a_candidate_much_worse_than_stable_and_above_the_floor_is_rolled_back() -> None:
    judge = watched(Judge.start(rules_of(GUARDED)), [both(s, 20, 1000, 0, 1000) for s in range(30)])
    assert judge.rollback is not None
    assert "failed in" in judge.rollback.why
    assert ", on blue 0 of " in judge.rollback.why
    assert "1.5 times the odds allowed" in judge.rollback.why


@pytest.mark.req("R9")
def test_what_both_arms_share_is_no_reason_to_roll_back() -> None:
    judge = watched(Judge.start(rules_of(GUARDED)), [both(s, 300, 1000, 300, 1000) for s in range(120)])
    assert judge.rollback is None


def test_evidence_late_in_a_launch_is_counted_from_when_it_grew() -> None:
    good = [both(s, 0, 100, 0, 100) for s in range(600)]
    bad = [both(s, 5, 100, 0, 100) for s in range(600, 640)]
    judge = watched(Judge.start(rules_of(GUARDED)), [*good, *bad])
    assert judge.rollback is not None
    assert judge.rollback.at_ms - START_MS < 625_000
    assert "(5 %)" in judge.rollback.why


def test_a_comparison_says_when_there_is_nothing_to_compare_with() -> None:
    judge = watched(Judge.start(rules_of(GUARDED)), [both(s, 0, 100, 0, 0) for s in range(40)])
    assert judge.judgement().metrics[0].why.endswith("blue has had no case lately to compare with")


def test_metrics_that_each_have_too_little_are_enough_together() -> None:
    rules = rules_of(errors(), Metric("payments", Kind.RATE, 10_000, group=Group.PAYMENT, deduplicated=True))
    alone = Judge.start(rules)
    together = Judge.start(rules)
    for second in range(60):
        own = counted(second, 3, 100)
        other = counted(second, 3, 100, metric="payments")
        alone = at(alone.feed(own, counted(second, 1, 100, metric="payments")), second + 0.6)
        together = at(together.feed(own, other), second + 0.6)
    assert alone.rollback is not None
    assert together.rollback is not None
    assert together.rollback.at_ms < alone.rollback.at_ms
    assert "all metrics together" in together.rollback.why


def test_weights_of_groups_that_do_not_exist_go_to_the_others() -> None:
    rate, latency = errors(), Metric("p95", Kind.P95, 500, group=Group.LATENCY)
    assert weights_of((rate, latency)) == pytest.approx((2 / 3, 1 / 3))
    other = Metric("other", Kind.RATE, 10_000)
    assert weights_of((rate, other, latency)) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert weights_of((rate, Metric("processor", Kind.GAUGE, 80))) == (1.0, 0.0)


def test_a_metric_that_only_alerts_keeps_nothing_from_passing() -> None:
    rules = rules_of(errors(), Metric("processor", Kind.GAUGE, alert=80))
    judge = watched(Judge.start(rules), [[counted(s, 0, 100)] for s in range(60)])
    judgement = judge.judgement()
    assert judgement.metrics[1].state is State.NO_DATA
    assert judgement.passed
    assert judgement.state is State.PASS


def test_a_limit_of_which_nothing_is_known_keeps_a_launch_from_passing() -> None:
    rules = rules_of(errors(), Metric("processor", Kind.GAUGE, 90))
    judge = watched(Judge.start(rules), [[counted(s, 0, 100)] for s in range(60)])
    judgement = judge.judgement()
    assert not judgement.passed
    assert judgement.state is State.NO_DATA


def _latency(second: int, slow: int, total: int) -> Reading:
    within = (0,) * 9 + (total - slow, total, total, total)
    return Reading("p95", Arm.CANDIDATE, START_MS + second * 1000 + 500, 0, total, within)


@pytest.mark.req("R9")
def test_slow_answers_of_the_first_half_minute_are_forgiven() -> None:
    rules = rules_of(Metric("p95", Kind.P95, 500, group=Group.LATENCY, deduplicated=True))
    warm = watched(Judge.start(rules), [[_latency(s, 50, 100)] for s in range(30)])
    assert warm.judgement().metrics[0].log_e < 0
    assert warm.judgement().metrics[0].candidate.total == 3000
    late = watched(warm, [[_latency(s, 50, 100)] for s in range(30, 50)], first=30)
    assert late.rollback is not None
    assert "slower than 500 ms" in late.rollback.why


@pytest.mark.req("R10")
@pytest.mark.parametrize(("share", "fires"), [(9, True), (8, True), (7, False)])
def test_a_gauge_alerts_when_it_stays_above_its_limit(share: int, *, fires: bool) -> None:
    rules = rules_of(Metric("processor", Kind.GAUGE, alert=80))
    judge = Judge.start(rules)
    for second in range(180):
        value = 95 if second % 10 < share else 60
        reading = Reading("processor", Arm.CANDIDATE, START_MS + second * 1000, value=value)
        judge = at(judge.feed(reading), second + 0.2)
        assert not judge.alerts or second >= 90
    assert bool(judge.alerts) is fires


@pytest.mark.req("R10")
@pytest.mark.parametrize(("mine", "fires"), [(50, False), (20, True), (80, True)])
def test_a_share_of_requests_off_the_weight_alerts_both_ways(mine: int, *, fires: bool) -> None:
    rules = rules_of(Metric("share", Kind.SHARE, alert=1_200, group=Group.RELATIVE))
    judge = Judge.start(rules)
    for second in range(30):
        at_ms = START_MS + second * 1000
        reading = Reading("share", Arm.CANDIDATE, at_ms, mine, 100, weight_ppm=500_000)
        judge = at(judge.feed(reading), second + 0.2)
    assert bool(judge.alerts) is fires


def test_a_share_is_not_judged_while_the_weight_changes() -> None:
    rules = rules_of(Metric("share", Kind.SHARE, alert=1_200, group=Group.RELATIVE))
    judge = Judge.start(rules)
    for second in range(30):
        at_ms = START_MS + second * 1000
        judge = judge.feed(
            Reading("share", Arm.CANDIDATE, at_ms, 10, 50, weight_ppm=500_000),
            Reading("share", Arm.CANDIDATE, at_ms + 400, 10, 50, weight_ppm=100_000),
        )
        judge = at(judge, second + 0.5)
    assert judge.alerts == ()


@pytest.mark.req("R9")
@pytest.mark.parametrize(("events", "fires"), [(1, False), (40, True)])
def test_more_events_than_known_roll_back(events: int, *, fires: bool) -> None:
    # One event a second is known; exposure is in milliseconds.
    rules = rules_of(Metric("deadlocks", Kind.COUNT, 1_000, deduplicated=True))
    seconds = [[counted(s, events, 1000, metric="deadlocks")] for s in range(30)]
    assert (watched(Judge.start(rules), seconds).rollback is not None) is fires


@pytest.mark.req("R9")
@pytest.mark.parametrize(("baseline", "fires"), [((50, 100_000), True), ((0, 3), False)])
def test_a_baseline_from_before_the_launch_stands_in_for_stable(
    baseline: Sequence[int], *, fires: bool
) -> None:
    bad, total = baseline
    metric = Metric(
        "errors", Kind.AGAINST_BASELINE, 1_500, deduplicated=True, baseline_bad=bad, baseline_total=total
    )
    judge = watched(Judge.start(rules_of(metric)), [[counted(s, 2, 100)] for s in range(60)])
    assert (judge.rollback is not None) is fires


@pytest.mark.req("R9")
def test_in_strict_mode_one_terrible_moment_is_one_bet() -> None:
    rules = rules_of(errors(strict=True))
    once = [[counted(s, 100 if s in (30, 31) else 0, 100)] for s in range(120)]
    assert watched(Judge.start(rules), once).rollback is None
    lasting = [[counted(s, 100 if s >= 30 else 0, 100)] for s in range(120)]
    assert watched(Judge.start(rules), lasting).rollback is not None


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ((errors(), errors()), "two metrics share a name"),
        ((errors(limit=0),), "errors: a limit of 0.0 leaves nothing above it to look for"),
        ((Metric("p95", Kind.P95, 60_000),), "p95: a limit of 60000 ms lies beyond 5000 ms"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(metrics: tuple[Metric, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rules(metrics)


def test_cuts_are_the_edges_above_the_percentiles_of_a_baseline() -> None:
    assert cuts_of((10, 600, 800, 960, 1000), 1000, (50, 100, 200, 300, 500)) == (100, 200, 300, 500)
    assert cuts_of((0, 0), 0, (50, 100)) == ()


@pytest.mark.parametrize(
    ("log_e", "said"),
    [
        (-3.0, "none"),
        (0.7, "2.0 : 1"),
        (4.0, "55 : 1"),
        (9.210340371976182, "1·10⁴ : 1"),
        (16.9, "2·10⁷ : 1"),
    ],
)
def test_evidence_is_written_for_people(log_e: float, said: str) -> None:
    assert evidence_of(log_e) == said


def test_a_pass_that_is_tempered_takes_as_many_times_more_as_cases_are_dispersed() -> None:
    plain = Metric("errors", Kind.RATE, 10_000, dispersion_milli=3_000)
    tempered = replace(plain, tempers_pass=True)
    once = replace(tempered, deduplicated=True)
    missing = [
        Judge.start(rules_of(metric)).judgement().metrics[0].cases_to_pass
        for metric in (plain, tempered, once)
    ]
    assert missing == [553, 1658, 553]
