"""Whether a router can do what a plan asks for. Must not talk to a router."""

from collections.abc import Iterator
from dataclasses import dataclass

from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.plan import FULL_BP, Plan
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.domain.problem import Problem
from tminus.plan.tree import Path, Source
from tminus.ports.router import RouterCapabilities


@dataclass(frozen=True, slots=True)
class _Beyond:
    """Something that the router cannot do: where the plan asks for it, what it is, and what to do."""

    paths: tuple[Path, ...]
    what: str
    fix: str


def check_capabilities(
    plan: Plan, capabilities: RouterCapabilities, source: Source | None = None
) -> tuple[Problem, ...]:
    """Everything that `plan` asks for and a router with `capabilities` cannot do; empty when it fits.

    With the file that the plan was read from, each names line and column.
    """
    return tuple(
        Problem(
            "plan-exceeds-router",
            f"the router {capabilities.name} {each.what}",
            _where(each.paths, source),
            fix=each.fix,
        )
        for each in _beyond(plan, capabilities)
    )


def _where(paths: tuple[Path, ...], source: Source | None) -> str:
    if source is None:
        return ", ".join(".".join(map(str, path)) for path in paths)
    # What was left to a default stands nowhere; then the choice of the router is what asks for it.
    there = [path for path in (*paths, ("router",)) if path in source.values]
    return source.where(source.mark(there[0] if there else ()))


def _beyond(plan: Plan, can: RouterCapabilities) -> Iterator[_Beyond]:
    if not can.weights and plan.shift.steps_bp != (FULL_BP,):
        yield _Beyond((("shift",),), "cannot split traffic between two slots", "write `shift: at-once`")
    if not can.class_counts:
        named = sorted({limit.route_class for limit in plan.limits} - {ALL_CLASSES})
        if named:
            what = f"does not count classes apart, but limits name {', '.join(named)}"
            paths: tuple[Path, ...] = (("triggers",), ("alerts",), ("verify", "targets"))
            yield _Beyond(paths, what, f"write the limits for `{ALL_CLASSES}`")
    yield from _drain(plan, can)
    yield from _versions(plan, can)
    leased = plan.lease.shift_ms > 0
    if leased and not can.lease:
        what = "cannot leave the candidate by itself when its controller falls silent"
        yield _Beyond((("lease",),), what, "write `lease: off`, and keep the agent under supervision")
    if not leased and can.lease:
        what = "watches its controller by a lease, which the plan switches off"
        yield _Beyond((("lease",),), what, "remove `lease: off`")


def _drain(plan: Plan, can: RouterCapabilities) -> Iterator[_Beyond]:
    if not can.drain:
        long = [each.name for each in plan.route_classes if each.traffic is not Traffic.REQUEST]
        if long:
            what = f"does not count what is in flight, but {', '.join(long)} hold connections for long"
            paths: tuple[Path, ...] = tuple(("routes", name) for name in long)
            yield _Beyond(paths, what, "take a router that drains, or remove these classes")
    elif not can.apart:
        own = [each for each in plan.route_classes if _drains_apart(plan, each)]
        for each in own:
            what = f"cannot end requests of {each.name} before the others, but they have a drain of their own"
            fix = "remove that `drain`, or raise the plan's to it"
            yield _Beyond((("routes", each.name, "drain"), ("routes", each.name)), what, fix)


def _drains_apart(plan: Plan, entry: RouteClass) -> bool:
    """Whether the class must be cut while others may go on: what is left has the time of the slowest."""
    return entry.drain_ms < plan.drain_deadline_ms


def _versions(plan: Plan, can: RouterCapabilities) -> Iterator[_Beyond]:
    if plan.sticky_cookie and not can.sticky:
        what = "cannot keep a client on the slot that it was given"
        yield _Beyond((("sticky",),), what, "remove `sticky`, or take a router that can")
    if plan.asset_paths and not can.assets:
        what = "cannot look for a static file in both slots"
        fix = "remove `assets` and serve them from one place, or take a router that can"
        yield _Beyond((("assets",),), what, fix)
