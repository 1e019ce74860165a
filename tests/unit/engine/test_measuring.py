"""Metrics in a launch: measured first of all at T-0, judged with everything else, entered by people."""

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    DONE,
    ENTERED_MS,
    FAILED,
    LOST,
    NEW,
    NOW_MS,
    RUNNING,
    STABLE,
    a_plan,
    commands,
    jobs_started,
    kinds,
    launch,
    only,
    order,
    sent,
    step,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob, StopJob
from tminus.domain.launch.entry import Entry, NoteTaken, read_entry
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.launch.state import MOST_NOTES, LaunchState, Note, fold
from tminus.domain.plan.alert import DEVOPS, AlertRule, Severity
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.metric import (
    CommandSource,
    HttpSource,
    MetricDefinition,
    MetricKind,
    PersonSource,
    PrometheusSource,
    SystemGauge,
    SystemSource,
    vulnerability,
)
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.watch.alerting import Sight
from tminus.domain.watch.measurement import MeasuredState, Measurement
from tminus.engine.decide.alarm import findings
from tminus.engine.decide.launch.work import measure_job
from tminus.engine.decide.watch import Evidence, judge

pytestmark = pytest.mark.req("R9", "R10", "R22")

TOKEN = SecretRef(SecretSource.ENV, "TOKEN")
QUEUE = MetricDefinition(
    "queue",
    CommandSource(("queue", "--slot={slot}", "{version}"), (("AT", "{slot}"),), (("T", TOKEN),)),
    every_ms=500,
)
PAGE = MetricDefinition("page", HttpSource("http://h/{version}?slot={slot}", "/n"))
UP = MetricDefinition("up", PrometheusSource("http://p", 'up{slot="{slot}"} + on() vector({version})'))
CPU = MetricDefinition("cpu", SystemSource(SystemGauge.CPU), unit="%")
LONG = Limit("queue above 10", Metric.MEASURED, 10_000_000, window_ms=2_000, measured="queue")
FOUND = Limit("vulnerability", Metric.MEASURED, 0, window_ms=86_400_000, measured="vulnerability")
PLAN = a_plan(triggers=(Trigger(LONG),), metrics=(QUEUE, CPU, vulnerability()))
MEASURE = JobReading("measure", RUNNING)


def levels(value: int, **changes: Any) -> tuple[Measurement, ...]:  # noqa: ANN401 - fields of Measurement
    one = Measurement(NOW_MS, value_micro=value * 1_000_000, **changes)
    return tuple(replace(one, at_ms=NOW_MS - age_ms) for age_ms in range(2_500, -1, -500))


def probes_of(state: LaunchState) -> list[dict[str, Any]]:
    job = measure_job(state)
    assert job is not None
    return cast("list[dict[str, Any]]", cast("dict[str, Any]", job.arguments)["probes"])


def test_measuring_begins_before_anything_else_at_t0() -> None:
    state = launch(Phase.STAGING, plan=PLAN)
    job = only(step(state))
    assert isinstance(job, StartJob)
    assert (job.key, job.work, cast("dict[str, Any]", job.arguments)["artifact"]) == (
        "measure",
        "measure",
        NEW,
    )
    assert jobs_started(step(state, jobs={"measure": MEASURE})) != ["measure"]


def test_a_metric_that_tells_versions_apart_is_asked_for_both() -> None:
    found = [
        (probe["metric"]["name"], probe["arm"], probe["metric"]["source"])
        for probe in probes_of(launch(Phase.STAGING, plan=replace(PLAN, metrics=(QUEUE, CPU, PAGE, UP))))
    ]
    assert [(name, arm) for name, arm, _ in found] == [
        ("queue", "candidate"),
        ("queue", "stable"),
        ("cpu", ""),
        ("page", "candidate"),
        ("page", "stable"),
        ("up", "candidate"),
        ("up", "stable"),
    ]
    assert found[0][2]["command"] == ["queue", f"--slot={CANDIDATE}", "2.0.0"]
    assert found[1][2]["environment"] == [["AT", STABLE]]
    assert found[4][2]["url"] == f"http://h/1.0.0?slot={STABLE}"
    assert found[5][2]["query"] == f'up{{slot="{CANDIDATE}"}} + on() vector(2.0.0)'


