"""What single events say in the log, beyond what whole launches show."""

from dataclasses import replace

import pytest

from tests.golden.log.worlds import CALM
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import CutSlot, ExpelSlot, HostRouter, StartJob, StopSlot
from tminus.domain.launch.figures import ClassFigures, DatabaseFigures
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import Distrust, JobPhase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.plan import Worker
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.report.log import LogLine, Narrator, log_lines, render
from tminus.testing.world.world import LAUNCH, START_MS, World


def _planned() -> ev.LaunchPlanned:
    """The first event of a simulated launch, whatever fields it has by now."""
    told = World(1, CALM)
    told._open()
    first = told.journal.read(LAUNCH)[0]
    event = ev.decode(first.kind, first.version, first.body)
    assert isinstance(event, ev.LaunchPlanned)
    return event


PLANNED = _planned()
SMOKE = StartJob("smoke", "smoke", {}, 1_000)
HOST = HostRouter("sha256:h")


def tell(*events: ev.Event | tuple[ev.Event, int]) -> str:
    """What events say after the launch was planned; each one second after the other, or at its own time."""
    narrator = Narrator()
    narrator.tell(PLANNED, START_MS, 1)
    told: list[LogLine] = []
    at_ms = START_MS
    for seq, entry in enumerate(events, 2):
        event, at_ms = (entry[0], START_MS + entry[1]) if isinstance(entry, tuple) else (entry, at_ms + 1_000)
        told += narrator.tell(event, at_ms, seq)
    rows = render(told, colour=False, ascii_only=False, width=0).splitlines()
    return "\n".join(row[14:] for row in rows[1:])


def test_a_log_begins_with_the_launch_or_not_at_all() -> None:
    with pytest.raises(ev.UnknownEventError, match="begins with launch-planned"):
        list(log_lines([(ev.SlotUp(Slot.GREEN, 3), START_MS, 1)]))


def test_a_command_that_was_tried_again_is_one_line_with_the_time_since_the_first_attempt() -> None:
    failed = ev.CommandFailed("k", "unavailable", "router-down", "the router does not answer")
    assert tell(
        ev.PhaseEntered(Phase.STAGING, "ready"),
        ev.CommandIntended("k", HOST),
        failed,
        ev.CommandIntended("k", HOST),
        failed,
        ev.CommandIntended("k", HOST),
        ev.CommandPerformed("k"),
    ).splitlines()[2:] == [
        "Host the router ... failed, trying again: the router does not answer [router-down] ✗",
        "Hosting the router ... Done (3 attempts) (5.0s) ✓",
    ]


def test_a_refused_command_is_not_said_to_be_tried_again() -> None:
    failed = ev.CommandFailed("k", "refused", "no-port", "no port is free")
    assert "Host the router ... failed: no port is free [no-port] ✗" in tell(
        ev.CommandIntended("k", HOST), failed
    )


def test_what_was_cut_after_the_drain_deadline_is_a_failure() -> None:
    shown = tell(
        ev.PhaseEntered(Phase.WATCHING, ""),
        ev.CommandIntended("e", ExpelSlot(Slot.BLUE)),
        ev.CommandPerformed("e"),
        ev.CommandIntended("c", CutSlot(Slot.BLUE)),
        ev.CommandPerformed("c", "3 cut after the drain deadline"),
        ev.CommandIntended("s", StopSlot(Slot.BLUE)),
        ev.SlotRetired(Slot.BLUE),
    )
    assert shown.splitlines()[1:] == [
        "Draining blue ... 3 cut after the drain deadline (3.0s) ✗",
        "Stopping blue ... retired (1.0s) ✓",
    ]


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (JobPhase.FAILED, "Building v2.0.0 ... failed: exit code 2 [build-failed] ✗"),
        (JobPhase.LOST, "· Building v2.0.0 ... ended without an answer"),
    ],
)
def test_a_job_that_did_not_end_well_says_so(phase: JobPhase, expected: str) -> None:
    assert tell(ev.JobEnded("build", phase, None, "build-failed", "exit code 2")) == expected


def test_every_request_that_failed_names_its_instance() -> None:
    def target(url: str, *, passed: bool) -> dict[str, object]:
        answer = {
            "name": "GET /",
            "passed": passed,
            "duration_ms": 120,
            "why": "" if passed else "status 503",
        }
        return {"target": url, "answers": [answer]}

    result = {"passed": False, "targets": [target("http://a", passed=True), target("http://b", passed=False)]}
    shown = tell(ev.CommandIntended("j", SMOKE), ev.JobEnded("smoke", JobPhase.DONE, result, "", ""))
    assert shown.splitlines() == [
        "Smoke tests on green ... failed (1.0s) ✗",
        "  GET / at http://b ... Fail: status 503 (0.12s) ✗",
    ]


