"""A plan's own metrics as evidence: every case once, none of stable's, none of before the trial."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.launches import NOW_MS
from tests.unit.judging.trials import ARMS, GENERATION, HEALTHY, plan_of, terms, trial, weighed
from tminus.domain.launch.evidence import Counted
from tminus.domain.plan.limit import Against, Consequence, Limit, Metric, Side
from tminus.domain.plan.metric import MetricDefinition, MetricKind, PrometheusSource
from tminus.domain.plan.plan import Plan
from tminus.domain.watch.cases import Cases, since
from tminus.domain.watch.evidence.metric import Group, Kind
from tminus.domain.watch.evidence.tally import Tally
from tminus.domain.watch.measurement import Arm, MeasuredState, Measurement
from tminus.domain.watch.terms import can_be_weighed
from tminus.domain.watch.weighing import Traffic, Weighing

DECLINED = Limit("payments declined", Metric.MEASURED, 10_000, measured="payments")
PAID = Limit("payments paid", Metric.MEASURED, 990_000, measured="payments", side=Side.BELOW)
TRAFFIC = Traffic(GENERATION, 5_000, NOW_MS)


def metric(dedupe: str = "", *, cumulative: bool = True) -> MetricDefinition:
    source = PrometheusSource("http://localhost:9090", bad='d{slot="{slot}"}', total='a{slot="{slot}"}')
    return MetricDefinition(
        "payments", source, MetricKind.RATIO, every_ms=2_000, cumulative=cumulative, dedupe=dedupe
    )


def plan(limit: Limit = DECLINED, dedupe: str = "") -> Plan:
    return replace(plan_of(weighed(limit)), metrics=(metric(dedupe),))


def measured(after_s: int, bad: int, total: int, arm: Arm = Arm.CANDIDATE) -> Measurement:
    return Measurement(NOW_MS + after_s * 1_000, arm, bad=bad, total=total)


@pytest.mark.parametrize(
    ("limit", "made", "weighable"),
    [
        (DECLINED, metric(), True),
        (PAID, metric(), True),
        (DECLINED, metric(cumulative=False), False),
        (DECLINED, replace(metric(), counted=MetricKind.GAUGE), False),
        (replace(DECLINED, against=Against.STABLE, at_most=1_500_000), metric(), False),
        (replace(DECLINED, at_most=0), metric(), False),
        (DECLINED, None, False),
    ],
)
def test_a_running_count_of_cases_can_be_weighed(
    limit: Limit, made: MetricDefinition | None, weighable: bool
) -> None:
    assert can_be_weighed(limit, made) is weighable


def test_a_comparison_with_stable_is_weighed_where_both_have_traffic() -> None:
    limit = Limit("errors against stable", Metric.ERROR_RATE, 1_500_000, against=Against.STABLE)
    assert can_be_weighed(limit, beside=True)
    assert not can_be_weighed(limit, beside=False)
    found = terms(plan_of(weighed(limit)))
    assert [(each.kind, each.limit, each.floor) for each in found.rules.metrics] == [
        (Kind.AGAINST_STABLE, 1_500, None)
    ]
    assert found.subjects[0].rollback == limit.name
    alone = terms(plan_of(weighed(limit, Consequence.HOLD)))
    assert (alone.rules.metrics[0].limit, alone.rules.metrics[0].alert) == (None, 1_500)
    assert alone.subjects[0].on_alert is Consequence.HOLD


def test_a_comparison_of_times_needs_no_baseline() -> None:
    limit = Limit("p95 against stable", Metric.LATENCY_P95, 1_500_000, against=Against.STABLE)
    found = terms(plan_of(weighed(limit)))
    assert found.rules.metrics[0].kind is Kind.LATENCY_AGAINST_STABLE
    assert found.rules.scales[0].rollback is not None


def test_a_metric_of_the_plan_has_terms_of_its_own() -> None:
    found = terms(plan(dedupe="payment id"))
    assert [(each.kind, each.limit, each.group) for each in found.rules.metrics] == [
        (Kind.RATE, 10_000, Group.PAYMENT)
    ]
    assert found.rules.metrics[0].deduplicated
    assert found.rules.metrics[0].blocks == 5, "ten bad seconds are five readings of two seconds"
    assert (found.subjects[0].counted, found.subjects[0].measured) == (Counted.CASES, "payments")
    below = terms(plan(PAID))
    assert (below.rules.metrics[0].limit, below.subjects[0].counted) == (10_000, Counted.SUCCESSES)


def test_counting_begins_where_the_trial_does() -> None:
    found = [measured(-4, 900, 1_000), measured(-2, 950, 1_100), measured(2, 951, 1_120)]
    assert since(None, found, NOW_MS) == (
        Cases(NOW_MS + 2_000, 951, 1_120),
        ((NOW_MS + 2_000, Tally(1, 20)),),
    )


def test_what_is_no_evidence_and_what_stable_did_counts_for_nothing() -> None:
    gap = Measurement(NOW_MS + 3_000, Arm.CANDIDATE, MeasuredState.SLOW)
    found = [measured(1, 0, 10), measured(2, 99, 100, Arm.STABLE), gap, measured(4, 1, 30)]
    assert since(None, found, NOW_MS)[1] == ((NOW_MS + 4_000, Tally(1, 20)),)


def test_a_counter_that_fell_counts_from_zero() -> None:
    found = [measured(1, 5, 100), measured(3, 1, 7)]
    assert since(None, found, NOW_MS)[1] == ((NOW_MS + 3_000, Tally(1, 7)),)


COUNTS = st.lists(st.tuples(st.integers(0, 5), st.integers(5, 50)), min_size=2, max_size=30)


@given(COUNTS, st.lists(st.integers(0, 30), max_size=6))
def test_every_case_is_given_once_whatever_is_told_again(
    added: list[tuple[int, int]], looks: list[int]
) -> None:
    found, bad, total = [], 0, 0
    for number, (more_bad, more) in enumerate(added):
        bad, total = bad + more_bad, total + more
        found.append(measured(number + 1, bad, total))
    given_bad = given_total = 0
    before = None
    for upto in [*sorted(looks), len(found)]:
        before, tallies = since(before, found[max(0, upto - 10) : upto] if before else found[:upto], NOW_MS)
        given_bad += sum(tally.bad for _, tally in tallies)
        given_total += sum(tally.total for _, tally in tallies)
    assert (given_bad, given_total) == (bad - added[0][0], total - added[0][1])


def watched(bad_of_20: int, *, dumped_at: int = -1, limit: Limit = DECLINED) -> Weighing:
    """A minute of 20 payments each 2 s, of which so many are declined (or not paid)."""
    mine = plan(limit, "payment id")
    weighing = Weighing.begin(terms(mine), ARMS)
    found = [measured(0, 0, 0)]
    for second, sample in enumerate(trial([HEALTHY] * 60), start=1):
        if second % 2 == 0:
            bad = bad_of_20 * second // 2
            total = 10 * second
            found.append(measured(second, total - bad if limit is PAID else bad, total))
        weighing = weighing.measure({"payments": found}, NOW_MS).give(sample, TRAFFIC)
        if second == dumped_at:
            held = terms(mine)
            weighing = Weighing.load(held, held, ARMS, weighing.dump())
    return weighing


def test_payments_that_are_declined_roll_back_in_a_sentence_with_their_numbers() -> None:
    judgement = watched(2).judgement
    assert judgement is not None
    assert judgement.rollback is not None
    assert judgement.rollback.metric == "payments declined"
    assert "failed" in judgement.rollback.why
    assert "limit 1 %" in judgement.rollback.why


def test_a_limit_on_the_good_ones_judges_the_others() -> None:
    judgement = watched(2, limit=PAID).judgement
    assert judgement is not None
    assert judgement.rollback is not None


def test_payments_that_are_paid_pass() -> None:
    judgement = watched(0).judgement
    assert judgement is not None
    assert judgement.rollback is None
    assert judgement.metrics[0].candidate == Tally(0, 600)


@pytest.mark.parametrize("second", [1, 2, 17, 40])
def test_a_driver_that_goes_on_from_a_dump_has_the_same_evidence(second: int) -> None:
    assert watched(1, dumped_at=second).dump() == watched(1).dump()
