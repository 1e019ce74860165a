"""What the checks of a launch come to, for whoever votes on it. Must not decide anything."""

from collections.abc import Mapping

from tminus.domain.launch.state import LaunchState
from tminus.domain.readiness.checked import Excused
from tminus.domain.readiness.gate import noted_verdicts


def verdicts_of(state: LaunchState) -> Mapping[str, str]:
    """Item id to `pass`, `fail`, `inconclusive`, `waived` or `n/a`, as the journal has told it.

    In the order of the plan; empty for a plan without checks. Evidence that only is renewed changes nothing.
    """
    return noted_verdicts(state.plan.checks, state.readiness)


def waivers_of(state: LaunchState) -> Mapping[str, Excused]:
    """What is excused, waived or not applicable, by item id, in the order of the plan."""
    checks, excuses = state.plan.checks, state.readiness.excuses
    return (
        {}
        if checks is None
        else {each.item: excuses[each.item] for each in checks.items if each.item in excuses}
    )
