"""A plan that asks for what its router cannot do is refused before it begins."""

from dataclasses import replace

import pytest

from tests.unit.plan.plans import plan_with
from tminus.plan.capability import check_capabilities
from tminus.ports.router import RouterCapabilities

ABLE = RouterCapabilities("haproxy", weights=True, breaker=True, lease=True, drain=True, class_counts=True)
PLAIN = RouterCapabilities(
    "plain", weights=False, breaker=False, lease=False, drain=False, class_counts=False
)


def said(more: str, router: RouterCapabilities) -> list[str]:
    return [problem.text() for problem in check_capabilities(plan_with(more), router)]


def test_a_router_with_every_capability_takes_every_plan() -> None:
    assert said("routes: {live: {paths: [/ws], traffic: websocket}}\n", ABLE) == []


def test_a_plan_that_asks_for_little_fits_a_plain_router() -> None:
    assert said("shift: at-once\nlease: off\n", PLAIN) == []


@pytest.mark.parametrize(
    ("more", "router", "text"),
    [
        (
            "",
            replace(ABLE, weights=False),
            (
                "error[plan-exceeds-router]: the router haproxy cannot split traffic between two slots\n"
                "  where: shift\n"
                "    fix: write `shift: at-once`"
            ),
        ),
        (
            "routes: {pay: {paths: [/pay]}}\ntriggers: [{error_rate: 1 %, class: pay}]\n",
            replace(ABLE, class_counts=False),
            (
                "error[plan-exceeds-router]: the router haproxy does not count classes apart, "
                "but limits name pay\n"
                "  where: triggers, alerts, verify.targets\n"
                "    fix: write the limits for `all`"
            ),
        ),
        (
            "routes: {live: {paths: [/ws], traffic: websocket}}\n",
            replace(ABLE, drain=False),
            (
                "error[plan-exceeds-router]: the router haproxy does not count what is in flight, "
                "but live hold connections for long\n"
                "  where: routes.live\n"
                "    fix: take a router that drains, or remove these classes"
            ),
        ),
        (
            "",
            replace(ABLE, lease=False),
            (
                "error[plan-exceeds-router]: the router haproxy cannot leave the candidate by itself "
                "when its controller falls silent\n"
                "  where: lease\n"
                "    fix: write `lease: off`, and keep the agent under supervision"
            ),
        ),
        (
            "lease: off\n",
            ABLE,
            (
                "error[plan-exceeds-router]: the router haproxy watches its controller by a lease, "
                "which the plan switches off\n"
                "  where: lease\n"
                "    fix: remove `lease: off`"
            ),
        ),
    ],
)
def test_what_a_router_cannot_do_is_said(more: str, router: RouterCapabilities, text: str) -> None:
    assert said(more, router) == [text]
