"""What a plan becomes when it takes over instances that run already. Must not ask them anything."""

import re
from dataclasses import replace

from tminus.domain.plan.limit import Consequence, Limit, Metric, Trigger
from tminus.domain.plan.plan import Plan, Stay
from tminus.domain.plan.route_class import METER
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.problem import Problem

ADOPTION_CHECK_MS = 10 * SECOND_MS
"""How long the meter's requests are judged: two hundred at 20 a second, enough to tell 1 % from none.
Nothing new runs, so there is nothing to bake or to watch beyond that the router reaches it."""

ADOPTION_STEP_MS = 2 * SECOND_MS
"""Before verification begins, so that the meter has started and the router has counted."""

LEAST_METER_RATE = 20
"""Requests a second; a plan that switches the meter off would leave an adoption without any evidence."""

ADOPTION_EVIDENCE = "users still arrive at the old address, so the loss meter's requests are the evidence"

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MOST_PORT = 65_535


def adopting(plan: Plan, addresses: tuple[str, ...], version: str | None = None) -> Plan:
    """The plan that takes over what answers at `addresses` (host:port) instead of building anything.

    Its gates are the critical paths through the router and the loss meter: a service whose users still
    arrive elsewhere has no other traffic, and limits on that traffic would wait for it for ever.
    """
    error_rate = Limit("error rate of the loss meter", Metric.ERROR_RATE, 10_000, METER, ADOPTION_CHECK_MS)
    return replace(
        plan,
        adopt=addresses,
        version=version or plan.version,
        run=replace(plan.run, instances=len(addresses)),
        shift=replace(plan.shift, step_min_ms=min(plan.shift.step_min_ms, ADOPTION_STEP_MS)),
        meter=replace(plan.meter, rate_per_s=max(plan.meter.rate_per_s, LEAST_METER_RATE)),
        triggers=(Trigger(error_rate, Consequence.ROLLBACK),),
        targets=(replace(error_rate, at_most=1_000),),
        verify=_at_most(plan.verify, ADOPTION_CHECK_MS),
        bake=_at_most(plan.bake, SECOND_MS),
        watch=_at_most(plan.watch, SECOND_MS),
        # What serves already is taken as it is, and the launch after it is asked whether it is ready.
        checks=None,
    )


def adoption_problems(plan: Plan) -> list[Problem]:
    """What stands against the addresses as they are written; empty for a plan that adopts nothing."""
    problems = []
    for address in plan.adopt:
        found = _ADDRESS.fullmatch(address)
        if found is None or not 0 < int(found["port"]) <= _MOST_PORT:
            problems.append(
                Problem(
                    "adopt-bad-address",
                    f"{address!r} is not a host and a port",
                    "--address",
                    "the router needs to know where each instance answers",
                    "write --address 127.0.0.1:8080, once per instance",
                )
            )
        elif int(found["port"]) == plan.listen.port and _same_host(found["host"].strip("[]"), plan):
            problems.append(_same_address(plan, address))
    if len(set(plan.adopt)) < len(plan.adopt):
        problems.append(
            Problem(
                "adopt-bad-address",
                "an address is given twice",
                "--address",
                "each instance is counted once",
                "name every instance once",
            )
        )
    return problems


def _same_host(host: str, plan: Plan) -> bool:
    own = plan.listen.host
    return own == host or own in _EVERYWHERE or (own in _LOOPBACK and host in _LOOPBACK)


def _same_address(plan: Plan, address: str) -> Problem:
    return Problem(
        "adopt-same-address",
        f"{address} is the address that `listen` gives the router",
        "launch.yaml: listen",
        "two programs cannot listen at one address, and the running one is not stopped",
        f"set `listen` to a free port, for example {plan.listen.host}:{plan.listen.port + 1}, adopt, and "
        "move clients there; both addresses answer meanwhile; or stop the service and launch it",
    )


def _at_most(stay: Stay, longest_ms: int) -> Stay:
    return Stay(min(stay.for_ms, longest_ms), min(stay.reading_every_ms, longest_ms))
