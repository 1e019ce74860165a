"""External alerts as triggers and alerts: silenced and unknown are not healthy, and a notice counts once."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.engine.launches import CANDIDATE, NOW_MS, a_plan, launch, order, seen
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import to_json
from tminus.domain.launch import alarm as al
from tminus.domain.launch import event as ev
from tminus.domain.launch import external as ex
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.external import Alertmanager, ExternalRule
from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.engine.decide.launch.told import MOST_ALERTS
from tminus.engine.decide.step import Step
from tminus.engine.decide.tick import decide_tick, with_judgement
from tminus.ports.journal import Order

pytestmark = pytest.mark.req("R9", "R10")

BAD, DISK = ExternalRule("HighErrorRate", Consequence.ROLLBACK), ExternalRule("DiskFull")
TOLD = Alertmanager((BAD, DISK))
ASKED = replace(TOLD, url="http://127.0.0.1:9093")
LIMIT = Limit("errors", Metric.ERROR_RATE, 10_000)
FIRING, SILENCED, RESOLVED = ex.ExternalState.FIRING, ex.ExternalState.SILENCED, ex.ExternalState.RESOLVED


def at(phase: Phase, manager: Alertmanager = TOLD, **known: Any) -> LaunchState:  # noqa: ANN401 - fields of Externals
    plan = a_plan(alertmanager=manager, alerts=(), triggers=(Trigger(LIMIT),), stages=())
    return replace(launch(phase, plan=plan), externals=ex.Externals(**known))


def active(name: str, state: ex.ExternalState) -> dict[str, ex.External]:
    return {"f1": ex.External(name, state, "10 % fail", NOW_MS - 1_000)}


def calm() -> Sample:
    counts = Counts(1_000, 0, 1_000, (1_000,) * len(BUCKETS_MS))
    generation = launch(Phase.CUTOVER).generation
    return Sample(NOW_MS, (ClassCounts(CANDIDATE, generation, "other", counts),))


def tick(state: LaunchState, *orders: Order) -> Step:
    return decide_tick(state, seen(state, orders=orders), (calm(),))


def gate(state: LaunchState) -> Outcome:
    return with_judgement(state, seen(state), (calm(),)).judged.safe.outcome


@pytest.mark.parametrize("phase", sorted(TRIAL - {Phase.PROMOTING}))
def test_a_named_alert_that_fires_rolls_back(phase: Phase) -> None:
    decided = tick(at(phase, alerts=active("HighErrorRate", FIRING)))
    assert decided.state.phase is Phase.ROLLING_BACK
    [fired] = [event for event in decided.events if isinstance(event, ev.TriggerFired)]
    assert (fired.trigger, fired.why) == (
        "HighErrorRate",
        "HighErrorRate: fires in Alertmanager: 10 % fail",
    )


def test_after_promotion_it_pages_and_rolls_nothing_back() -> None:
    decided = tick(at(Phase.WATCHING, alerts=active("HighErrorRate", FIRING)))
    [fired] = [event for event in decided.events if isinstance(event, al.AlertFired)]
    assert (fired.rule, fired.cause, decided.state.phase) == (
        "HighErrorRate",
        al.Cause.EXTERNAL,
        Phase.WATCHING,
    )


def test_an_alert_that_is_to_alert_only_changes_nothing() -> None:
    state = at(Phase.BAKING, alerts=active("DiskFull", FIRING))
    decided = tick(state)
    assert decided.state.phase is Phase.BAKING
    assert [e.rule for e in decided.events if isinstance(e, al.AlertFired)] == ["DiskFull"]
    assert gate(state) is Outcome.PASS


@pytest.mark.parametrize(
    ("manager", "known", "outcome"),
    [
        (TOLD, {}, Outcome.PASS),
        (ASKED, {}, Outcome.INCONCLUSIVE),
        (ASKED, {"answers": True}, Outcome.PASS),
        (ASKED, {"answers": False, "why": "refused"}, Outcome.INCONCLUSIVE),
        (ASKED, {"answers": True, "alerts": active("HighErrorRate", SILENCED)}, Outcome.INCONCLUSIVE),
        (TOLD, {"alerts": active("HighErrorRate", SILENCED)}, Outcome.INCONCLUSIVE),
        (ASKED, {"answers": False, "alerts": active("HighErrorRate", FIRING)}, Outcome.FAIL),
    ],
    ids=["webhook", "not asked", "answers", "down", "silenced", "silenced by webhook", "down, firing"],
)
def test_neither_a_silenced_alert_nor_an_unknown_one_opens_a_gate(
    manager: Alertmanager, known: dict[str, Any], outcome: Outcome
) -> None:
    assert gate(at(Phase.CUTOVER, manager, **known)) is outcome


def test_a_silenced_alert_neither_fires_nor_is_resolved_here() -> None:
    state = tick(at(Phase.WATCHING, alerts=active("DiskFull", FIRING))).state
    silenced = replace(state, externals=ex.Externals(alerts=active("DiskFull", SILENCED)))
    told = [e for e in tick(silenced).events if isinstance(e, al.AlertFired | al.AlertResolved)]
    assert told == []
    over = replace(state, externals=ex.Externals())
    assert [e.rule for e in tick(over).events if isinstance(e, al.AlertResolved)] == ["DiskFull"]


def test_a_new_driver_does_not_believe_that_the_alertmanager_still_answers() -> None:
    state = at(Phase.CUTOVER, ASKED, answers=True)
    assert evolve(state, ev.DriverClaimed("another", 9), NOW_MS).externals.answers is None


def notice(
    state: ex.ExternalState, *, key: str = "k1", alert: str = "HighErrorRate", fingerprint: str = "f1"
) -> Order:
    told = ex.ToldAlert(alert, fingerprint, state, "10 % fail")
    return order(ex.TOLD_ALERT, key=key, argument=canonical_bytes(to_json(told)).decode())


def changes(decided: Step) -> list[ev.Event]:
    return [event for event in decided.events if isinstance(event, ex.ExternalEvent)]


def test_a_notice_is_recorded_once_however_often_it_is_delivered() -> None:
    state = at(Phase.COUNTDOWN)
    first = tick(state, notice(FIRING))
    assert changes(first) == [ex.ExternalAlertChanged("k1", "HighErrorRate", "f1", FIRING, "10 % fail")]
    again = tick(first.state, notice(FIRING))
    assert changes(again) == []
    assert "k1" in first.state.orders


def test_what_another_way_has_told_already_is_only_settled() -> None:
    state = tick(at(Phase.COUNTDOWN), notice(FIRING)).state
    decided = tick(state, notice(FIRING, key="k2"))
    assert (changes(decided), "k2" in decided.state.orders) == ([], True)


def test_a_resolved_alert_is_gone() -> None:
    state = tick(at(Phase.COUNTDOWN), notice(FIRING)).state
    decided = tick(state, notice(RESOLVED, key="k2"))
    assert (len(changes(decided)), decided.state.externals.alerts) == (1, {})


@pytest.mark.parametrize("argument", ["", "{", "[]", "{}", json.dumps({"alert": "HighErrorRate"})])
def test_what_is_no_notice_is_refused(argument: str) -> None:
    for verb in (ex.TOLD_ALERT, ex.TOLD_SOURCE):
        decided = tick(at(Phase.COUNTDOWN), order(verb, argument=argument))
        [refused] = [event for event in decided.events if isinstance(event, ev.OrderRefused)]
        assert refused.code == "not-named"


def test_an_alert_that_the_plan_does_not_name_is_refused() -> None:
    decided = tick(at(Phase.COUNTDOWN), notice(FIRING, alert="Another"))
    assert changes(decided) == []
    assert decided.state.externals.alerts == {}


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_an_ended_launch_hears_nothing(phase: Phase) -> None:
    source = order(ex.TOLD_SOURCE, key="k2", argument='{"answers":true,"why":""}')
    assert changes(tick(at(phase), notice(FIRING), source)) == []


def test_a_flood_of_alerts_of_one_name_is_bounded() -> None:
    many = {f"f{n}": ex.External("HighErrorRate", FIRING, "", 0) for n in range(MOST_ALERTS)}
    decided = tick(at(Phase.COUNTDOWN, alerts=many), notice(FIRING, fingerprint="one more"))
    assert len(decided.state.externals.alerts) == MOST_ALERTS


def test_that_the_alertmanager_no_longer_answers_is_told_once() -> None:
    state = at(Phase.CUTOVER, ASKED, answers=True)
    down = order(ex.TOLD_SOURCE, argument='{"answers":false,"why":"refused"}')
    decided = tick(state, down)
    assert changes(decided) == [ex.ExternalSourceChanged("o1", False, "refused")]
    again = tick(decided.state, replace(down, key="o2"))
    assert changes(again) == []
