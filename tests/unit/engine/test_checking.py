"""Checks in the countdown: they are asked, what changes is journalled, and the gate waits for all of them."""

from dataclasses import replace

import pytest

from tests.unit.engine.checks import (
    BUILT,
    DEADLINE_MS,
    FAIL,
    KEEPS_MS,
    SAFE,
    TOLD,
    UNKNOWN,
    UP,
    a_check_plan,
    an_answer,
    an_item,
    answers,
    ready,
)
from tests.unit.engine.launches import (
    COUNTED,
    FAILED,
    LOST,
    NOW_MS,
    RUNNING,
    held,
    kinds,
    launch,
    phases,
    step,
)
from tminus.domain.codec import from_json, to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob, StopJob
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading
from tminus.domain.launch.ready import verdicts_of, waivers_of
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.checklist import CheckItem, GateAction, Worked
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS
from tminus.domain.readiness.checked import (
    CheckAttested,
    CheckExcused,
    CheckExcuseEnded,
    CheckLapsed,
    Excuse,
    GateOpened,
    GateWaiting,
)
from tminus.engine.decide.step import Step

EARLIER_MS = NOW_MS - 2 * MINUTE_MS
TOLD_NOW = CheckAttested(TOLD.item, "ann", "pm", "they were", "", "", NOW_MS + HOUR_MS)


def of_kind(decided: Step, kind: type) -> list[ev.Event]:
    return [event for event in decided.events if isinstance(event, kind)]


def check_jobs(decided: Step) -> list[StartJob]:
    found = (entry.command for entry in decided.commands)
    return [each for each in found if isinstance(each, StartJob) and each.work == "check"]


@pytest.mark.req("R17")
def test_what_machines_can_see_is_asked_by_one_job_once_there_is_an_artifact() -> None:
    state = ready(UP, TOLD, SAFE)
    [job] = check_jobs(step(state))
    assert [each["item"] for each in job.arguments["items"]] == [UP.item, SAFE.item]
    assert from_json(CheckItem, job.arguments["items"][0]) == UP
    assert job.arguments["optional_secrets"] == {"TMINUS_CHECK_SECRET_0": "env:TOKEN"}
    assert job.arguments["target"]["digest"] == state.artifact
    assert job.arguments["target"]["instances"] == ["127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002"]
    assert check_jobs(step(replace(state, artifact=None, jobs={}))) == []


@pytest.mark.parametrize(("phase", "keys"), [(RUNNING, []), (LOST, ["check"])])
def test_the_job_is_started_again_only_when_it_is_lost(phase: str, keys: list[str]) -> None:
    found = {"check": JobReading("check", phase)}  # type: ignore[arg-type]  # a phase
    assert [job.key for job in check_jobs(step(ready(UP), jobs=found))] == keys


def test_another_job_asks_after_one_that_has_failed() -> None:
    failed = ev.JobEnded("check", FAILED, None, "work-crashed", "KeyError")
    assert [job.key for job in check_jobs(step(ready(UP, jobs={**COUNTED, "check": failed})))] == ["check-2"]


def test_a_failed_job_of_the_checks_ends_no_launch() -> None:
    found = {"check": JobReading("check", FAILED, {"answers": []}, "work-crashed", "KeyError")}
    decided = step(ready(UP), jobs=found)
    assert ev.JobEnded("check", FAILED, None, "work-crashed", "KeyError") in decided.events
    assert phases(decided) == []


def test_the_job_is_stopped_when_the_gate_is_past() -> None:
    state = launch(Phase.STAGING, plan=a_check_plan(UP))
    decided = step(state, jobs={"check": JobReading("check", RUNNING)})
    assert StopJob("check") in [entry.command for entry in decided.commands]


@pytest.mark.req("R3")
@pytest.mark.parametrize("outcome", [FAIL, UNKNOWN, None])
def test_the_gate_stays_shut_while_one_item_does_not_pass(outcome: str | None) -> None:
    found = {} if outcome is None else answers(an_answer(UP, outcome))  # type: ignore[arg-type]  # an outcome
    decided = step(ready(UP, TOLD, events=(TOLD_NOW,)), checked=found)
    assert phases(decided) == []
    assert of_kind(decided, GateWaiting) == [GateWaiting((UP.item,), 1, NOW_MS + DEADLINE_MS)]


