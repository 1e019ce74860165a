"""Samples of the router turned into evidence, each exactly once."""

import json
from dataclasses import replace

import pytest

from tests.unit.engine.launches import NOW_MS
from tests.unit.judging.trials import (
    ARMS,
    ERRORS,
    GENERATION,
    HEALTHY,
    SLOW,
    Second,
    plan_of,
    terms,
    trial,
    weighed,
)
from tminus.domain.plan.judging import Judging
from tminus.domain.watch.baseline import Baseline
from tminus.domain.watch.counts import BUCKETS_MS, Counts, Sample
from tminus.domain.watch.evidence.dumped import DumpError
from tminus.domain.watch.evidence.judgement import Judgement, State
from tminus.domain.watch.terms import Terms, after_promotion
from tminus.domain.watch.weighing import Traffic, Weighing

pytestmark = pytest.mark.req("R9")

HALF = Traffic(GENERATION, 5_000, NOW_MS)
DAY_MS = 86_400_000
SEEN = Baseline(600, Counts(60_000, 6, 60_000, tuple(60_000 if edge >= 20 else 0 for edge in BUCKETS_MS)))
BOTH = terms(
    replace(plan_of(weighed(ERRORS), weighed(SLOW), judging=Judging(burn_in_ms=1_000)), sticky_cookie=""),
    baseline=SEEN,
)
"""Errors and times, each also against stable, and the share of the traffic."""


def given(samples: list[Sample], over: Terms = BOTH, traffic: Traffic = HALF) -> Weighing:
    weighing = Weighing.begin(over, ARMS)
    for sample in samples:
        weighing = weighing.give(sample, traffic)
    return weighing


def judged(samples: list[Sample], over: Terms = BOTH, traffic: Traffic = HALF) -> Judgement:
    judgement = given(samples, over, traffic).judgement
    assert judgement is not None
    return judgement


def test_a_healthy_candidate_passes_and_nothing_fires() -> None:
    found = judged(trial([HEALTHY] * 30))
    assert (found.passed, found.rollback, found.alerts) == (True, None, ())


def test_every_metric_counts_the_same_requests() -> None:
    found = judged(trial([Second((100, 1, 2), (50, 0, 0))] * 20))
    cases = {metric.metric: (metric.candidate.total, metric.stable.total) for metric in found.metrics}
    assert cases == {
        "error rate": (2_000, 0),
        "p95": (2_000, 0),
        "error rate against blue": (2_000, 1_000),
        "p95 against blue": (2_000, 1_000),
        "share of green": (3_000, 0),
    }


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (Second((100, 100, 0), (100, 0, 0)), "error rate"),
        (Second((100, 5, 0), (100, 0, 0)), "error rate"),
        (Second((100, 0, 60), (100, 0, 0)), "p95"),
    ],
)
def test_a_bad_candidate_is_found_and_the_metric_is_named(bad: Second, named: str) -> None:
    found = judged(trial([HEALTHY] * 30 + [bad] * 40))
    assert found.rollback is not None
    assert found.rollback.metric.startswith(named)
    assert found.state is State.ROLLBACK


def test_an_incident_that_both_share_does_not_fire_the_comparison() -> None:
    both = Second((100, 4, 0), (100, 4, 0))
    found = judged(trial([HEALTHY] * 30 + [both] * 120), terms(plan_of(weighed(ERRORS), judging=Judging())))
    relative = next(metric for metric in found.metrics if metric.metric.endswith("against blue"))
    assert relative.log_e < 0


def test_a_candidate_below_its_limit_and_worse_than_stable_is_rolled_back() -> None:
    worse = Second((1_000, 8, 0), (1_000, 0, 0))
    found = judged(trial([worse] * 120), terms(plan_of(weighed(ERRORS), judging=Judging())))
    assert found.rollback is not None
    assert found.rollback.metric == "error rate against blue"


def test_a_share_that_is_not_the_routers_alerts() -> None:
    found = judged(trial([Second((160, 0, 0), (40, 0, 0))] * 60))
    assert [alert.metric for alert in found.alerts] == ["share of green"]
    assert found.rollback is None


def test_a_share_is_not_judged_while_it_changes() -> None:
    late = replace(HALF, since_ms=NOW_MS + 1_000_000)
    assert judged(trial([Second((160, 0, 0), (40, 0, 0))] * 60), traffic=late).alerts == ()


