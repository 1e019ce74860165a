"""Limits and counters turned into what the launch acts upon."""

from dataclasses import replace

import pytest

from tests.golden.log.worlds import world
from tests.unit.engine.launches import CANDIDATE, NOW_MS, a_plan, launch
from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.figures import ClassFigures, DatabaseFigures
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.route_class import RouteClass
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.watch.answers import Answer, Health, read_health
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.judge import STALE_MS
from tminus.engine.decide.watch import Answers, judge

pytestmark = pytest.mark.req("R9")

ERRORS = Limit("error rate", Metric.ERROR_RATE, 10_000)
SLOW = Limit("p95", Metric.LATENCY_P95, 500)
TARGET = Limit("target", Metric.ERROR_RATE, 1_000)
PLAN = a_plan(triggers=(Trigger(ERRORS), Trigger(SLOW, Consequence.ALERT)), targets=(TARGET,))
CUTOVER = launch(Phase.CUTOVER, plan=PLAN)


def sample(
    requests: int, failures: int = 0, *, age_ms: int = 0, route_class: str = "other", ms: int = 10
) -> Sample:
    within = tuple(requests if edge_ms >= ms else 0 for edge_ms in BUCKETS_MS)
    counts = Counts(requests, failures, requests, within)
    return Sample(NOW_MS - age_ms, (ClassCounts(CANDIDATE, CUTOVER.generation, route_class, counts),))


def judged(*samples: Sample, state: LaunchState = CUTOVER) -> Judged:
    return judge(state, samples, NOW_MS)


@pytest.mark.parametrize("phase", sorted(set(Phase) - TRIAL - {Phase.WATCHING}))
def test_without_traffic_on_the_candidate_nothing_is_judged(phase: Phase) -> None:
    assert judged(sample(100, 100), state=launch(phase, plan=PLAN)) == Judged()


@pytest.mark.parametrize("phase", sorted(TRIAL | {Phase.WATCHING}))
def test_a_candidate_with_traffic_is_judged(phase: Phase) -> None:
    assert judged(sample(100), state=launch(phase, plan=PLAN)).safe.outcome is Outcome.PASS


def test_without_samples_neither_gate_opens() -> None:
    found = judged()
    assert (found.fired, found.safe.outcome, found.on_target.outcome, found.reading) == (
        (),
        Outcome.INCONCLUSIVE,
        Outcome.INCONCLUSIVE,
        None,
    )


def test_a_broken_limit_fires_its_trigger_with_its_consequence() -> None:
    found = judged(sample(100, ms=1_000))
    assert [(each.trigger, each.consequence) for each in found.fired] == [("p95", Consequence.ALERT)]


def test_triggers_fire_in_the_plans_order() -> None:
    assert [each.trigger for each in judged(sample(100, 50, ms=1_000)).fired] == ["error rate", "p95"]


def test_limits_and_targets_are_gates_of_their_own() -> None:
    found = judged(sample(1_000, 5))
    assert (found.safe.outcome, found.on_target.outcome) == (Outcome.PASS, Outcome.FAIL)


def test_a_plan_without_triggers_has_a_gate_that_never_opens() -> None:
    found = judged(sample(100), state=launch(Phase.CUTOVER, plan=a_plan(triggers=())))
    assert found.safe.outcome is Outcome.FAIL


def test_a_plan_without_targets_has_a_gate_that_never_opens() -> None:
    found = judged(sample(100), state=launch(Phase.VERIFYING, plan=a_plan(targets=())))
    assert found.on_target.outcome is Outcome.FAIL


def test_a_total_failure_rolls_back_before_there_is_evidence_for_a_limit() -> None:
    found = judged(sample(5, 5))
    assert found.fired[0] == Fired(
        "total failure of all", Consequence.ROLLBACK, "all on green: all of the last 5 requests failed"
    )


def test_a_total_failure_of_one_class_rolls_back() -> None:
    plan = a_plan(triggers=(), route_classes=(RouteClass("payment", ("/pay",)),))
    good, bad = sample(100), sample(5, 5, route_class="payment")
    both = Sample(NOW_MS, (*good.classes, *bad.classes))
    found = judged(both, state=launch(Phase.CUTOVER, plan=plan))
    assert [each.trigger for each in found.fired] == ["total failure of payment"]