def test_a_version_with_a_plus_is_percent_encoded_in_an_address() -> None:
    state = launch(Phase.STAGING, plan=replace(PLAN, version="2.0.0+a.1", metrics=(PAGE,)))
    assert probes_of(state)[0]["metric"]["source"]["url"] == f"http://h/2.0.0%2Ba.1?slot={CANDIDATE}"


def test_a_first_launch_has_one_version_to_ask_for() -> None:
    state = launch(Phase.STAGING, first=True, plan=PLAN)
    assert [probe["arm"] for probe in probes_of(state)] == ["candidate", ""]


def test_secrets_are_named_once_and_never_read_here() -> None:
    job = measure_job(launch(Phase.STAGING, plan=PLAN))
    assert job is not None
    assert cast("dict[str, Any]", job.arguments)["secrets"] == {"TMINUS_METRIC_SECRET_0": "env:TOKEN"}


def test_where_only_people_tell_nothing_is_started() -> None:
    assert measure_job(launch(Phase.STAGING, plan=a_plan())) is None


@pytest.mark.parametrize("phase", sorted(TRIAL - {Phase.PROMOTING} | {Phase.WATCHING}))
def test_measuring_that_is_lost_is_started_again(phase: Phase) -> None:
    state = launch(phase, plan=PLAN)
    decided = step(state, jobs={"measure": JobReading("measure", LOST)})
    assert "measure" in jobs_started(decided)
    assert "measure" not in decided.state.jobs


def test_what_cannot_be_started_again_takes_nothing_back() -> None:
    job = StartJob("measure", "measure", {}, 1)
    refused = sent(job, performed=False, refused=True, code="no-such-work", why="no")
    state = launch(Phase.BAKING, plan=PLAN, commands={"baking:start-job:measure": refused})
    assert step(state, jobs={"measure": JobReading("measure", LOST)}).state.phase is Phase.BAKING


@pytest.mark.parametrize(("phase", "kept"), [(DONE, {"measured": {}}), (FAILED, None)])
def test_samples_of_measuring_that_was_cut_off_stay_out_of_the_journal(phase: JobPhase, kept: object) -> None:
    over = JobReading("measure", phase, {"measured": {}} if phase is DONE else {"metrics": {"queue": [[1]]}})
    [ended] = [
        e
        for e in step(launch(Phase.BAKING, plan=PLAN), jobs={"measure": over}).events
        if e.kind == "job-ended"
    ]
    assert isinstance(ended, ev.JobEnded)
    assert ended.result == kept


def test_measuring_ends_with_the_watch() -> None:
    over = launch(Phase.WATCHING, plan=PLAN, retired=True, cutover_ms=ENTERED_MS - PLAN.watch.for_ms)
    running = {"measure": MEASURE}
    assert StopJob("measure") in commands(step(over, jobs=running))
    assert StopJob("measure") not in commands(step(launch(Phase.WATCHING, plan=PLAN), jobs=running))


def test_a_metric_beyond_its_limit_fires_its_trigger() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN)
    found = judge(state, (), NOW_MS, {}, None, {"queue": levels(50)})
    assert [(each.trigger, each.consequence) for each in found.fired] == [
        ("queue above 10", Consequence.ROLLBACK)
    ]
    assert found.safe.outcome is Outcome.FAIL


def test_a_step_waits_for_a_metric_that_tells_nothing() -> None:
    state = launch(Phase.CUTOVER, plan=PLAN)
    assert judge(state, (), NOW_MS, {}, None, {}).safe.outcome is Outcome.INCONCLUSIVE
    assert judge(state, (), NOW_MS, {}, None, {"queue": levels(5)}).safe.outcome is Outcome.PASS


def test_no_step_waits_for_an_alert_on_a_metric() -> None:
    alert = Trigger(replace(LONG, name="alert", measured="cpu"), Consequence.ALERT)
    plan = replace(PLAN, triggers=(Trigger(LONG), alert))
    found = judge(launch(Phase.CUTOVER, plan=plan), (), NOW_MS, {}, None, {"queue": levels(5)})
    assert found.safe.outcome is Outcome.PASS