@pytest.mark.req("R3")
def test_the_gate_opens_when_everything_holds_at_once_and_staging_follows() -> None:
    decided = step(ready(UP, TOLD, events=(TOLD_NOW,)), checked=answers(an_answer(UP)))
    assert kinds(decided) == ["check-answered", "gate-opened", "phase-entered"]
    assert phases(decided) == [Phase.STAGING]
    [opened] = of_kind(decided, GateOpened)
    assert isinstance(opened, GateOpened)
    assert (opened.passed, opened.waived, opened.not_applicable, opened.open) == (2, 0, 0, 0)
    assert decided.state.readiness.opened_ms == NOW_MS


def test_evidence_that_has_expired_does_not_open_the_gate() -> None:
    old = an_answer(UP, at_ms=NOW_MS - KEEPS_MS)
    decided = step(ready(UP, events=(old,)), checked=answers(old))
    assert phases(decided) == []
    assert [event.kind for event in decided.events] == ["check-lapsed", "gate-waiting"]
    assert verdicts_of(decided.state) == {UP.item: "inconclusive"}


def test_a_statement_that_has_expired_does_not_open_the_gate() -> None:
    decided = step(ready(TOLD, events=(replace(TOLD_NOW, expires_ms=NOW_MS),)))
    assert kinds(decided) == ["check-lapsed", "gate-waiting"]


def test_a_lapse_is_told_once() -> None:
    old = an_answer(UP, at_ms=NOW_MS - KEEPS_MS)
    state = ready(UP, events=(old, CheckLapsed(UP.item, "")))
    assert of_kind(step(state, checked=answers(old)), CheckLapsed) == []


def test_evidence_from_a_clock_that_runs_ahead_is_none() -> None:
    assert phases(step(ready(UP), checked=answers(an_answer(UP, at_ms=NOW_MS + HOUR_MS)))) == []


def test_a_waiver_opens_the_gate_until_it_runs_out() -> None:
    waiver = CheckExcused(UP.item, Excuse.WAIVED, "ann", "the load balancer is new", NOW_MS + 1)
    state = ready(UP, events=(waiver,))
    assert phases(step(state)) == [Phase.STAGING]
    later = step(state, now_ms=NOW_MS + 1)
    assert kinds(later) == ["check-excuse-ended", "gate-waiting"]
    assert waivers_of(state)[UP.item].by == "ann"
    assert verdicts_of(state) == {UP.item: "waived"}


def test_an_item_that_does_not_block_is_shown_and_passed() -> None:
    decided = step(ready(replace(UP, blocks=False), BUILT))
    [opened] = of_kind(decided, GateOpened)
    assert isinstance(opened, GateOpened)
    assert (opened.passed, opened.open) == (1, 1)
    assert phases(decided) == [Phase.STAGING]


def test_a_plan_whose_checks_are_empty_opens_no_gate() -> None:
    plan = a_check_plan(UP)
    state = ready(plan=replace(plan, checks=replace(plan.checks, items=())))
    assert phases(step(state)) == []


def test_the_work_of_the_launch_answers_for_itself() -> None:
    assert phases(step(ready(BUILT))) == [Phase.STAGING]
    missing = ready(an_item("code/restored", Worked(("build", "restore-test"))))
    assert phases(step(missing)) == []


def test_evidence_that_says_the_same_is_journalled_at_its_cadence() -> None:
    first = an_answer(UP, FAIL, NOW_MS - 10 * MINUTE_MS)
    state = ready(UP, events=(first,))
    again = an_answer(UP, FAIL, NOW_MS)
    assert again not in step(state, checked=answers(again)).events
    later_ms = NOW_MS + KEEPS_MS // 2
    assert again in step(state, now_ms=later_ms, checked=answers(again)).events


def test_evidence_far_before_t0_is_journalled_seldom() -> None:
    first = an_answer(UP, FAIL, NOW_MS - MINUTE_MS)
    state = ready(UP, events=(first,), t0_ms=NOW_MS + 3 * DAY_MS)
    later_ms = NOW_MS + HOUR_MS
    again = an_answer(UP, FAIL, later_ms)
    assert again not in step(state, now_ms=later_ms, checked=answers(again)).events


def test_another_verdict_is_journalled_at_once() -> None:
    state = ready(UP, events=(an_answer(UP, FAIL, EARLIER_MS),))
    assert an_answer(UP) in step(state, checked=answers(an_answer(UP))).events


