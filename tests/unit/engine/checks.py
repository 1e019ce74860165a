"""A plan with checks and what machines answer, each in one line."""

from typing import Any

from tests.unit.engine.launches import COUNTED, NEW, NOW_MS, a_plan, launch
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState, evolve
from tminus.domain.plan.checklist import Attested, CheckItem, Checks, Probed, Worked
from tminus.domain.plan.times import HOUR_MS, MINUTE_MS
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.check_order import CheckOrder
from tminus.domain.readiness.checked import CheckAnswered, CheckEvent, answered
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.journal import Order

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
KEEPS_MS = 15 * MINUTE_MS
SETTINGS = {"url": "http://shop/healthz"}
DEADLINE_MS = 30 * MINUTE_MS


def an_item(name: str, asks: Probed | Worked | Attested | None = None, **changes: Any) -> CheckItem:  # noqa: ANN401 - fields
    values: dict[str, Any] = {
        "item": name,
        "title": name.title(),
        "checklist": name.partition("/")[0],
        "section": "",
        "owner": "devops",
        "due_ms": -HOUR_MS,
        "asks": asks or Probed("http", SETTINGS),
        "keeps_ms": KEEPS_MS,
    }
    return CheckItem(**{**values, **changes})


UP = an_item("production/up")
SAFE = an_item("production/safe", Probed("ports", {}, ("env:TOKEN",)))
TOLD = an_item("comms/told", Attested("users were told"), owner="pm")
BUILT = an_item("code/built", Worked(("build",)))


def a_check_plan(*items: CheckItem, **changes: Any) -> Any:  # noqa: ANN401 - a plan, and fields of Checks
    values: dict[str, Any] = {"people": {"pm": ("ann", "bob")}, "deadline_ms": DEADLINE_MS}
    return a_plan(checks=Checks(items or (UP, TOLD), **{**values, **changes}))


def ready(*items: CheckItem, events: tuple[CheckEvent, ...] = (), **changes: Any) -> LaunchState:  # noqa: ANN401 - fields
    """A countdown whose work has ended, with what the journal has told of its checks a minute ago."""
    values: dict[str, Any] = {"artifact": NEW, "jobs": COUNTED, "plan": a_check_plan(*items)}
    state = launch(Phase.COUNTDOWN, **{**values, **changes})
    for event in events:
        state = evolve(state, event, NOW_MS - MINUTE_MS)
    return state


def an_answer(
    item: CheckItem, outcome: Outcome = PASS, at_ms: int = NOW_MS, why: str = "it is"
) -> CheckAnswered:
    return answered(item.item, Answer(outcome, why, "GET /"), at_ms, item.keeps_ms)


def answers(*found: CheckAnswered) -> dict[str, CheckAnswered]:
    return {each.item: each for each in found}


def said(verb: str, *items: str, by: str = "ann", reason: str = "they were", **more: Any) -> Order:  # noqa: ANN401 - fields
    return Order(f"{NOW_MS}-{verb}", verb, by, reason, NOW_MS, CheckOrder(items, **more).text())
