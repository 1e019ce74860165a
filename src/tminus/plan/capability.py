"""Whether a router can do what a plan asks for. Must not talk to a router."""

from collections.abc import Iterator

from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.route_class import Traffic
from tminus.domain.problem import Problem
from tminus.ports.router import RouterCapabilities


def check_capabilities(plan: Plan, capabilities: RouterCapabilities) -> tuple[Problem, ...]:
    """Everything that `plan` asks for and a router with `capabilities` cannot do; empty when it fits."""
    return tuple(_beyond(plan, capabilities))


def _beyond(plan: Plan, can: RouterCapabilities) -> Iterator[Problem]:
    if not can.weights and plan.shift.steps_bp != (FULL_BP,):
        yield _problem(can, "shift", "cannot split traffic between two slots", "write `shift: at-once`")
    if not can.class_counts:
        named = sorted({limit.route_class for limit in plan.limits} - {ALL_CLASSES})
        if named:
            what = f"does not count classes apart, but limits name {', '.join(named)}"
            yield _problem(
                can, "triggers, alerts, verify.targets", what, f"write the limits for `{ALL_CLASSES}`"
            )
    if not can.drain:
        long = [each.name for each in plan.route_classes if each.traffic is not Traffic.REQUEST]
        if long:
            what = f"does not count what is in flight, but {', '.join(long)} hold connections for long"
            yield _problem(can, "routes", what, "take a router that drains, or remove these classes")
    leased = plan.lease.shift_ms > 0
    if leased and not can.lease:
        what = "cannot leave the candidate by itself when its controller falls silent"
        yield _problem(can, "lease", what, "write `lease: off`, and keep the agent under supervision")
    if not leased and can.lease:
        what = "watches its controller by a lease, which the plan switches off"
        yield _problem(can, "lease", what, "remove `lease: off`")


def _problem(can: RouterCapabilities, where: str, what: str, fix: str) -> Problem:
    return Problem("plan-exceeds-router", f"the router {can.name} {what}", where, fix=fix)