def test_no_step_waits_for_what_people_have_not_said() -> None:
    plan = replace(PLAN, triggers=(Trigger(LONG), Trigger(FOUND)))
    state = launch(Phase.BAKING, plan=plan)
    assert judge(state, (), NOW_MS, {}, None, {"queue": levels(5)}).safe.outcome is Outcome.PASS
    said = {"queue": levels(5), "vulnerability": (Measurement(NOW_MS, value_micro=1_000_000),)}
    [fired] = judge(state, (), NOW_MS, {}, None, said).fired
    assert (fired.trigger, fired.why) == ("vulnerability", "vulnerability: 1, limit above 0")


def test_an_older_plan_whose_limit_names_no_metric_is_inconclusive() -> None:
    state = launch(Phase.CUTOVER, plan=replace(PLAN, metrics=()))
    assert judge(state, (), NOW_MS, {}, None, {"queue": levels(50)}).safe.outcome is Outcome.INCONCLUSIVE


@pytest.mark.req("R23")
@pytest.mark.parametrize(
    ("found", "sight"),
    [
        (levels(50), Sight.BROKEN),
        (levels(5), Sight.KEPT),
        (levels(50)[-2:], Sight.QUIET),
        ((), Sight.MISSING),
        ((Measurement(NOW_MS, state=MeasuredState.UNREACHABLE, why="refused"),), Sight.MISSING),
    ],
)
def test_an_alert_rule_sees_a_metric(found: tuple[Measurement, ...], sight: Sight) -> None:
    plan = replace(PLAN, alerts=(AlertRule(LONG, Severity.WARNING, DEVOPS),))
    evidence = Evidence((), {}, {"queue": found})
    [seen] = findings(launch(Phase.BAKING, plan=plan), evidence, NOW_MS)
    assert (seen.sight, seen.subject) == (sight, "")


def test_nobody_is_alarmed_that_people_have_said_nothing() -> None:
    plan = replace(PLAN, alerts=(AlertRule(FOUND, Severity.CRITICAL, DEVOPS),))
    [seen] = findings(launch(Phase.BAKING, plan=plan), Evidence((), {}), NOW_MS)
    assert seen.sight is Sight.QUIET


def noted(state: LaunchState, argument: str) -> list[ev.Event]:
    return list(step(state, orders=(order("note", argument=argument),)).events)


@pytest.mark.parametrize("phase", sorted(set(Phase) - TERMINAL))
def test_a_person_may_note_until_the_end(phase: Phase) -> None:
    decided = step(launch(phase), orders=(order("note", argument=Entry("vulnerability", 2_000_000).text()),))
    assert kinds(decided)[:2] == ["order-taken", "note-taken"]
    assert decided.state.notes == (Note("vulnerability", 2_000_000, NOW_MS),)


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", "bad-note"),
        ("{}", "bad-note"),
        ('{"metric": "vulnerability", "value_micro": "1"}', "bad-note"),
        (Entry("vulnerability", -1).text(), "bad-note"),
        (Entry("vulnerability", 2**60).text(), "bad-note"),
        (Entry("queue", 1).text(), "not-a-persons-metric"),
        (Entry("tickets", 1).text(), "not-a-persons-metric"),
    ],
)
def test_what_cannot_be_noted_is_refused(argument: str, code: str) -> None:
    [refused] = noted(launch(Phase.COUNTDOWN, plan=PLAN), argument)
    assert isinstance(refused, ev.OrderRefused)
    assert (refused.code, "queue" in refused.why or code == "bad-note" or "tickets" in refused.why) == (
        code,
        True,
    )


def test_only_so_many_notes_are_carried_along() -> None:
    state = launch(Phase.BAKING)
    entries = [(NoteTaken("vulnerability", number, "ann", ""), number) for number in range(MOST_NOTES + 5)]
    found = fold(entries, state).notes
    assert (len(found), found[0].value_micro) == (MOST_NOTES, 5)


def test_an_entry_survives_being_an_argument() -> None:
    assert read_entry(Entry("open tickets", 3).text()) == Entry("open tickets", 3)


def test_a_gauge_of_people_is_no_count() -> None:
    metric = MetricDefinition("satisfaction", PersonSource("how satisfied"), MetricKind.GAUGE, "%")
    assert metric.by_person