def test_a_suite_that_does_not_say_it_passed_has_failed() -> None:
    assert "failed" in tell(ev.JobEnded("smoke", JobPhase.DONE, {}, "", ""))


def test_a_reading_without_requests_is_no_good_news() -> None:
    reading = ev.ReadingTaken(Slot.GREEN, 1_000, 0, 0, None, None)
    assert tell(reading) == "· Error rate: no requests"


@pytest.mark.parametrize(
    ("requests", "error_ppm", "p95_ms", "expected"),
    [
        (3_000, 200, 20, "Error rate: 0.02 %, p95 <= 20 ms, 300 req/s, acceptable ✓"),
        (3_000, 20_000, 20, "Error rate: 2 %, p95 <= 20 ms, 300 req/s, beyond the limit ✗"),
        (3_000, 200, None, "Error rate: 0.02 %, p95 > 5000 ms, 300 req/s, beyond the limit ✗"),
        (3, 0, 20, "· Error rate: 0 %, p95 <= 20 ms, 300 req/s (too few requests to judge)"),
    ],
)
def test_a_reading_is_shown_beside_the_limits(
    requests: int, error_ppm: int, p95_ms: int | None, expected: str
) -> None:
    assert tell(ev.ReadingTaken(Slot.GREEN, 1_000, requests, 300_000, error_ppm, p95_ms)) == expected


@pytest.mark.req("R19", "R20")
@pytest.mark.parametrize(("lag_ms", "replica"), [(None, ""), (1_500, ", replica 1500 ms behind")])
def test_a_reading_says_how_classes_and_the_database_are(lag_ms: int | None, replica: str) -> None:
    classes = (ClassFigures("payment", 5_000, 200), ClassFigures("login", 12, 0))
    database = DatabaseFigures(121_000, 412, lag_ms, 3)
    shown = tell(ev.ReadingTaken(Slot.GREEN, 1_000, 6_000, 300_000, 200, 20, classes, database))
    assert shown.splitlines()[1:] == [
        "  Success: payment 99.98 % of 5000, login 100 % of 12",
        f"  Database: 12.1 % of connections, 0.4 ms{replica}, 3 waiting for locks",
    ]


def test_a_reading_says_whether_it_rose_or_fell() -> None:
    readings = [ev.ReadingTaken(Slot.GREEN, 1_000, 3_000, 300_000, ppm, 20) for ppm in (200, 400, 100, 100)]
    assert [row.split(",")[0].strip() for row in tell(*readings).splitlines()] == [
        "Error rate: 0.02 %",
        "Error rate: 0.04 % ↑",
        "Error rate: 0.01 % ↓",
        "Error rate: 0.01 %",
    ]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            ev.LossMeasured(4_312, 0, 0, 0, 2, 41, 52),
            "Loss meter: 0 of 4312 lost, 2 replayed, p99 4.1 → 5.2 ms ✓",
        ),
        (
            ev.LossMeasured(4_312, 1, 2, 0, 0, None, None),
            "Loss meter: 3 of 4312 lost (1 no answer, 2 answered 5xx), 0 replayed ✗",
        ),
        (ev.LossMeasured(0, 0, 0, 0, 0, None, None), "· Loss not measured"),
    ],
)
def test_the_loss_line_says_what_was_lost_and_never_more_than_was_measured(
    loss: ev.LossMeasured, expected: str
) -> None:
    assert tell(loss) == expected


def test_a_rollback_is_timed_from_what_caused_it() -> None:
    shown = tell(
        (ev.PhaseEntered(Phase.CUTOVER, ""), 1_000),
        (ev.StepTaken(0, 1_000), 1_000),
        (ev.TriggerFired("error rate", Consequence.ROLLBACK, "12 % failed"), 5_000),
        (ev.PhaseEntered(Phase.ROLLING_BACK, "12 % failed"), 5_100),
        (ev.RouteConfirmed("blue 100 %"), 5_400),
    )
    assert "Traffic: blue 100 % ... back, from trigger to confirmed (0.40s) ✓" in shown


