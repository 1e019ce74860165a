"""The hosting a plan asks of its router, with the digest it is recognised by. Pure."""

from collections.abc import Mapping

from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import to_json
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import ALL_CLASSES, Limit, Metric
from tminus.domain.plan.plan import Plan
from tminus.ports.router import Hosting

BREAKER_FACTOR = 5
"""The router's own breaker trips far above the plan's limit: it is there for the seconds in which no
controller looks, and must not take decisions away from it."""

LEAST_BREAKER_PPM = 50_000
"""A breaker below 5 % would trip on noise in the quarter second it looks back."""

WEIGHED_BREAKER_PPM = 500_000
"""Where evidence is weighed, the breaker is for outages: a hiccup of a second that half of the requests
survive is what evidence forgives, and the breaker must not take that decision away."""

WEIGHED_SLOW_FACTOR = 4
"""The same for answers that are slow for a moment."""


def hosting_for(plan: Plan, addresses: Mapping[Slot, tuple[str, ...]]) -> Hosting:
    """The router configuration of a plan whose instances answer at `addresses`."""
    body: dict[str, Json] = {
        "host": plan.listen.host,
        "port": plan.listen.port,
        "addresses": {slot.value: list(found) for slot, found in sorted(addresses.items())},
        "health_path": plan.run.health_path,
        "route_classes": to_json(plan.route_classes),
        "shift_lease_ms": plan.lease.shift_ms,
        "bake_lease_ms": plan.lease.bake_ms,
        "error_limit_ppm": _breaker_ppm(plan),
        "slow_limit_ms": _breaker_slow_ms(plan),
        "sticky_cookie": plan.sticky_cookie,
        "asset_paths": list(plan.asset_paths),
        "drain_ms": plan.drain_deadline_ms,
    }
    return Hosting(
        digest=digest_of(body),
        host=plan.listen.host,
        port=plan.listen.port,
        addresses=addresses,
        health_path=plan.run.health_path,
        route_classes=plan.route_classes,
        shift_lease_ms=plan.lease.shift_ms,
        bake_lease_ms=plan.lease.bake_ms,
        error_limit_ppm=_breaker_ppm(plan),
        slow_limit_ms=_breaker_slow_ms(plan),
        sticky_cookie=plan.sticky_cookie,
        asset_paths=plan.asset_paths,
        drain_ms=plan.drain_deadline_ms,
    )


def _limits(plan: Plan, metric: Metric) -> list[Limit]:
    limits = [trigger.limit for trigger in plan.triggers if trigger.limit.metric is metric]
    return [limit for limit in limits if limit.route_class == ALL_CLASSES and limit.is_absolute]


def _breaker_ppm(plan: Plan) -> int:
    limits = [limit.at_most for limit in _limits(plan, Metric.ERROR_RATE)]
    least = WEIGHED_BREAKER_PPM if _is_weighed(plan, Metric.ERROR_RATE) else LEAST_BREAKER_PPM
    return max(least, BREAKER_FACTOR * min(limits, default=10_000))


def _breaker_slow_ms(plan: Plan) -> int:
    slow_ms = min((limit.at_most for limit in _limits(plan, Metric.LATENCY_P95)), default=500)
    return slow_ms * WEIGHED_SLOW_FACTOR if _is_weighed(plan, Metric.LATENCY_P95) else slow_ms


def _is_weighed(plan: Plan, metric: Metric) -> bool:
    """Whether every limit of all classes on it is weighed; a window among them keeps the breaker."""
    mine = [
        trigger
        for trigger in plan.triggers
        if trigger.limit.metric is metric and trigger.limit.route_class == ALL_CLASSES
    ]
    return bool(mine) and all(trigger.weighed for trigger in mine if trigger.limit.is_absolute)
