"""Verdicts on metrics of the plan: three-valued, and missing data is never good news."""

from dataclasses import replace

import pytest

from tminus.domain.plan.limit import Against, Limit, Metric, Side
from tminus.domain.plan.metric import (
    CommandSource,
    MetricDefinition,
    MetricKind,
    PersonSource,
    SystemGauge,
    SystemSource,
)
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.domain.watch.measured import Watched, amount, judge_measured
from tminus.domain.watch.measurement import Arm, MeasuredState, Measurement

pytestmark = pytest.mark.req("R10", "R22", "R23")

NOW_MS = 1_700_000_000_000
S = 1_000
CPU = MetricDefinition("cpu", SystemSource(SystemGauge.CPU), unit="%", every_ms=S, limit_ms=S)
HOT = Limit("cpu above 80 %", Metric.MEASURED, 80_000_000, window_ms=120 * S, measured="cpu")
ASKED = CommandSource(("ask", "{slot}"))
DECLINED = MetricDefinition("declined", ASKED, MetricKind.RATIO)
SEEN = MetricDefinition("declined", ASKED, MetricKind.RATIO, cumulative=True)
LIMIT = Limit("declined above 1 %", Metric.MEASURED, 10_000, window_ms=60 * S, measured="declined")
TICKETS = MetricDefinition("tickets", PersonSource("open tickets"), MetricKind.COUNT)
MANY = Limit("tickets above 10", Metric.MEASURED, 10_000_000, window_ms=3600 * S, measured="tickets")


def level(value: int, age_s: int, arm: Arm = Arm.WHOLE) -> Measurement:
    return Measurement(NOW_MS - age_s * S, arm, value_micro=value * 1_000_000)


def share(bad: int, total: int, age_s: int = 1, arm: Arm = Arm.CANDIDATE) -> Measurement:
    return Measurement(NOW_MS - age_s * S, arm, bad=bad, total=total)


def missed(state: MeasuredState, age_s: int = 1) -> Measurement:
    return Measurement(NOW_MS - age_s * S, Arm.WHOLE, state, why="it hangs")


def levels(value: int, begin_s: int, end_s: int = 0) -> list[Measurement]:
    return [level(value, age_s) for age_s in range(begin_s, end_s, -1)]


def verdict(
    limit: Limit, metric: MetricDefinition, *found: Measurement, cutover_s: int | None = None
) -> Verdict:
    cutover_ms = None if cutover_s is None else NOW_MS - cutover_s * S
    return judge_measured(limit, Watched(metric, found, NOW_MS, cutover_ms))


def test_a_level_that_lasts_beyond_its_limit_breaks_it() -> None:
    found = verdict(HOT, CPU, *levels(95, 125))
    why = "cpu above 80 %: 95 %, 119 of 119 samples beyond, limit above 80 % for 2m"
    assert (found.outcome, found.why) == (Outcome.FAIL, why)


def test_a_dip_between_two_peaks_is_no_recovery() -> None:
    assert verdict(HOT, CPU, *levels(95, 125, 20), *levels(40, 20)).outcome is Outcome.FAIL


def test_a_spike_breaks_nothing() -> None:
    assert verdict(HOT, CPU, *levels(40, 125, 30), *levels(95, 30)).outcome is Outcome.PASS


def test_a_level_at_its_limit_keeps_it() -> None:
    assert verdict(HOT, CPU, *levels(80, 125)).outcome is Outcome.PASS


def test_a_level_that_is_beyond_only_lately_is_not_judged_yet() -> None:
    found = verdict(HOT, CPU, *levels(95, 50))
    assert (found.outcome, found.why.rpartition("; ")[2]) == (Outcome.INCONCLUSIVE, "seen for 50s only")


def test_a_level_that_is_fine_passes_without_waiting_for_the_whole_window() -> None:
    assert verdict(HOT, CPU, *levels(20, 4)).outcome is Outcome.PASS


@pytest.mark.parametrize("found", [[], levels(20, 2)])
def test_too_few_samples_say_nothing(found: list[Measurement]) -> None:
    assert verdict(HOT, CPU, *found).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("state", [state for state in MeasuredState if state is not MeasuredState.OK])
def test_a_source_that_fails_has_no_evidence_once_its_last_is_old(state: MeasuredState) -> None:
    found = verdict(HOT, CPU, *levels(20, 20, 6), missed(state, 2))
    assert (found.outcome, found.why) == (
        Outcome.INCONCLUSIVE,
        f"cpu above 80 %: the newest measurement that counts is 7s old; {state.value}: it hangs",
    )


def test_one_missed_look_is_forgiven() -> None:
    assert verdict(HOT, CPU, *levels(20, 10, 2), missed(MeasuredState.SLOW)).outcome is Outcome.PASS


def test_a_hot_machine_with_most_samples_missing_is_not_called_hot() -> None:
    sparse = [level(95, age_s) for age_s in (119, 80, 40, 1)]
    assert verdict(HOT, CPU, *sparse).outcome is Outcome.INCONCLUSIVE


def test_a_level_below_its_limit_breaks_one_that_says_below() -> None:
    low = replace(HOT, side=Side.BELOW, at_most=10_000_000)
    assert verdict(low, CPU, *levels(5, 125)).outcome is Outcome.FAIL
    assert verdict(low, CPU, *levels(15, 125)).outcome is Outcome.PASS