def test_a_class_without_cases_has_no_data_and_never_passes() -> None:
    payment = replace(ERRORS, name="payments", route_class="payment")
    found = judged(trial([HEALTHY] * 60), terms(plan_of(weighed(ERRORS), weighed(payment))))
    states = {metric.metric: metric.state for metric in found.metrics}
    assert states == {"error rate": State.PASS, "payments": State.NO_DATA}
    assert not found.passed


def test_a_sample_that_was_given_before_changes_nothing() -> None:
    samples = trial([Second((100, 2, 3), (100, 0, 0))] * 20)
    weighing = given(samples)
    assert weighing.give(samples[-1], HALF) is weighing
    assert weighing.give(samples[3], HALF) is weighing


def test_a_gap_in_the_samples_loses_no_request() -> None:
    samples = trial([Second((100, 2, 3), (100, 0, 0))] * 20)
    whole, holed = given(samples), given([*samples[:5], *samples[15:]])
    assert holed.figures[0].total == whole.figures[0].total
    assert holed.figures[0].bad == whole.figures[0].bad


@pytest.mark.parametrize("killed_after", [1, 7, 30, 59])
def test_whoever_goes_on_from_a_dump_holds_exactly_the_same(killed_after: int) -> None:
    seconds = [Second((100, index % 3, index % 4), (90, index % 2, 0)) for index in range(60)]
    samples = trial(seconds)
    first = given(samples[:killed_after])
    second = Weighing.load(BOTH, after_promotion(BOTH, DAY_MS), ARMS, first.dump())
    for sample in samples:
        second = second.give(sample, HALF)
    assert second.dump() == given(samples).dump()
    assert second.judgement == given(samples).judgement


def test_a_dump_holds_whole_numbers_and_text_only() -> None:
    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is no whole number")

    body = json.loads(given(trial([HEALTHY] * 5)).dump(), parse_float=refuse)
    assert json.loads(body[-1], parse_float=refuse)


@pytest.mark.parametrize("text", ["", "[]", "[1,2]", '{"a":1}', "[9,false,0,0,{},0]", "null"])
def test_a_text_that_is_no_dump_is_refused(text: str) -> None:
    with pytest.raises(DumpError):
        Weighing.load(BOTH, BOTH, ARMS, text)


def test_a_dump_of_other_terms_is_refused() -> None:
    others = terms(plan_of(weighed(ERRORS)))
    with pytest.raises(DumpError, match="limits changed"):
        Weighing.load(others, others, ARMS, given(trial([HEALTHY] * 5)).dump())


def test_after_promotion_evidence_begins_anew_and_counts_nothing_twice() -> None:
    weighing = given(trial([Second((100, 50, 0), (100, 0, 0))] * 20))
    watch = weighing.promote(after_promotion(BOTH, DAY_MS))
    for sample in trial([Second((100, 50, 0), (100, 0, 0))] * 20 + [HEALTHY] * 10)[20:]:
        watch = watch.give(sample, Traffic(GENERATION, 10_000, NOW_MS))
    assert {figure.metric: (figure.bad, figure.total) for figure in watch.figures} == {
        "error rate": (0, 1_000),
        "p95": (0, 1_000),
    }
    assert watch.judgement is not None
    assert watch.judgement.rollback is None


def test_figures_are_whole_numbers_and_text() -> None:
    figure = given(trial([Second((100, 2, 3), (100, 1, 0))] * 20)).figures[0]
    assert (figure.metric, figure.bad, figure.total) == ("error rate", 40, 2_000)
    assert isinstance(figure.log_e_milli, int)
    assert isinstance(figure.p, str)


def test_too_little_traffic_is_told_from_bad_news() -> None:
    short = replace(HALF, remaining_ms=5_000)
    slow, bad = Second((2, 0, 0), (2, 0, 0)), Second((2, 1, 0), (2, 0, 0))
    over = terms(plan_of(weighed(ERRORS)))
    assert given(trial([slow] * 20), over, short).underpowered
    assert not given(trial([slow] * 19 + [bad]), over, short).underpowered
    assert not given(trial([HEALTHY] * 20), over, short).underpowered
