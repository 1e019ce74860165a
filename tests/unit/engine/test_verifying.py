"""Verification: targets hold with evidence, and critical paths pass through the router."""

import pytest

from tests.unit.engine.launches import (
    DONE,
    ENTERED_MS,
    FAIL,
    FAILED,
    METER_RUNS,
    NOW_MS,
    PASS,
    SMOKE_PASSED,
    UNSURE,
    WALKED,
    a_plan,
    held,
    kinds,
    launch,
    on_target,
    phases,
    step,
    why,
)
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.judged import Judged
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import JobReading
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.plan import OnInconclusive, Shift, Stay
from tminus.domain.plan.request import Request
from tminus.domain.readiness.verdict import Outcome, Verdict

pytestmark = pytest.mark.req("R7")

FOR_MS = 600_000
DONE_MS = ENTERED_MS + FOR_MS
OVERDUE_MS = DONE_MS + Shift().step_deadline_ms
VERIFYING = launch(Phase.VERIFYING)
JOBS = {"smoke": SMOKE_PASSED, "critical-paths": WALKED}
VERIFIED = launch(Phase.VERIFYING, jobs=JOBS)
READING = ev.ReadingTaken(Slot.GREEN, 10_000, 20, 2_000, 0, 5)


def test_the_critical_paths_are_sent_through_the_router() -> None:
    plan = a_plan(critical_paths=(Request("login", "POST", "/login"),))
    [entry] = step(launch(Phase.VERIFYING, plan=plan)).commands
    assert isinstance(entry.command, StartJob)
    assert entry.command.arguments["targets"] == ["http://127.0.0.1:8080"]
    assert [request["name"] for request in entry.command.arguments["requests"]] == ["login"]


def test_critical_paths_that_were_walked_are_not_walked_again() -> None:
    assert step(VERIFIED).commands == ()


def test_a_launch_is_verified_when_targets_and_critical_paths_have_passed() -> None:
    decided = step(VERIFIED, now_ms=DONE_MS, judged=on_target(PASS))
    assert decided.events == (
        ev.VerdictReached("verification", Outcome.PASS, "all is well"),
        ev.PhaseEntered(Phase.BAKING, "verified"),
    )


@pytest.mark.req("R20")
def test_a_bake_that_begins_has_time_to_confirm_its_route() -> None:
    assert step(VERIFIED, now_ms=DONE_MS, judged=on_target(PASS)).state.phase is Phase.BAKING


def test_verification_lasts_its_time_however_good_its_evidence() -> None:
    assert step(VERIFIED, now_ms=DONE_MS - 1, judged=on_target(PASS)).events == ()


@pytest.mark.parametrize("verdict", [UNSURE, FAIL])
def test_targets_that_do_not_pass_verify_nothing(verdict: Verdict) -> None:
    assert step(VERIFIED, now_ms=DONE_MS, judged=on_target(verdict)).events == ()


def test_critical_paths_that_were_not_walked_verify_nothing() -> None:
    assert step(VERIFYING, now_ms=DONE_MS, judged=on_target(PASS)).events == ()


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"passed": False}, "no answer passed"),
        (
            {
                "passed": False,
                "targets": [{"target": "t", "answers": [{"name": "pay", "passed": False, "why": "502"}]}],
            },
            "pay at t: 502",
        ),
    ],
)
def test_a_critical_path_that_fails_rolls_back(result: dict[str, object], reason: str) -> None:
    reading = JobReading("critical-paths", DONE, result)  # type: ignore[arg-type]  # JSON
    decided = step(VERIFYING, jobs={**METER_RUNS, "critical-paths": reading})
    assert why(decided) == f"a critical path failed through the router: {reason}"
    assert phases(decided) == [Phase.ROLLING_BACK]


@pytest.mark.parametrize("result", [None, {}, {"passed": None}, {"passed": 1}, "passed", []])
def test_critical_paths_that_do_not_say_they_passed_have_not(result: object) -> None:
    reading = JobReading("critical-paths", DONE, result)  # type: ignore[arg-type]  # JSON
    decided = step(VERIFYING, jobs={**METER_RUNS, "critical-paths": reading})
    assert why(decided) == "a critical path failed through the router: its result does not say that it passed"


def test_critical_paths_that_could_not_be_walked_roll_back() -> None:
    reading = JobReading("critical-paths", FAILED, None, "job-deadline", "too slow")
    decided = step(VERIFYING, jobs={**METER_RUNS, "critical-paths": reading})
    assert why(decided) == "a critical path failed through the router: too slow [job-deadline]"


def test_verification_without_a_verdict_holds_in_the_end() -> None:
    decided = [
        step(VERIFIED, now_ms=at_ms, judged=on_target(UNSURE)) for at_ms in (OVERDUE_MS - 1, OVERDUE_MS)
    ]
    assert [kinds(each) for each in decided] == [[], ["verdict-reached", "hold-placed"]]


def test_verification_without_critical_paths_says_so_in_the_end() -> None:
    decided = step(VERIFYING, now_ms=OVERDUE_MS, judged=on_target(PASS))
    assert decided.state.hold is not None
    assert decided.state.hold.why == "no passing verdict by the deadline: no answer"


def test_verification_without_a_verdict_rolls_back_where_the_plan_says_so() -> None:
    plan = a_plan(on_inconclusive=OnInconclusive.ROLLBACK)
    state = launch(Phase.VERIFYING, plan=plan, jobs=JOBS)
    decided = step(state, now_ms=OVERDUE_MS, judged=on_target(FAIL))
    assert why(decided) == "no passing verdict by the deadline: all is lost"


@pytest.mark.req("R19")
@pytest.mark.parametrize(("age_ms", "taken"), [(59_999, False), (60_000, True)])
def test_a_reading_is_journalled_at_the_cadence_of_the_phase(age_ms: int, taken: bool) -> None:
    plan = a_plan(verify=Stay(FOR_MS, 60_000))
    state = launch(Phase.VERIFYING, plan=plan, jobs=JOBS, reading_ms=NOW_MS - age_ms)
    decided = step(state, judged=Judged(reading=READING))
    assert (READING in decided.events) is taken


def test_a_held_verification_does_not_end() -> None:
    state = launch(Phase.VERIFYING, jobs=JOBS, hold=held(expires_ms=OVERDUE_MS + 1))
    assert step(state, now_ms=OVERDUE_MS, judged=on_target(PASS)).events == ()
