"""Staging: everything is brought about in its order before traffic may move, and every wait has an end."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import (
    CANDIDATE,
    DONE,
    ENTERED_MS,
    FAILED,
    HOSTING,
    INSTANCES,
    METER_RUNS,
    NEW,
    NO_ANSWER,
    NOW_MS,
    OLD,
    SMOKE_PASSED,
    STABLE,
    a_plan,
    a_router,
    a_slot,
    held,
    launch,
    only,
    phases,
    sent,
    slots_of,
    step,
)
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading, SlotReading
from tminus.domain.launch.route import Route
from tminus.domain.plan.plan import Meter
from tminus.engine.decide.launch.bounds import METER_LEAD_MS, SMOKE_DEADLINE_MS, STAGING_SLACK_MS
from tminus.engine.decide.step import Step

pytestmark = pytest.mark.req("R6")

UP: dict[str, Any] = {"slot_up": True, "jobs": {"smoke": SMOKE_PASSED}}
STAGING = launch(Phase.STAGING, **UP)
BOTH: dict[str, Any] = {
    "admitted": frozenset({STABLE, CANDIDATE}),
    "up": {STABLE: INSTANCES, CANDIDATE: INSTANCES},
}
METER_KEY = "staging:start-job:meter"
METERED = {METER_KEY: sent(cmd.StartJob("meter", "meter", {}, 1), last_ms=NOW_MS - METER_LEAD_MS)}
READY = launch(Phase.STAGING, **UP, commands=METERED)


def seen_with(candidate: SlotReading, **changes: Any) -> Step:  # noqa: ANN401 - fields of Observation
    state = launch(Phase.STAGING)
    return step(state, slots={**slots_of(state), CANDIDATE: candidate}, **changes)


def routed(**changes: Any) -> Step:  # noqa: ANN401 - fields of RouterReading
    return step(STAGING, router=a_router(STAGING, **changes))


def test_the_router_is_hosted_first() -> None:
    assert only(routed(hosting="sha256:other")) == cmd.HostRouter(HOSTING)


def test_a_router_that_does_not_answer_is_hosted() -> None:
    assert only(step(STAGING, router=NO_ANSWER)) == cmd.HostRouter(HOSTING)


def test_without_the_runtimes_addresses_nothing_is_hosted() -> None:
    decided = step(STAGING, hosting=None, router=NO_ANSWER)
    assert (decided.commands, decided.waiting.what) == ((), "the runtime to answer")


def test_without_a_reading_of_the_slots_nothing_is_started() -> None:
    decided = step(STAGING, slots=NO_ANSWER)
    assert (decided.commands, decided.waiting.what) == ((), "the runtime to answer")


def test_an_unhealthy_stable_slot_is_waited_for() -> None:
    decided = step(STAGING, slots={**slots_of(STAGING), STABLE: a_slot(STABLE, OLD, healthy=2)})
    assert (decided.commands, decided.waiting.what) == ((), "blue, the stable slot, to be healthy")


def test_the_stable_slot_is_admitted() -> None:
    assert only(routed(admitted=frozenset())) == cmd.AdmitSlot(STABLE)


def test_a_stable_slot_that_the_router_does_not_see_up_is_waited_for() -> None:
    decided = routed(up={STABLE: INSTANCES - 1})
    assert (decided.commands, decided.waiting.what) == ((), "the router to see all of blue up")


def test_the_candidate_is_started_with_its_artifact() -> None:
    assert only(seen_with(SlotReading(CANDIDATE))) == cmd.StartSlot(CANDIDATE, NEW)


def test_a_start_that_a_killed_driver_left_half_way_is_made_again() -> None:
    halfway = SlotReading(CANDIDATE, NEW, INSTANCES)
    assert only(seen_with(halfway)) == cmd.StartSlot(CANDIDATE, NEW)


def test_leftovers_of_another_version_are_stopped_first() -> None:
    decided = seen_with(a_slot(CANDIDATE, "sha256:leftover"))
    assert only(decided) == cmd.StopSlot(CANDIDATE)


def test_a_candidate_that_comes_up_is_waited_for() -> None:
    decided = seen_with(a_slot(CANDIDATE, NEW, healthy=1))
    assert (decided.commands, decided.waiting.what) == ((), "green: 1 of 3 instances healthy")


def test_a_candidate_that_is_up_is_journalled_once() -> None:
    assert [
        ev.SlotUp(CANDIDATE, INSTANCES) in step(launch(Phase.STAGING, slot_up=known)).events
        for known in (False, True)
    ] == [True, False]


def test_another_version_that_is_up_is_not_the_candidate() -> None:
    assert seen_with(a_slot(CANDIDATE, "sha256:leftover")).events == ()


def test_the_smoke_suite_goes_to_every_instance_itself() -> None:
    job = only(step(launch(Phase.STAGING)))
    assert isinstance(job, cmd.StartJob)
    assert (job.key, job.work, job.arguments["targets"]) == (
        "smoke",
        "smoke",
        ["http://127.0.0.1:9000", "http://127.0.0.1:9001", "http://127.0.0.1:9002"],
    )


def test_a_plan_without_requests_is_smoke_tested_by_its_health_path() -> None:
    job = only(step(launch(Phase.STAGING)))
    assert isinstance(job, cmd.StartJob)
    assert [request["name"] for request in job.arguments["requests"]] == ["GET /healthz"]


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (JobReading("smoke", FAILED, None, "job-deadline", "too slow"), "too slow [job-deadline]"),
        (JobReading("smoke", DONE, {"passed": False, "targets": []}), "no answer passed"),
        (
            JobReading(
                "smoke",
                DONE,
                {
                    "passed": False,
                    "targets": [
                        {"target": "t1", "answers": [{"name": "a", "passed": True}]},
                        {"target": "t2", "answers": [{"name": "b", "passed": False, "why": "status 503"}]},
                    ],
                },
            ),
            "b at t2: status 503",
        ),
    ],
    ids=["failed", "not passed", "with its first failure"],
)
def test_a_smoke_suite_that_does_not_pass_scrubs(reading: JobReading, reason: str) -> None:
    decided = step(launch(Phase.STAGING), jobs={"smoke": reading})
    assert (phases(decided)[0], decided.state.phase_why) == (
        Phase.SCRUBBING,
        f"the smoke suite failed on the candidate: {reason}",
    )


@pytest.mark.parametrize("result", [None, {}, [], {"passed": None}, {"passed": "yes"}, "passed"])
def test_a_smoke_suite_that_does_not_say_it_passed_has_not(result: Any) -> None:  # noqa: ANN401 - any JSON
    decided = step(
        launch(Phase.STAGING, commands=METERED),
        router=ready_router(),
        jobs={**METER_RUNS, "smoke": JobReading("smoke", DONE, result)},
    )
    assert Phase.CUTOVER not in phases(decided)


def ready_router() -> Any:  # noqa: ANN401 - a RouterReading
    return a_router(STAGING, **BOTH)


def test_a_candidate_that_passed_is_admitted() -> None:
    assert only(step(STAGING)) == cmd.AdmitSlot(CANDIDATE)


def test_a_candidate_that_the_router_does_not_see_up_is_waited_for() -> None:
    decided = routed(admitted=frozenset({STABLE, CANDIDATE}))
    assert (decided.commands, decided.waiting.what) == ((), "the router to see all of green up")


@pytest.mark.parametrize(
    "changes",
    [
        {"route": Route(None, generation=4, epoch=12)},
        {"committed": Route(CANDIDATE, generation=4, epoch=12)},
        {"committed": Route(None)},
    ],
    ids=["nothing in force", "committed elsewhere", "nothing committed"],
)
def test_the_router_is_put_to_rest_on_the_stable_slot(changes: dict[str, Route]) -> None:
    assert only(routed(**BOTH, **changes)) == cmd.CommitRoute(Route(STABLE, generation=4, epoch=12))


@pytest.mark.parametrize(
    ("first", "route", "knows"),
    [
        (False, Route(CANDIDATE, generation=4, epoch=12), "blue as the stable slot"),
        (True, Route(STABLE, generation=4, epoch=12), "no launch that serves"),
    ],
    ids=["another slot", "a first launch"],
)
def test_a_router_that_serves_a_slot_the_journal_does_not_know_scrubs(
    first: bool, route: Route, knows: str
) -> None:
    state = launch(Phase.STAGING, first=first, **UP)
    decided = step(state, router=a_router(state, route=route))
    assert phases(decided)[0] is Phase.SCRUBBING
    assert route.live is not None
    assert decided.state.phase_why == (
        f"the router serves {route.live.value}, and this journal knows {knows}: restore the journal"
    )


@pytest.mark.parametrize("first", [False, True])
def test_a_router_that_serves_nobody_belongs_to_any_journal(first: bool) -> None:
    state = launch(Phase.STAGING, first=first, **UP)
    assert phases(step(state, router=a_router(state, route=Route(None, generation=4, epoch=12)))) == []


def test_the_loss_meter_is_started_last() -> None:
    job = only(routed(**BOTH))
    assert isinstance(job, cmd.StartJob)
    assert (job.key, job.arguments["url"], job.arguments["path"]) == (
        "meter",
        "http://127.0.0.1:8080",
        "/healthz",
    )


def test_the_meter_sees_what_is_normal_before_traffic_moves() -> None:
    early = {METER_KEY: replace(METERED[METER_KEY], last_ms=NOW_MS - METER_LEAD_MS + 1)}
    decided = step(launch(Phase.STAGING, **UP, commands=early), router=ready_router(), jobs=METER_RUNS)
    assert (phases(decided), decided.waiting.what) == ([], "the loss meter to see what is normal")


def test_a_plan_without_a_meter_does_not_wait_for_one() -> None:
    state = launch(Phase.STAGING, plan=a_plan(meter=Meter(rate_per_s=0)), **UP)
    assert phases(step(state, router=ready_router())) == [Phase.CUTOVER]


def test_a_first_launch_starts_no_meter_where_nobody_answers() -> None:
    state = launch(Phase.STAGING, first=True, **UP)
    decided = step(state, router=a_router(state, admitted=frozenset({CANDIDATE}), up={CANDIDATE: INSTANCES}))
    assert (phases(decided), decided.state.share_bp) == ([Phase.CUTOVER], 10_000)


def test_when_nothing_is_missing_traffic_begins_to_move() -> None:
    decided = step(READY, router=ready_router(), jobs=METER_RUNS)
    assert decided.events == (
        ev.PhaseEntered(Phase.CUTOVER, "the candidate is up, smoke-tested and known to the router"),
        ev.StepTaken(0, 1_000),
    )


def test_the_first_route_is_written_in_the_same_tick() -> None:
    decided = step(READY, router=ready_router(), jobs=METER_RUNS)
    [route] = [c.route for c in (e.command for e in decided.commands) if isinstance(c, cmd.WriteRoute)]
    assert (route.live, route.candidate, route.candidate_bp, route.watch, route.generation, route.epoch) == (
        STABLE,
        CANDIDATE,
        1_000,
        1,
        5,
        12,
    )


def test_a_held_launch_stages_nothing_and_moves_nothing() -> None:
    state = launch(Phase.STAGING, **UP, commands=METERED, hold=held())
    decided = step(state, router=ready_router(), jobs=METER_RUNS)
    assert (decided.events, decided.commands) == ((), ())


def test_a_candidate_that_does_not_boot_in_time_scrubs() -> None:
    started_ms = NOW_MS - 60_000
    state = launch(
        Phase.STAGING,
        commands={"staging:start-slot:green": sent(cmd.StartSlot(CANDIDATE, NEW), last_ms=started_ms)},
        entered_ms=started_ms,
    )
    slots = {**slots_of(state), CANDIDATE: a_slot(CANDIDATE, NEW, healthy=2)}
    decided = [step(state, slots=slots, now_ms=now_ms) for now_ms in (NOW_MS, NOW_MS + 1)]
    assert [phases(each)[:1] for each in decided] == [[], [Phase.SCRUBBING]]
    assert decided[1].state.phase_why == "gave up waiting for green: 2 of 3 instances healthy"


def test_staging_that_does_not_come_about_scrubs() -> None:
    deadline_ms = ENTERED_MS + 60_000 + SMOKE_DEADLINE_MS + STAGING_SLACK_MS
    decided = [step(STAGING, hosting=None, now_ms=now_ms) for now_ms in (deadline_ms - 1, deadline_ms)]
    assert [phases(each)[:1] for each in decided] == [[], [Phase.SCRUBBING]]
    assert decided[1].state.phase_why == "gave up waiting for the runtime to answer"


def test_a_command_that_was_refused_scrubs() -> None:
    attempt = sent(cmd.HostRouter(HOSTING), performed=False, refused=True, code="port-taken", why="by nginx")
    decided = step(launch(Phase.STAGING, commands={"staging:host-router": attempt}))
    assert decided.state.phase_why == "could not host the router: by nginx [port-taken]"
