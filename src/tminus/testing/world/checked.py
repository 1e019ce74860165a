"""Checks of a simulated launch: a machine answers one, its own work another; and what must hold of them."""

from tminus.domain.canonical import Json
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.checklist import CheckItem, Checks, Probed, Worked
from tminus.domain.readiness.answer import Answer, failed, passed
from tminus.domain.readiness.answers import answers_body
from tminus.domain.readiness.checked import answered
from tminus.domain.readiness.gate import gate_text, is_open, judge_items
from tminus.testing.world.violation import Violation

KEEPS_MS = 2_000
PROBED = CheckItem(
    "sim/probed", "a machine says so", "sim", "", "devops", 0, Probed("sim", {}), keeps_ms=KEEPS_MS
)
BUILT = CheckItem("sim/built", "it is built", "sim", "", "devops", 0, Worked(("build",)), keeps_ms=60_000)
SIM_CHECKS = Checks((PROBED, BUILT), {}, deadline_ms=10_000)

NEVER_MS = 1 << 60
"""After so long a machine still says no."""


def told_by_check(now_ms: int, ready_ms: int) -> Json:
    """What the job that asks has told: no until `ready_ms`, then yes."""
    answer: Answer = passed("it is", "sim") if now_ms >= ready_ms else failed("it is not", "sim")
    return answers_body([answered(PROBED.item, answer, now_ms, KEEPS_MS)])


def check_gate(state: LaunchState, event: ev.Event, at_ms: int) -> None:
    """No launch begins to stage but on evidence that the journal has, and that counts at that moment.

    Raises:
        Violation: it did.
    """
    checks = state.plan.checks
    if checks is None or not isinstance(event, ev.PhaseEntered) or event.phase is not Phase.STAGING:
        return
    verdicts = judge_items(checks, state.readiness, at_ms)
    if not is_open(verdicts):
        raise Violation(f"gate: staging began with {gate_text(verdicts)}")
    if state.readiness.opened_ms is None:
        raise Violation("gate: staging began and nothing says that the gate is open")
