"""Evidence in a launch: terms before traffic moves, verdicts that lead on, what becomes of too little."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import (
    INSTANCES,
    NOW_MS,
    PASS,
    SMOKE_PASSED,
    UNSURE,
    a_plan,
    a_router,
    fired,
    kinds,
    launch,
    phases,
    seen,
    step,
)
from tests.unit.judging.trials import (
    ARMS,
    ERRORS,
    GENERATION,
    HEALTHY,
    SLOW,
    Second,
    fixed,
    plan_of,
    terms,
    trial,
    weighed,
)
from tminus.domain.launch.event import HoldPlaced, TriggerFired, VerdictReached
from tminus.domain.launch.evidence import EvidenceWeighed, Weighed
from tminus.domain.launch.judged import Judged
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.judging import Judging, OnUnderpowered
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import Meter, OnInconclusive, Shift
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.watch.weighing import Traffic, Weighing
from tminus.engine.decide.evidence import evidence_verdict, terms_now
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.launch.evidence import MOST_EXTENSIONS, SEAL_EVERY_MS
from tminus.engine.decide.step import Observation
from tminus.engine.decide.watch import judge

pytestmark = pytest.mark.req("R9")

UNMETERED = Meter(rate_per_s=0)
PLAN = plan_of(weighed(ERRORS), meter=UNMETERED)
FIXED = fixed(PLAN)
FIGURES = (Weighed("error rate", "pass", -4_000, 6_908, "1", 0, 900, 0, 0, 0),)
SEALED = EvidenceWeighed("sha256:d", NOW_MS, FIGURES)


READY = launch(Phase.STAGING, plan=PLAN, slot_up=True, jobs={"smoke": SMOKE_PASSED})
"""Nothing is missing any more, the router knows the candidate."""


def readied(state: LaunchState) -> Observation:
    both = {"admitted": frozenset(Slot), "up": dict.fromkeys(Slot, INSTANCES)}
    return seen(state, router=a_router(state, **both))


def weighing(*seconds: Second, traffic: Traffic | None = None) -> Weighing:
    found = Weighing.begin(terms(PLAN), ARMS)
    for sample in trial(seconds):
        found = found.give(sample, traffic or Traffic(GENERATION, 5_000, NOW_MS))
    return found


def test_traffic_does_not_move_before_the_terms_are_fixed() -> None:
    assert phases(decide(READY, readied(READY))) == []
    decided = decide(READY, replace(readied(READY), judged=Judged(terms=FIXED)))
    assert kinds(decided)[:3] == ["terms-fixed", "phase-entered", "step-taken"]
    assert decided.state.terms == FIXED


def test_terms_are_made_when_nothing_else_is_missing_and_once() -> None:
    assert terms_now(READY, readied(READY), ()) is not None
    assert terms_now(READY, seen(READY), ()) is None
    fixed_already = replace(READY, terms=FIXED)
    assert terms_now(fixed_already, readied(fixed_already), ()) is None
    windows = replace(READY, plan=a_plan(meter=UNMETERED))
    assert terms_now(windows, readied(windows), ()) is None


def test_a_plan_with_windows_alone_needs_no_terms() -> None:
    state = replace(READY, plan=a_plan(meter=UNMETERED))
    assert Phase.CUTOVER in phases(decide(state, readied(state)))


def test_only_a_proof_leads_on() -> None:
    few, many = weighing(HEALTHY), weighing(*[HEALTHY] * 10)
    verdicts = [evidence_verdict(PLAN, each) for each in (None, few, many)]
    assert [None if verdict is None else verdict.outcome for verdict in verdicts] == [
        Outcome.INCONCLUSIVE,
        Outcome.INCONCLUSIVE,
        Outcome.PASS,
    ]


def test_what_only_alerts_keeps_nothing_from_passing() -> None:
    plan = plan_of(weighed(ERRORS, Consequence.ALERT))
    assert evidence_verdict(plan, None) is None
    beside = plan_of(weighed(ERRORS), weighed(replace(SLOW, at_most=1), Consequence.ALERT))
    found = Weighing.begin(terms(beside), ARMS)
    for sample in trial([HEALTHY] * 10):
        found = found.give(sample, Traffic(GENERATION, 5_000, NOW_MS))
    verdict = evidence_verdict(beside, found)
    assert verdict is not None
    assert verdict.outcome is Outcome.PASS


def test_a_broken_limit_fires_with_the_evidence_against_it() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN, terms=FIXED)
    found = judge(state, (), NOW_MS, weighing=weighing(*[Second((100, 60, 0), (100, 0, 0))] * 15))
    [rollback] = found.fired
    assert (rollback.trigger, rollback.consequence) == ("error rate", Consequence.ROLLBACK)
    assert (rollback.weighed[0].bad, rollback.weighed[0].total) == (900, 1_500)
    assert found.safe.outcome is Outcome.FAIL


def test_a_limit_that_holds_holds() -> None:
    plan = plan_of(weighed(ERRORS, Consequence.HOLD))
    found = Weighing.begin(terms(plan), ARMS)
    for sample in trial([Second((100, 60, 0), (100, 0, 0))] * 15):
        found = found.give(sample, Traffic(GENERATION, 5_000, NOW_MS))
    told = judge(launch(Phase.CUTOVER, plan=plan), (), NOW_MS, weighing=found).fired
    assert [(each.trigger, each.consequence) for each in told] == [("error rate", Consequence.HOLD)]


def test_a_candidate_with_traffic_and_without_a_case_alerts_after_two_minutes() -> None:
    none = Second((0, 0, 0), (100, 0, 0))
    state = launch(Phase.CUTOVER, plan=PLAN)
    assert judge(state, (), NOW_MS, weighing=weighing(*[none] * 110)).fired == ()
    found = judge(state, (), NOW_MS, weighing=weighing(*[none] * 125))
    assert [(each.trigger, each.consequence) for each in found.fired] == [
        ("no cases of error rate", Consequence.ALERT)
    ]
    assert found.safe.outcome is Outcome.INCONCLUSIVE


def test_verification_needs_the_evidence_beside_its_targets() -> None:
    state = launch(Phase.VERIFYING, plan=PLAN)
    found = judge(state, (), NOW_MS, weighing=weighing(HEALTHY))
    assert "error rate on green: 0 of 100 failed" in found.on_target.why


def test_a_verdict_is_journalled_with_its_evidence() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN, step_ms=NOW_MS - 60_000)
    decided = step(state, judged=Judged(safe=PASS, weighed=FIGURES))
    [reached] = [event for event in decided.events if isinstance(event, VerdictReached)]
    assert reached.weighed == FIGURES


def test_a_trigger_is_journalled_with_its_evidence() -> None:
    judged = fired(Consequence.ALERT)
    told = replace(judged, fired=(replace(judged.fired[0], weighed=FIGURES),))
    decided = step(launch(Phase.BAKING), judged=told)
    assert [event.weighed for event in decided.events if isinstance(event, TriggerFired)] == [FIGURES]


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_the_evidence_of_a_trial_is_chained_each_minute(phase: Phase) -> None:
    for age_ms, chained in ((SEAL_EVERY_MS - 1, 0), (SEAL_EVERY_MS, 1)):
        state = launch(phase, weighed_ms=NOW_MS - age_ms)
        decided = step(state, judged=Judged(sealed=SEALED))
        assert [kind for kind in kinds(decided) if kind == "evidence-weighed"] == chained * [
            "evidence-weighed"
        ]


def test_a_deadline_without_enough_traffic_holds_whatever_inconclusive_verdicts_do() -> None:
    overdue = NOW_MS - 11 * 60_000
    plan = replace(PLAN, on_inconclusive=OnInconclusive.ROLLBACK)
    state = launch(Phase.CUTOVER, plan=plan, step_ms=overdue)
    decided = step(state, judged=Judged(safe=UNSURE, underpowered=True))
    [hold] = [event for event in decided.events if isinstance(event, HoldPlaced)]
    assert hold.why.startswith("too little traffic by the deadline")
    assert Phase.ROLLING_BACK in phases(step(state, judged=Judged(safe=UNSURE)))


def test_a_plan_that_asks_holds_as_soon_as_it_is_known_and_once() -> None:
    plan = replace(PLAN, judging=Judging(on_underpowered=OnUnderpowered.ASK))
    state = launch(Phase.CUTOVER, plan=plan, step_ms=NOW_MS - 20_000)
    lacking = Judged(safe=UNSURE, underpowered=True)
    assert "hold-placed" in kinds(step(state, judged=lacking))
    assert "hold-placed" not in kinds(step(state, judged=Judged(safe=UNSURE)))
    assert "hold-placed" not in kinds(step(replace(state, resumed_ms=NOW_MS - 1_000), judged=lacking))


def test_a_plan_that_extends_gives_a_step_more_time_and_not_for_ever() -> None:
    plan = replace(
        PLAN,
        shift=Shift(step_deadline_ms=60_000),
        judging=Judging(on_underpowered=OnUnderpowered.EXTEND),
    )
    lacking = Judged(safe=UNSURE, underpowered=True)
    for minutes, held in ((1, False), (MOST_EXTENSIONS - 1, False), (MOST_EXTENSIONS, True)):
        state = launch(Phase.CUTOVER, plan=plan, step_ms=NOW_MS - minutes * 60_000)
        assert ("hold-placed" in kinds(step(state, judged=lacking))) is held