def test_the_gate_opens_on_evidence_that_the_journal_has() -> None:
    kept = an_answer(UP, at_ms=NOW_MS - KEEPS_MS + MINUTE_MS)
    state, later_ms = ready(UP, events=(kept,)), NOW_MS + MINUTE_MS
    fresh = an_answer(UP, at_ms=NOW_MS)
    decided = step(state, now_ms=later_ms, checked=answers(fresh))
    assert kinds(decided) == ["check-answered", "gate-opened", "phase-entered"]


def test_checks_are_noted_under_a_hold_and_the_gate_is_not_judged() -> None:
    decided = step(ready(UP, hold=held(expires_ms=NOW_MS + HOUR_MS)), checked=answers(an_answer(UP)))
    assert kinds(decided) == ["check-answered"]


@pytest.mark.parametrize(
    ("then", "kind"), [(GateAction.HOLD, "hold-placed"), (GateAction.SCRUB, "phase-entered")]
)
def test_a_gate_that_is_not_open_by_its_deadline_holds_or_scrubs(then: GateAction, kind: str) -> None:
    state = ready(plan=a_check_plan(UP, TOLD, then=then), events=(GateWaiting((UP.item,), 2, 0),))
    late_ms = NOW_MS - MINUTE_MS + DEADLINE_MS
    assert kinds(step(state, now_ms=late_ms - 1)) == []
    decided = step(state, now_ms=late_ms)
    assert kinds(decided)[:1] == [kind]
    why = "the checks did not hold within 30m: 2 of 2 checks: production/up, comms/told"
    assert getattr(decided.events[0], "why", "") == why


def test_whoever_lifts_the_hold_gives_the_gate_its_time_again() -> None:
    state = ready(UP, events=(GateWaiting((UP.item,), 1, 0),), resumed_ms=NOW_MS)
    assert kinds(step(state, now_ms=NOW_MS + DEADLINE_MS - 1)) == []
    assert kinds(step(state, now_ms=NOW_MS + DEADLINE_MS)) == ["hold-placed"]


def test_why_names_what_blocks_and_what_to_run() -> None:
    waiting = step(ready(UP, TOLD)).waiting
    assert waiting.what == "2 of 2 checks: production/up, comms/told"
    assert (waiting.until_ms, waiting.then) == (NOW_MS + DEADLINE_MS, "hold")
    assert waiting.unblock == "tminus ready shop"


def test_before_t0_nothing_waits_for_the_gate() -> None:
    state = ready(UP, t0_ms=NOW_MS + HOUR_MS)
    assert of_kind(step(state), GateWaiting) == []
    assert step(state).waiting.what == "T-0"


def test_an_item_that_was_due_is_told_to_be_late_once() -> None:
    state = ready(UP, t0_ms=NOW_MS + HOUR_MS - 1, planned_ms=NOW_MS - HOUR_MS)
    decided = step(state)
    [late] = of_kind(decided, ev.StepLate)
    assert isinstance(late, ev.StepLate)
    assert (late.step, late.due_ms) == (f"check {UP.item}", NOW_MS - 1)
    assert of_kind(step(decided.state), ev.StepLate) == []


def test_an_item_that_was_due_before_the_launch_was_entered_is_not_late() -> None:
    assert of_kind(step(ready(UP, t0_ms=NOW_MS + MINUTE_MS)), ev.StepLate) == []


def test_a_gate_that_has_opened_shuts_again_when_a_verdict_changes() -> None:
    opened = step(ready(UP), checked=answers(an_answer(UP))).state
    waiting = replace(opened, phase=Phase.COUNTDOWN)
    decided = step(
        waiting, now_ms=NOW_MS + MINUTE_MS, checked=answers(an_answer(UP, FAIL, NOW_MS + MINUTE_MS))
    )
    assert kinds(decided) == ["check-answered", "gate-waiting"]
    assert decided.state.readiness.opened_ms is None


def test_a_state_with_checks_survives_its_snapshot() -> None:
    waiver = CheckExcused(TOLD.item, Excuse.NOT_APPLICABLE, "ann", "nobody uses it", NOW_MS + 1)
    state = ready(UP, TOLD, SAFE, BUILT, events=(an_answer(UP), waiver, CheckExcuseEnded(TOLD.item, "", "")))
    assert from_json(LaunchState, to_json(state)) == state


def test_a_plan_without_checks_knows_no_verdicts() -> None:
    assert verdicts_of(launch(Phase.COUNTDOWN)) == {}