def test_a_hold_that_was_lifted_ends_what_a_later_rollback_is_timed_from() -> None:
    shown = tell(
        (ev.TriggerFired("error rate", Consequence.ROLLBACK, "12 % failed"), 1_000),
        (ev.HoldPlaced("tminus", "12 % failed; blue has no healthy instance to go back to", START_MS), 1_000),
        (ev.HoldReleased("anna", "blue is back"), 60_000),
        (ev.PhaseEntered(Phase.ROLLING_BACK, "rollback ordered by anna"), 90_000),
        (ev.RouteConfirmed("blue 100 %"), 90_250),
    )
    assert "confirmed (0.25s)" in shown


def test_a_protective_write_that_fails_the_same_way_again_is_told_once() -> None:
    failed = ev.Protected("route blue 100 %", performed=False, why="the router does not answer")
    shown = tell(failed, failed, ev.Protected("route blue 100 %", performed=True, why=""))
    assert shown == "Route blue 100 % ... failed, trying again: the router does not answer ✗"


def test_who_took_a_launch_over_is_noted_and_the_first_driver_is_not() -> None:
    shown = tell(ev.DriverClaimed("a:1", 1), ev.DriverClaimed("b:2", 2), ev.DriverClaimed("b:2", 3))
    assert shown.splitlines() == [
        "· b:2 took the launch over from a:1 (driver 2)",
        "· b:2 took the launch over again (driver 3)",
    ]


def test_orders_say_who_and_why_once() -> None:
    shown = tell(
        ev.OrderTaken("1", "hold", "anna", "lunch"),
        ev.HoldPlaced("anna", "lunch", START_MS + 3_600_000),
        ev.OrderTaken("2", "hold", "ben", "me too"),
        ev.OrderRefused("3", "scrub", "ben", "traffic-moved", "traffic has moved already"),
        ev.OrderTaken("4", "resume", "anna", ""),
        ev.HoldReleased("anna", ""),
        ev.Slipped(START_MS + 7_200_000, "anna", "not before two"),
    )
    assert shown.splitlines() == [
        "■ HOLD by anna: lunch (until 23:13:20, then scrub)",
        "· Order hold by ben: me too (already held)",
        "· Order scrub by ben refused: traffic has moved already [traffic-moved]",
        "· RESUMED by anna after 4.0s",
        "· T-0 slipped to 2023-11-15 00:13:20 UTC by anna: not before two",
        "Forecast: verified by 00:13:35; abort is warm until 00:13:31 at least",
    ]


def test_what_the_router_did_by_itself_is_said_to_be_its_doing() -> None:
    fell = ev.RouterFellBack(Distrust.ERRORS, "the router's breaker left the candidate: too many errors")
    assert tell(fell) == "The router acted first: the router's breaker left the candidate: too many errors ✗"


def test_an_inconclusive_verdict_has_no_tick() -> None:
    why = "error rate: 0 of 3 failed; too few to judge; p95: no counters were read"
    assert tell(ev.VerdictReached("limits", Outcome.INCONCLUSIVE, why)).splitlines() == [
        "· Verdict on limits: inconclusive",
        "  error rate: 0 of 3 failed; too few to judge",
        "  p95: no counters were read",
    ]


def test_restarts_of_instances_are_noted() -> None:
    shown = tell(ev.InstanceRestarted(Slot.GREEN, 2))
    assert shown == "· Instances of green died and were started again, 2 in all"


def test_a_new_day_is_said() -> None:
    told = Narrator()
    lines = [*told.tell(PLANNED, START_MS, 1), *told.tell(ev.Promoted(Slot.GREEN), START_MS + 86_400_000, 2)]
    days = [
        row for row in render(lines, colour=False, ascii_only=False, width=0).splitlines() if "UTC" in row
    ]
    assert days == ["2023-11-14 UTC", "2023-11-15 UTC"]


def test_nothing_a_person_or_candidate_says_can_move_the_cursor() -> None:
    shown = tell(ev.HoldPlaced("anna", "\x1b[2J\r\nall is well\u202e", START_MS))
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1
    assert "\u202e" not in shown


def test_restarts_may_be_of_workers_where_there_are_some() -> None:
    run = replace(PLANNED.plan.run, workers=(Worker("mail", ("mail",)),))
    narrator = Narrator()
    narrator.tell(replace(PLANNED, plan=replace(PLANNED.plan, run=run)), START_MS, 1)
    (line,) = narrator.tell(ev.InstanceRestarted(Slot.GREEN, 2), START_MS, 2)
    assert line.text == "Instances or workers of green died and were started again, 2 in all"
