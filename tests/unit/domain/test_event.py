import json

import pytest

from tests.unit.engine.launches import a_plan
from tests.unit.polling.events import POLL_EVENTS
from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.launch import alarm as al
from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch import evidence as wd
from tminus.domain.launch import external as ex
from tminus.domain.launch.entry import NoteTaken
from tminus.domain.launch.figures import ClassFigures, DatabaseFigures
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import Distrust, JobPhase
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.alert import Severity
from tminus.domain.plan.limit import Consequence
from tminus.domain.readiness import checked as ch
from tminus.domain.readiness.verdict import Outcome

BLUE, GREEN = Slot.BLUE, Slot.GREEN
TRIAL = Route(BLUE, GREEN, 1_000, Watch.SHORT, 3, 7)
WEIGHED = wd.Weighed("errors", "collecting", -1_500, None, "0.042", 3, 100, 1, 900, 250)

EVENTS: tuple[ev.Event, ...] = (
    *POLL_EVENTS,
    ev.LaunchPlanned(a_plan(adopt=("h:1",)), "sha256:p", "c0", "ann", GREEN, BLUE, "sha256:o", "1.0.0", 3, 9),
    ev.LaunchPlanned(a_plan(), "sha256:p", "c0", "ann", BLUE, None, None, None, 0, 0),
    ev.DriverClaimed("agent", 2),
    ev.PhaseEntered(Phase.STAGING, "T-0"),
    ev.CommandPerformed("k"),
    ev.CommandFailed("k", "unknown", "timeout", "no answer"),
    ev.JobEnded("build", JobPhase.DONE, {"digest": "sha256:n", "files": [1, None]}, "", ""),
    ev.SlotUp(GREEN, 3),
    ev.StepTaken(0, 1_000),
    ev.RouteConfirmed("blue 100 %"),
    ev.VerdictReached("bake", Outcome.PASS, "fine", (WEIGHED,)),
    ev.TriggerFired("error rate", Consequence.ROLLBACK, "5 of 10", (WEIGHED,)),
    ev.RouterFellBack(Distrust.NONE, "later decision"),
    ev.Protected("route blue 100 %", performed=True, why=""),
    ev.HoldPlaced("ann", "lunch", 5),
    ev.HoldReleased("ann", ""),
    ev.Slipped(5, "ann", "late"),
    ev.StepLate("the build", 5, 9),
    ev.OrderTaken("o", "hold", "ann", ""),
    ev.OrderRefused("o", "hold", "ann", "launch-ending", "too late"),
    ev.ReadingTaken(GREEN, 1_000, 20, 2_000, None, None),
    ev.ReadingTaken(
        GREEN,
        1_000,
        20,
        2_000,
        0,
        20,
        (ClassFigures("payment", 20, 50_000),),
        DatabaseFigures(120_000, 400, None, 2),
    ),
    NoteTaken("tickets", 3_000_000, "ann", "two from one team"),
    wd.TermsFixed(
        "sha256:r",
        [{"name": "errors", "limit": 10_000}],
        (wd.Subject("errors", wd.Counted.ERRORS, "payment", "errors", "alert", Consequence.HOLD),),
        1_000,
        10_000,
        10_000,
        10,
        60_000,
        (wd.BaselineTaken("all", 1_800, 180_000, 90, 2_100),),
        ("errors: at 30 per second, a pass takes 553 clean cases",),
    ),
    wd.EvidenceWeighed("sha256:d", 5, (WEIGHED,)),
    ev.InstanceRestarted(GREEN, 1),
    ev.LossMeasured(100, 1, 2, 3, 4, 55, None),
    al.AlertFired(
        "errors", "green", al.Cause.LIMIT, Severity.CRITICAL, "on-call", "on-call", "5 of 10", "r", "a"
    ),
    al.AlertResolved("errors", "green", al.Cause.NO_DATA, "0 of 10"),
    al.AlertAcknowledged("errors", "green", al.Cause.ANOMALY, "ann", "on it"),
    al.SilencePlaced("errors", "ann", "known", 5),
    al.SilenceEnded("errors", "it ran out"),
    al.StageEntered(1, "on-call", 5, 6, 7),
    al.Looked("ann", "quiet"),
    al.LookMissed(5, 2, "team"),
    ex.ExternalAlertChanged("k", "HighErrorRate", "f1", ex.ExternalState.SILENCED, "10 % fail"),
    ex.ExternalSourceChanged("k", answers=False, why="refused"),
    ch.CheckAnswered("own/up", Outcome.FAIL, "503", "GET /", "down", (("took_ms", 12),), "sha256:a", 5, 6),
    ch.CheckAttested("own/told", "ann", "pm", "they were", "mail.eml", "sha256:f", 5),
    ch.CheckExcused("own/up", ch.Excuse.WAIVED, "ann", "known", 5),
    ch.CheckExcuseEnded("own/up", "ann", "mended"),
    ch.CheckLapsed("own/up", "nothing newer"),
    ch.GateWaiting(("own/up",), 1, 5),
    ch.GateOpened("sha256:v", 3, 2, 1, 4),
    ev.Promoted(GREEN),
    ev.SlotRetired(BLUE),
    ev.LaunchEnded("promoted", "2.0.0 serves"),
    *(
        ev.CommandIntended("k", command)
        for command in (
            cmd.HostRouter("sha256:h"),
            cmd.StartSlot(GREEN, "sha256:n"),
            cmd.StopSlot(GREEN),
            cmd.AdmitSlot(GREEN),
            cmd.ExpelSlot(GREEN),
            cmd.CutSlot(GREEN),
            cmd.WriteRoute(TRIAL),
            cmd.CommitRoute(TRIAL),
            cmd.RenewLease(TRIAL),
            cmd.StartJob("meter", "meter", {"rate": 20}, 1),
            cmd.StopJob("meter"),
        )
    ),
)