@pytest.mark.parametrize(("age_ms", "fires"), [(STALE_MS, True), (STALE_MS + 1, False)])
def test_a_total_failure_that_is_stale_is_no_evidence(age_ms: int, fires: bool) -> None:
    assert bool(judged(sample(5, 5, age_ms=age_ms)).fired) is fires


@pytest.mark.parametrize(
    ("answers", "outcome", "fires"),
    [
        ({}, Outcome.INCONCLUSIVE, False),
        ({"another": [Answer(NOW_MS, 0, 100)]}, Outcome.INCONCLUSIVE, False),
        ({"declined": [Answer(NOW_MS, 0, 100)]}, Outcome.PASS, False),
        ({"declined": [Answer(NOW_MS, 50, 100)]}, Outcome.FAIL, True),
    ],
    ids=["none", "another's", "passes", "fails"],
)
def test_a_limit_on_a_question_is_judged_by_its_answers(
    answers: Answers, outcome: Outcome, fires: bool
) -> None:
    limit = Limit("payments", Metric.QUESTION, 10_000, question="declined")
    plan = a_plan(triggers=(Trigger(limit),), targets=(limit,))
    found = judge(launch(Phase.CUTOVER, plan=plan), [sample(100)], NOW_MS, answers)
    assert (found.safe.outcome, found.on_target.outcome) == (outcome, outcome)
    assert [each.trigger for each in found.fired] == (["payments"] if fires else [])


@pytest.mark.req("R19")
def test_the_reading_has_the_candidates_figures() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN, cutover_ms=NOW_MS - 4_000)
    found = judged(sample(200, 3, ms=50), state=state)
    assert found.reading == ReadingTaken(CANDIDATE, 1_000, 200, 50_000, 15_000, 50)


HEALTH = Health(NOW_MS - STALE_MS, 120_000, 400, None, 1)


@pytest.mark.req("R19", "R20", "R22")
@pytest.mark.parametrize("late_ms", [0, 1])
def test_the_reading_has_what_the_database_says_unless_it_is_stale(late_ms: int) -> None:
    state = launch(Phase.CUTOVER, plan=PLAN, cutover_ms=NOW_MS - 4_000)
    found = judge(state, [sample(200)], NOW_MS + late_ms, {}, HEALTH)
    assert found.reading is not None
    assert found.reading.database == (None if late_ms else DatabaseFigures(120_000, 400, None, 1))


@pytest.mark.req("R10", "R19")
def test_the_reading_has_every_class_that_had_requests() -> None:
    plan = replace(PLAN, route_classes=(RouteClass("payment", ("/pay",)), RouteClass("login", ("/auth",))))
    state = launch(Phase.CUTOVER, plan=plan)
    found = judge(state, [sample(200, 1, route_class="payment")], NOW_MS)
    assert found.reading is not None
    assert found.reading.classes == (ClassFigures("payment", 200, 5_000),)


@pytest.mark.parametrize(
    "progress",
    [None, [], {}, {"database": None}, {"database": {"at_ms": 1}}, {"database": {"at_ms": "x"}}],
)
def test_what_is_no_reading_of_a_database_is_none(progress: object) -> None:
    assert read_health(progress) is None


@pytest.mark.parametrize(
    ("since_ms", "per_s"), [(0, 200), (500, 200), (4_000, 50), (10**9, 200_000 / PLAN.longest_window_ms)]
)
def test_requests_a_second_are_counted_from_the_cutover_over_the_window_at_most(
    since_ms: int, per_s: float
) -> None:
    state = launch(Phase.CUTOVER, plan=PLAN, cutover_ms=NOW_MS - since_ms)
    reading = judged(sample(0, age_ms=10_000), sample(200), state=state).reading
    assert reading is not None
    assert reading.per_s_milli == int(per_s * 1_000)


def test_a_reading_without_requests_has_no_rates() -> None:
    reading = judged(sample(0)).reading
    assert reading is not None
    assert (reading.error_ppm, reading.p95_ms) == (None, None)


def test_a_promoted_candidate_is_read_with_all_traffic() -> None:
    reading = judged(sample(10), state=launch(Phase.WATCHING, plan=PLAN, step=0)).reading
    assert reading is not None
    assert reading.share_bp == 10_000


def test_whoever_looks_on_at_a_driver_sees_what_was_judged() -> None:
    told = world("good", lambda tick: tick.observation.judged.safe.outcome is Outcome.PASS)
    assert told.last is not None
    assert told.last.state.phase is Phase.CUTOVER
    assert told.last.observation.judged.reading is not None
