"""Alerts, stages and looks beside the launch's own decisions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    ENTERED_MS,
    NOW_MS,
    STABLE,
    a_plan,
    launch,
    order,
    seen,
)
from tminus.domain.codec import from_json, to_json
from tminus.domain.launch import alarm as al
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, TERMINAL, TRIAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.alert import AlertRule, Severity
from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.domain.plan.plan import Stay
from tminus.domain.plan.stage import Stage
from tminus.domain.watch.alerting import Course
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.engine.decide.alarm import look_due_ms
from tminus.engine.decide.step import Step
from tminus.engine.decide.tick import decide_tick

ERRORS = Limit("errors", Metric.ERROR_RATE, 5_000, window_ms=60_000)
DECLINED = Limit("declined", Metric.QUESTION, 5_000, question="declined")
RULE = AlertRule(ERRORS, Severity.HIGH, "devops", resolve_ms=0, missing_ms=3_000)
PAGE = Trigger(Limit("slow", Metric.LATENCY_P95, 500))
MINUTE = 60_000
STAGES = (
    Stage(12 * MINUTE, 5 * MINUTE, "team", "fix it", anomalies=True),
    Stage(30 * MINUTE, 10 * MINUTE, "on-call"),
)
PLAN = a_plan(alerts=(RULE,), triggers=(PAGE,), stages=(), watch=Stay(30 * MINUTE, 0))
STAGED = replace(PLAN, stages=STAGES)
WATCHING = launch(Phase.WATCHING, plan=PLAN)


def sample(slot: Slot, requests: int, failures: int = 0, *, ms: int = 10, at_ms: int = NOW_MS) -> Sample:
    within = tuple(requests if edge_ms >= ms else 0 for edge_ms in BUCKETS_MS)
    counts = Counts(requests, failures, requests, within)
    return Sample(at_ms, (ClassCounts(slot, WATCHING.generation, "other", counts),))


def tick(
    state: LaunchState,
    *samples: Sample,
    courses: Mapping[str, Course] | None = None,
    **changes: Any,  # noqa: ANN401 - fields of Observation
) -> Step:
    return decide_tick(state, seen(state, **changes), samples, courses)


def alarms(decided: Step) -> list[str]:
    """What was told: kind, rule and cause."""
    return [
        f"{event.kind} {event.rule} {event.cause.value}"
        for event in decided.events
        if isinstance(event, al.AlertFired | al.AlertResolved)
    ]


BAD, GOOD = sample(CANDIDATE, 100, 10), sample(CANDIDATE, 1_000)


@pytest.mark.req("R10")
@pytest.mark.parametrize("phase", sorted(TRIAL | {Phase.WATCHING}))
def test_a_broken_limit_alerts_its_role_and_changes_nothing(phase: Phase) -> None:
    decided = tick(launch(phase, plan=PLAN), BAD)
    [fired] = [event for event in decided.events if isinstance(event, al.AlertFired)]
    assert (fired.rule, fired.subject, fired.severity, fired.role) == (
        "errors",
        "green",
        Severity.HIGH,
        "devops",
    )
    assert decided.state.phase is phase


@pytest.mark.parametrize("phase", sorted(BEFORE_TRAFFIC | ENDING | TERMINAL))
def test_without_traffic_on_the_candidate_nothing_is_alerted(phase: Phase) -> None:
    assert alarms(tick(launch(phase, plan=PLAN), BAD)) == []


def test_the_stable_slot_is_alerted_on_while_it_has_traffic() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN)
    assert state.share_bp < 10_000
    fired = [e for e in tick(state, sample(STABLE, 100, 10)).events if isinstance(e, al.AlertFired)]
    assert [(each.rule, each.subject) for each in fired] == [("errors", "blue")]


def test_an_alert_that_fires_is_not_fired_again() -> None:
    fired = tick(WATCHING, BAD)
    assert alarms(tick(fired.state, BAD, courses=fired.courses)) == []


def test_an_alert_is_resolved_when_its_limit_is_kept_again() -> None:
    fired = tick(WATCHING, BAD)
    assert alarms(tick(fired.state, GOOD, courses=fired.courses)) == ["alert-resolved errors limit"]


def test_a_restarted_driver_knows_what_fires() -> None:
    assert alarms(tick(tick(WATCHING, BAD).state, BAD)) == []


@pytest.mark.req("R9", "R23")
def test_a_limit_that_rolled_back_pages_on_call_in_the_watch() -> None:
    decided = tick(WATCHING, sample(CANDIDATE, 100, ms=1_000))
    [fired] = [event for event in decided.events if isinstance(event, al.AlertFired)]
    assert (fired.rule, fired.severity, fired.role) == ("slow", Severity.CRITICAL, "on-call")
    assert decided.state.phase is Phase.WATCHING


@pytest.mark.req("R9")
def test_the_same_limit_rolls_back_before_and_the_rollback_is_an_alert() -> None:
    decided = tick(launch(Phase.BAKING, plan=PLAN), sample(CANDIDATE, 100, ms=1_000))
    assert decided.state.phase is Phase.ROLLING_BACK
    assert alarms(decided) == ["alert-fired rollback rollback"]


@pytest.mark.parametrize("phase", sorted(TRIAL))
def test_every_rollback_is_an_alert(phase: Phase) -> None:
    decided = tick(launch(phase, plan=PLAN), GOOD, orders=(order("rollback"),))
    assert "alert-fired rollback rollback" in alarms(decided)


def test_a_total_failure_pages_in_the_watch() -> None:
    plan = a_plan(alerts=(), triggers=())
    decided = tick(launch(Phase.WATCHING, plan=plan), sample(CANDIDATE, 5, 5))
    assert alarms(decided) == ["alert-fired total failure of all limit"]


def test_counters_that_cannot_be_read_are_an_alarm_after_their_time() -> None:
    state, courses = launch(Phase.WATCHING, plan=replace(PLAN, triggers=())), None
    told = []
    for second in range(5):
        now_ms = NOW_MS + second * 1_000
        old = sample(CANDIDATE, 1_000, at_ms=NOW_MS - 6_000)
        decided = decide_tick(state, seen(state, now_ms=now_ms), (old,), courses)
        state, courses = decided.state, decided.courses
        told.append(alarms(decided))
    assert told == [[], [], [], ["alert-fired errors no-data"], []]


def test_a_question_without_an_answer_is_a_missing_reading() -> None:
    plan = a_plan(alerts=(AlertRule(DECLINED, Severity.HIGH, "team", missing_ms=0),), triggers=())
    decided = tick(launch(Phase.WATCHING, plan=plan), GOOD)
    assert alarms(decided) == ["alert-fired declined no-data"]


def test_nothing_is_told_while_the_journal_takes_no_events() -> None:
    decided = tick(WATCHING, BAD, journal_open=False)
    assert (alarms(decided), decided.courses) == ([], {})


SILENCED = evolve(WATCHING, al.SilencePlaced("errors", "ann", "known", NOW_MS), NOW_MS - 9)


def test_a_silence_ends_by_itself() -> None:
    ended = [e for e in tick(SILENCED, GOOD).events if isinstance(e, al.SilenceEnded)]
    assert ended == [al.SilenceEnded("errors", "it ran out")]
    early = decide_tick(SILENCED, seen(SILENCED, now_ms=NOW_MS - 1), (GOOD,))
    assert [e for e in early.events if isinstance(e, al.SilenceEnded)] == []


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_nothing_is_told_after_the_end(phase: Phase) -> None:
    over = replace(SILENCED, phase=phase, outcome="promoted")
    assert tick(over, BAD).events == ()


def test_a_silenced_rule_is_judged_as_before() -> None:
    assert alarms(tick(SILENCED, BAD)) == ["alert-fired errors limit"]


def staged(began_ago_ms: int, **looks: int) -> LaunchState:
    state = launch(Phase.WATCHING, plan=STAGED, cutover_ms=NOW_MS - began_ago_ms)
    began = al.Alarms(stage=0, looked_ms=NOW_MS - began_ago_ms)
    return replace(state, alarms=replace(began, **looks))  # type: ignore[arg-type]  # numbers of Alarms


def told(decided: Step) -> list[ev.Event]:
    looks = al.StageEntered | al.LookMissed
    return [event for event in decided.events if isinstance(event, looks)]


@pytest.mark.req("R21")
def test_the_first_stage_begins_with_the_cutover() -> None:
    state = launch(Phase.CUTOVER, plan=STAGED)
    until_ms = ENTERED_MS + 12 * MINUTE
    assert told(tick(state)) == [al.StageEntered(0, "team", 5 * MINUTE, ENTERED_MS, until_ms)]


@pytest.mark.req("R21")
def test_the_next_stage_begins_on_time_with_a_clock_of_its_own() -> None:
    state = staged(12 * MINUTE, looked_ms=NOW_MS - MINUTE)
    decided = tick(state)
    assert told(decided) == [al.StageEntered(1, "on-call", 10 * MINUTE, NOW_MS, NOW_MS + 18 * MINUTE)]
    assert look_due_ms(decided.state) == NOW_MS + 10 * MINUTE


@pytest.mark.req("R21")
@pytest.mark.parametrize(("late_ms", "missed"), [(-1, False), (0, True)])
def test_a_look_that_nobody_took_in_time_is_an_alarm(late_ms: int, missed: bool) -> None:
    decided = tick(staged(5 * MINUTE + late_ms))
    assert told(decided) == ([al.LookMissed(NOW_MS, 1, "team")] if missed else [])
    expected = ["alert-fired missed look missed-look"] if missed else []
    assert alarms(decided) == expected


@pytest.mark.req("R21")
def test_a_missed_look_is_told_once_and_the_next_is_due_a_cadence_later() -> None:
    decided = tick(staged(5 * MINUTE))
    again = tick(decided.state)
    assert (told(again), alarms(again)) == ([], [])
    assert look_due_ms(decided.state) == NOW_MS + 5 * MINUTE


@pytest.mark.req("R21")
@pytest.mark.parametrize(
    ("missed", "severity", "role"),
    [(0, "warning", "team"), (1, "high", "team"), (2, "critical", "on-call"), (7, "critical", "on-call")],
)
def test_looks_missed_in_a_row_escalate(missed: int, severity: str, role: str) -> None:
    decided = tick(staged(9 * MINUTE, looked_ms=NOW_MS - 5 * MINUTE, missed=missed))
    [fired] = [event for event in decided.events if isinstance(event, al.AlertFired)]
    assert (fired.severity.value, fired.role) == (severity, role)


@pytest.mark.req("R21")
def test_a_look_ends_the_alarm_and_begins_the_count_anew() -> None:
    missed = tick(staged(5 * MINUTE)).state
    decided = tick(missed, orders=(order("look", reason="all quiet"),))
    assert al.Looked("ann", "all quiet") in decided.events
    assert alarms(decided) == ["alert-resolved missed look missed-look"]
    assert (decided.state.alarms.missed, look_due_ms(decided.state)) == (0, NOW_MS + 5 * MINUTE)


@pytest.mark.req("R21")
def test_an_agent_that_was_away_tells_of_all_missed_looks_at_once() -> None:
    decided = tick(staged(25 * MINUTE))
    began_ms = NOW_MS - 25 * MINUTE
    assert told(decided) == [
        al.LookMissed(began_ms + 10 * MINUTE, 2, "team"),
        al.StageEntered(1, "on-call", 10 * MINUTE, began_ms + 12 * MINUTE, began_ms + 30 * MINUTE),
        al.LookMissed(began_ms + 22 * MINUTE, 3, "on-call"),
    ]


def test_nobody_has_to_look_when_the_watch_is_over() -> None:
    state = staged(29 * MINUTE, stage=1, looked_ms=NOW_MS - 9 * MINUTE)
    assert look_due_ms(state) is None
    assert told(tick(state, now_ms=NOW_MS + 5 * MINUTE)) == []


@pytest.mark.parametrize("phase", sorted(ENDING | TERMINAL | BEFORE_TRAFFIC))
def test_nobody_has_to_look_outside_of_trial_and_watch(phase: Phase) -> None:
    state = replace(launch(phase, plan=STAGED), alarms=al.Alarms(stage=0, looked_ms=0))
    assert (look_due_ms(state), told(tick(state))) == (None, [])


@pytest.mark.req("R21")
@pytest.mark.parametrize(("age_ms", "taken"), [(5 * MINUTE - 1, False), (5 * MINUTE, True)])
def test_a_reading_is_journalled_at_the_cadence_of_the_stage(age_ms: int, taken: bool) -> None:
    state = replace(staged(6 * MINUTE, looked_ms=NOW_MS), reading_ms=NOW_MS - age_ms)
    events = tick(state, GOOD).events
    assert any(isinstance(event, ev.ReadingTaken) for event in events) is taken


def test_what_fires_and_who_looked_survives_a_snapshot() -> None:
    state = tick(staged(25 * MINUTE), BAD).state
    state = evolve(state, al.SilencePlaced("errors", "ann", "known", NOW_MS + 1), NOW_MS)
    assert state.alarms.firing
    assert from_json(LaunchState, to_json(state)) == state


def answer(state: LaunchState, verb: str, argument: str = "", reason: str = "because") -> list[ev.Event]:
    decided = tick(state, orders=(order(verb, argument=argument, reason=reason),))
    return [e for e in decided.events if not isinstance(e, al.AlertFired | ev.OrderTaken)]


def test_an_alert_is_acknowledged_by_name_or_with_all_others() -> None:
    firing = tick(WATCHING, BAD).state
    expected = al.AlertAcknowledged("errors", "green", al.Cause.LIMIT, "ann", "because")
    for argument in ("", "errors"):
        assert answer(firing, "acknowledge", argument) == [expected]
    state = evolve(firing, expected, NOW_MS)
    [alarm] = state.alarms.firing.values()
    assert alarm.acknowledged_by == "ann"


@pytest.mark.parametrize(
    ("argument", "reason", "code"),
    [
        ("soon errors", "known", "bad-silence"),
        ("30m errors", " ", "silence-without-reason"),
        ("25h errors", "known", "silence-too-long"),
        ("30m error", "known", "no-such-alert"),
        ("0s errors", "known", "not-silenced"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(argument: str, reason: str, code: str) -> None:
    [refused] = answer(WATCHING, "silence", argument, reason)
    assert isinstance(refused, ev.OrderRefused)
    assert refused.code == code


def test_a_rule_is_silenced_with_a_reason_until_a_time() -> None:
    [placed] = answer(WATCHING, "silence", "30m errors", "known")
    assert placed == al.SilencePlaced("errors", "ann", "known", NOW_MS + 30 * MINUTE)
    state = evolve(WATCHING, placed, NOW_MS)
    assert state.alarms.silenced("errors", NOW_MS + 30 * MINUTE - 1)
    assert not state.alarms.silenced("errors", NOW_MS + 30 * MINUTE)


def test_a_silence_is_lifted() -> None:
    [ended] = answer(
        evolve(WATCHING, al.SilencePlaced("errors", "ann", "known", NOW_MS + MINUTE), NOW_MS),
        "silence",
        "0s errors",
    )
    assert ended == al.SilenceEnded("errors", "lifted by ann: because")