def stored(body: Json) -> Json:
    """As a journal gives it back."""
    parsed: Json = json.loads(canonical_bytes(body))
    return parsed


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_comes_back_as_it_was_journalled(event: ev.Event) -> None:
    kind, version, body = ev.encode(event)
    assert ev.decode(kind, version, stored(body)) == event


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("verdict-reached", {"gate": "bake", "outcome": "pass", "why": "fine"}),
        ("trigger-fired", {"trigger": "error rate", "consequence": "alert", "why": "5 of 10"}),
    ],
)
def test_a_verdict_of_a_time_without_evidence_is_understood(kind: str, body: Json) -> None:
    found = ev.decode(kind, 1, body)
    assert isinstance(found, ev.VerdictReached | ev.TriggerFired)
    assert (found.why, found.weighed) in (("fine", ()), ("5 of 10", ()))


def test_every_kind_of_event_is_tried_here() -> None:
    assert {event.kind for event in EVENTS} == set(ev.KINDS)


def test_every_kind_of_command_is_tried_here() -> None:
    tried = {type(event.command) for event in EVENTS if isinstance(event, ev.CommandIntended)}
    assert tried == set(cmd.Command.__args__)


def test_an_unknown_kind_stops_the_reader() -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^event 'moon-landed' version 1 is not known"):
        ev.decode("moon-landed", 1, {})


def test_a_newer_version_stops_the_reader() -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^event 'promoted' version 2 is not known"):
        ev.decode("promoted", 2, {"slot": "blue"})


@pytest.mark.parametrize("body", [{}, {"slot": "red"}, {"slot": "blue", "more": 1}, None, []])
def test_a_body_that_does_not_fit_stops_the_reader(body: Json) -> None:
    with pytest.raises(ev.UnknownEventError, match=r"^event 'promoted' version 1: "):
        ev.decode("promoted", 1, body)


def test_an_older_shape_is_brought_up_to_date_version_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ev, "VERSIONS", {**ev.VERSIONS, "promoted": 3})
    monkeypatch.setattr(
        ev,
        "UPCASTERS",
        {
            ("promoted", 1): lambda body: {"place": body["where"]},
            ("promoted", 2): lambda body: {"slot": body["place"]},
        },
    )
    assert ev.decode("promoted", 1, {"where": "green"}) == ev.Promoted(GREEN)


def test_a_reading_of_before_is_read_without_what_it_did_not_hold() -> None:
    body: Json = {
        "slot": "green",
        "share_bp": 1_000,
        "requests": 20,
        "per_s_milli": 2_000,
        "error_ppm": 0,
        "p95_ms": 20,
    }
    assert ev.decode("reading-taken", 1, body) == ev.ReadingTaken(GREEN, 1_000, 20, 2_000, 0, 20)
