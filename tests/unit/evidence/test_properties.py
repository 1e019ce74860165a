"""What must hold of evidence whatever is read."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.evidence.series import ALL_PPM, START_MS, errors, rules_of
from tminus.domain.watch.evidence.detector import detector, log_mean
from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.kernel import (
    BlockBet,
    BlockShare,
    Kernel,
    Ratios,
    errors_worse,
    share_above,
    share_off,
)
from tminus.domain.watch.evidence.metric import Group, Kind, Metric
from tminus.domain.watch.evidence.rules import Rules
from tminus.domain.watch.evidence.tally import Arm, Both, Reading, Tally
from tminus.domain.watch.evidence.track import Mass

RATE = errors(alert=5_000)
AGAINST = Metric("against", Kind.AGAINST_STABLE, 1_500, 1_000, group=Group.RELATIVE)
STRICT = Metric("strict", Kind.RATE, 10_000, strict=True)
LATENCY = Metric(
    "latency",
    Kind.LATENCY_AGAINST_STABLE,
    1_500,
    group=Group.LATENCY,
    edges_ms=(100, 300),
    cuts_ms=(100, 300),
)
GAUGE = Metric("processor", Kind.GAUGE, 90, 80)
RULES = rules_of(RATE, AGAINST, STRICT, LATENCY, GAUGE)

cases = st.integers(0, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
seconds = st.lists(st.tuples(cases, cases), min_size=1, max_size=40)


def _readings(rules: Rules, second: int, mine: tuple[int, int], others: tuple[int, int]) -> list[Reading]:
    at_ms = START_MS + 1000 * second + 300
    readings = []
    for metric in rules.metrics:
        if metric.kind is Kind.GAUGE:
            readings.append(Reading(metric.name, Arm.CANDIDATE, at_ms, value=mine[1]))
            continue
        for arm, (bad, total) in ((Arm.CANDIDATE, mine), (Arm.STABLE, others)):
            within = (total - bad, total - bad // 2) if metric.has_histogram else ()
            readings.append(Reading(metric.name, arm, at_ms, bad, total, within))
    return readings


def _masses(judge: Judge) -> list[Mass]:
    return [
        mass
        for track in judge.tracks
        for mass in (track.rollback, track.alert, track.passing)
        if mass is not None
    ]


def _same(one: Judge, other: Judge) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        for mine, others in zip(_masses(one), _masses(other), strict=True)
        for a, b in zip(mine.logs, others.logs, strict=True)
    )


@pytest.mark.req("R9")
@given(st.lists(cases, min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_without_exposure_of_the_candidate_nothing_fires(others: list[tuple[int, int]]) -> None:
    rules = rules_of(RATE, AGAINST, STRICT, LATENCY)
    judge = Judge.start(rules)
    for second, counts in enumerate(others):
        judge = judge.feed(*_readings(rules, second, (0, 0), counts)).tick(START_MS + 1000 * second, ALL_PPM)
    judge = judge.tick(START_MS + 1000 * len(others) + 9000, ALL_PPM)
    assert judge.rollback is None
    assert judge.alerts == ()
    assert not judge.judgement().passed


@given(seconds)
@settings(max_examples=25, deadline=None)
def test_one_by_one_in_a_batch_and_over_a_dump_are_the_same(
    counts: Sequence[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    readings = [_readings(RULES, second, *both) for second, both in enumerate(counts)]
    end_ms = START_MS + 1000 * len(counts) + 9000
    batch = Judge.start(RULES).feed(*(reading for these in readings for reading in these)).tick(end_ms, 0)
    single = over = Judge.start(RULES)
    for these in readings:
        for reading in these:
            single = single.feed(reading)
        over = Judge.load(RULES, over.feed(*these).dump())
        # What was fed before the dump is fed again after it, as a driver that was killed does.
        over = over.feed(*these)
    assert _same(single.tick(end_ms, 0), batch)
    over = over.tick(end_ms, 0)
    assert _same(over, batch)
    assert [mass.logs for mass in _masses(over)] == [mass.logs for mass in _masses(batch)]


@given(cases, cases, st.permutations(range(4)))
@settings(max_examples=25, deadline=None)
def test_readings_within_the_watermark_may_come_in_any_order(
    mine: tuple[int, int], others: tuple[int, int], order: list[int]
) -> None:
    rules = rules_of(AGAINST)
    ordered = _readings(rules, 0, mine, others) + _readings(rules, 1, others, mine)
    end_ms = START_MS + 9000
    expected = Judge.start(rules).feed(*ordered).tick(end_ms, 0)
    assert _same(Judge.start(rules).feed(*(ordered[place] for place in order)).tick(end_ms, 0), expected)


@given(cases, st.integers(1, 20))
def test_cases_one_by_one_and_together_say_the_same(counts: tuple[int, int], pieces: int) -> None:
    bad, total = counts
    kernel = share_above(0.01)
    whole = kernel.log_ratios(Both(Tally(bad, total))) or (0.0,) * kernel.size
    added = [0.0] * kernel.size
    left = bad
    for piece in range(pieces):
        some = total * (piece + 1) // pieces - total * piece // pieces
        part = Tally(min(left, some), some)
        left -= part.bad
        for index, ratio in enumerate(kernel.log_ratios(Both(part)) or ()):
            added[index] += ratio
    assert added == pytest.approx(whole, rel=1e-9, abs=1e-9)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 999_999))
def test_a_share_that_is_off_looks_the_same_with_the_arms_swapped(
    mine: int, others: int, weight: int
) -> None:
    kernel = share_off(1.1)
    total = mine + others
    one = kernel.log_ratios(Both(Tally(mine, total), weight_ppm=weight))
    other = kernel.log_ratios(Both(Tally(others, total), weight_ppm=1_000_000 - weight))
    assert (one is None) == (other is None) == (total == 0)
    if one is not None and other is not None:
        assert sorted(one) == pytest.approx(sorted(other), rel=1e-9, abs=1e-9)


@given(cases, cases)
def test_both_arms_cannot_be_worse_than_each_other(mine: tuple[int, int], others: tuple[int, int]) -> None:
    kernel = errors_worse(1.0)
    one = kernel.log_ratios(Both(Tally(*mine), Tally(*others)))
    other = kernel.log_ratios(Both(Tally(*others), Tally(*mine)))
    if one is not None and other is not None:
        assert min(max(one), max(other)) <= 0


KERNELS: tuple[Kernel, ...] = (
    share_above(0.01),
    errors_worse(1.0),
    errors_worse(1.5),
    BlockBet(0.01),
    BlockShare(1.5),
)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: type(kernel).__name__)
@given(mine=cases, others=cases)
def test_one_bad_case_more_is_never_less_evidence(
    kernel: Kernel, mine: tuple[int, int], others: tuple[int, int]
) -> None:
    bad, total = mine
    if bad == total:
        return
    fewer = kernel.log_ratios(Both(Tally(bad, total), Tally(*others)))
    more = kernel.log_ratios(Both(Tally(bad + 1, total), Tally(*others)))
    for less, greater in zip(fewer or (), more or (), strict=fewer is not None):
        assert greater >= less - 1e-12


ratios = st.lists(st.floats(-50, 50), min_size=3, max_size=3)


@given(st.lists(ratios, min_size=1, max_size=30), st.floats(1, 20), st.integers(1, 20))
def test_the_cap_and_tempering_bound_what_a_block_adds(
    series: list[list[float]], temper: float, blocks: int
) -> None:
    scale = detector(3, 1e-3, blocks, temper, 10)
    free = replace(scale, cap=math.inf)
    logs, free_logs = scale.begin(), free.begin()
    for number, these in enumerate(series):
        due = scale.restarts_between(max(0, number - 1), number)
        before = max(logs)
        logs = scale.step(logs, tuple(these), due)
        free_logs = free.step(free_logs, tuple(these), due)
        assert all(capped <= uncapped + 1e-9 for capped, uncapped in zip(logs, free_logs, strict=True))
        assert max(logs) <= math.log(math.exp(before) + due * scale.restart + 1e-300) + scale.cap + 1e-9
        if number + 1 < blocks * 0.7:
            assert log_mean(logs) < scale.threshold


@given(ratios, st.floats(1, 20))
def test_tempering_brings_a_factor_closer_to_one(these: list[float], temper: float) -> None:
    plain = detector(3, 1e-3, None, 1.0, 10)
    tempered = detector(3, 1e-3, None, temper, 10)
    begun = plain.begin()
    for one, other, log in zip(
        plain.step(begun, tuple(these)), tempered.step(begun, tuple(these)), begun, strict=True
    ):
        assert abs(other - log) <= abs(one - log) + 1e-12


def test_all_restarts_together_spend_what_the_start_left() -> None:
    scale = detector(3, 1e-3, 10, 1.0, 10)
    due = sum(scale.restarts_between(number, number + 1) for number in range(10_000))
    assert due * scale.restart + scale.start == pytest.approx(1.0)
    assert scale.restarts_between(0, 10_000) == due


def _mean(kernel: Kernel, mine: Sequence[tuple[float, Both]]) -> Ratios:
    total = [0.0] * kernel.size
    for chance, seen in mine:
        found = kernel.log_ratios(seen) or (0.0,) * kernel.size
        for index, ratio in enumerate(found):
            total[index] += chance * math.exp(ratio)
    return tuple(total)


@pytest.mark.req("R9")
@given(st.integers(1, 40), st.floats(0.001, 0.3), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_mean_factor_of_a_rate_within_its_limit_is_at_most_one(
    total: int, limit: float, of_limit: float
) -> None:
    share = limit * of_limit
    outcomes = [
        (math.comb(total, bad) * share**bad * (1 - share) ** (total - bad), Both(Tally(bad, total)))
        for bad in range(total + 1)
    ]
    for kernel in (share_above(limit), BlockBet(limit)):
        assert max(_mean(kernel, outcomes)) <= 1 + 1e-9


@pytest.mark.req("R9")
@given(st.integers(1, 25), st.integers(1, 25), st.data())
@settings(max_examples=40, deadline=None)
def test_the_mean_factor_of_a_candidate_like_stable_is_at_most_one(
    candidate: int, stable: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(1, candidate + stable))
    outcomes = [
        (
            math.comb(candidate, mine) * math.comb(stable, bad - mine) / math.comb(candidate + stable, bad),
            Both(Tally(mine, candidate), Tally(bad - mine, stable)),
        )
        for mine in range(max(0, bad - stable), min(candidate, bad) + 1)
    ]
    for kernel in (errors_worse(1.0), errors_worse(1.5), BlockShare(1.0)):
        assert max(_mean(kernel, outcomes)) <= 1 + 1e-9