def test_the_newest_share_decides() -> None:
    found = verdict(LIMIT, DECLINED, share(0, 500, 11), share(9, 500))
    assert (found.outcome, found.why) == (
        Outcome.FAIL,
        "declined above 1 %: 9 of 500 (1.8 %), limit above 1 %",
    )


@pytest.mark.parametrize(
    ("bad", "total", "outcome"),
    [
        (5, 500, Outcome.PASS),
        (2, 100, Outcome.INCONCLUSIVE),
        (0, 19, Outcome.INCONCLUSIVE),
        (0, 20, Outcome.PASS),
        (0, 0, Outcome.INCONCLUSIVE),
    ],
)
def test_a_share_needs_evidence(bad: int, total: int, outcome: Outcome) -> None:
    assert verdict(LIMIT, DECLINED, share(bad, total)).outcome is outcome


def test_a_share_of_good_cases_must_not_fall() -> None:
    success = replace(LIMIT, side=Side.BELOW, at_most=990_000)
    assert verdict(success, DECLINED, share(985, 1_000)).outcome is Outcome.FAIL
    assert verdict(success, DECLINED, share(995, 1_000)).outcome is Outcome.PASS


def test_stables_cases_are_not_the_candidates() -> None:
    assert verdict(LIMIT, DECLINED, share(50, 100, arm=Arm.STABLE)).outcome is Outcome.INCONCLUSIVE


def test_a_counter_is_compared_with_itself_over_the_window() -> None:
    counted = [share(100, 10_000, 80), share(100, 10_400, 61), share(101, 10_900, 30), share(112, 11_000, 1)]
    assert verdict(LIMIT, SEEN, *counted).why.startswith("declined above 1 %: 12 of 600 (2 %)")


def test_a_counter_that_was_reset_counts_from_zero() -> None:
    counted = [share(900, 10_000, 50), share(3, 400, 30), share(5, 700, 1)]
    assert verdict(LIMIT, SEEN, *counted).why.startswith("declined above 1 %: 5 of 700")


@pytest.mark.req("R9")
def test_a_candidate_that_declines_more_than_stable_breaks_a_relative_limit() -> None:
    relative = replace(LIMIT, at_most=1_500_000, against=Against.STABLE)
    bad = verdict(relative, DECLINED, share(40, 1_000, arm=Arm.STABLE), share(90, 1_000))
    fine = verdict(relative, DECLINED, share(40, 1_000, arm=Arm.STABLE), share(60, 1_000))
    alone = verdict(relative, DECLINED, share(90, 1_000))
    assert [each.outcome for each in (bad, fine, alone)] == [
        Outcome.FAIL,
        Outcome.PASS,
        Outcome.INCONCLUSIVE,
    ]
    assert bad.why == ("declined above 1 %: 90 of 1000 (9 %) against 40 of 1000 (4 %) of stable, limit 1.5x")


def test_three_failures_beside_a_spotless_reference_are_no_catastrophe() -> None:
    relative = replace(LIMIT, at_most=1_500_000, against=Against.STABLE)
    few = verdict(relative, DECLINED, share(0, 1_000, arm=Arm.STABLE), share(1, 1_000))
    many = verdict(relative, DECLINED, share(0, 1_000, arm=Arm.STABLE), share(9, 1_000))
    assert (few.outcome, many.outcome) == (Outcome.PASS, Outcome.FAIL)


def test_a_level_is_compared_with_what_it_was_before_traffic_moved() -> None:
    relative = replace(HOT, at_most=1_500_000, against=Against.BASELINE)
    before, after = levels(30, 400, 300), levels(60, 130)
    found = verdict(relative, CPU, *before, *after, cutover_s=200)
    assert (found.outcome, found.why) == (
        Outcome.FAIL,
        "cpu above 80 %: 60 % against 30 % of baseline, limit 1.5x",
    )
    calm = verdict(relative, CPU, *before, *levels(40, 130), cutover_s=200)
    assert calm.outcome is Outcome.PASS
    assert verdict(relative, CPU, *after, cutover_s=200).outcome is Outcome.INCONCLUSIVE


@pytest.mark.req("R28")
def test_what_people_note_adds_up_within_the_window() -> None:
    assert verdict(MANY, TICKETS, level(6, 1_800), level(5, 2)).outcome is Outcome.FAIL
    assert verdict(MANY, TICKETS, level(6, 4_000), level(5, 2)).outcome is Outcome.PASS


def test_what_nobody_has_entered_is_not_known() -> None:
    found = verdict(MANY, TICKETS)
    assert (found.outcome, found.why) == (
        Outcome.INCONCLUSIVE,
        "tickets above 10: nobody has entered it",
    )


def test_what_people_say_does_not_grow_old() -> None:
    satisfaction = MetricDefinition("satisfaction", PersonSource("how satisfied"), unit="%")
    low = replace(MANY, side=Side.BELOW, at_most=95_000_000)
    assert verdict(low, satisfaction, level(97, 9_000), level(90, 8_000)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("micro", "unit", "text"),
    [(82_500_000, "%", "82.5 %"), (312_000_000, "ms", "312 ms"), (-1_500, "", "-0.002"), (0, "", "0")],
)
def test_an_amount_is_said_with_its_unit(micro: int, unit: str, text: str) -> None:
    assert amount(micro, unit) == text
