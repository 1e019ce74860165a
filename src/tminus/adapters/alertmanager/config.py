"""A configuration of Alertmanager from a plan: routes by role, grouping, inhibition. Must not hold a secret.

Source: prometheus.io, Alertmanager configuration. A secret is the name of a file that Alertmanager reads,
relative to its configuration.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from tminus.domain.plan.alert import ON_CALL, TEAM, Severity
from tminus.domain.plan.plan import Plan

GROUP_WAIT, GROUP_INTERVAL, REPEAT = "10s", "1m", "4h"
"""Alertmanager's own defaults are for weeks of running; a launch wants to know within seconds."""

WATCHDOG_EVERY = "1m"
"""How often the receiver that misses the watchdog hears of it."""

CRITICAL_REPEAT = "15m"


class Channel(StrEnum):
    """How a role is reached."""

    PAGERDUTY = "pagerduty"
    SLACK = "slack"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where alerts of one role go.

    Attributes:
        role: as in the plan; `watchdog` is who misses the watchdog.
        channel: how.
        file: file with the routing key, the address of the hook, or, for a webhook, its bearer token.
        target: Slack channel, or address of the webhook.
    """

    role: str
    channel: Channel
    file: str
    target: str = ""


WATCHDOG_ROLE = "watchdog"


def parse_receiver(text: str) -> Receiver:
    """`on-call=pagerduty:FILE`, `team=slack:FILE:#channel`, `devops=webhook:FILE:http://…`.

    Raises:
        ValueError: the text has another form.
    """
    role, _, rest = text.partition("=")
    channel, _, rest = rest.partition(":")
    file, _, target = rest.partition(":")
    known = {each.value for each in Channel}
    if not role or channel not in known or not file or bool(target) is (channel == Channel.PAGERDUTY):
        raise ValueError(
            f"{text!r} is not ROLE=pagerduty:FILE, ROLE=slack:FILE:#CHANNEL or ROLE=webhook:FILE:URL"
        )
    return Receiver(role, Channel(channel), file, target)


def usual_receivers(plan: Plan) -> tuple[Receiver, ...]:
    """On-call is paged, everybody else is told in a channel of the role's name."""
    roles = dict.fromkeys((ON_CALL, TEAM, *(rule.role for rule in plan.alerts), *_stage_roles(plan)))
    return tuple(
        Receiver(role, Channel.PAGERDUTY, f"secrets/{role}")
        if role == ON_CALL
        else Receiver(role, Channel.SLACK, f"secrets/{role}", f"#{role}")
        for role in roles
    )


def _stage_roles(plan: Plan) -> Iterator[str]:
    return (stage.role for stage in plan.stages)


def config_text(plan: Plan, receivers: Iterable[Receiver], hook: Receiver | None = None) -> str:
    """The configuration.

    Args:
        plan: whose rules are routed.
        receivers: at most one per role; roles without one go to on-call.
        hook: tminus itself, told of everything besides.
    """
    chosen = {each.role: each for each in (*usual_receivers(plan), *receivers)}
    watchdog = chosen.pop(WATCHDOG_ROLE, None)
    body = {
        "route": {
            "receiver": ON_CALL,
            "group_by": ["service", "environment", "group"],
            "group_wait": GROUP_WAIT,
            "group_interval": GROUP_INTERVAL,
            "repeat_interval": REPEAT,
            "routes": list(_routes(chosen, hook)),
        },
        "inhibit_rules": list(_inhibitions()),
        "receivers": [
            *(_receiver(each) for each in chosen.values()),
            *([_receiver(watchdog)] if watchdog else [{"name": WATCHDOG_ROLE}]),
            *([_receiver(hook)] if hook else []),
        ],
    }
    head = f"# Routes of {plan.service}'s alerts, written by `tminus export alertmanager`.\n"
    if watchdog is None:
        head += (
            "# Nobody misses the watchdog yet: give its receiver an integration, or --receiver watchdog=…\n"
        )
    return head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def _routes(chosen: Mapping[str, Receiver], hook: Receiver | None) -> Iterator[Mapping[str, Any]]:
    watchdog = {"matchers": ['role="watchdog"'], "group_wait": "0s", "repeat_interval": WATCHDOG_EVERY}
    if hook is not None:
        # tminus is told of everything, the watchdog included, and then the others are.
        tells = {"group_wait": "0s", "group_interval": "10s", "repeat_interval": WATCHDOG_EVERY}
        yield {"receiver": hook.role, "matchers": ['severity=~".+"'], "continue": True, **tells}
    yield {"receiver": WATCHDOG_ROLE, **watchdog, "group_interval": WATCHDOG_EVERY}
    for role in chosen:
        matchers = [f'role="{role}"']
        critical = f'severity="{Severity.CRITICAL.value}"'
        yield {"receiver": role, "matchers": [*matchers, critical], "repeat_interval": CRITICAL_REPEAT}
        yield {"receiver": role, "matchers": matchers}
    # The default holds only where no route matches, and tminus's own matches everything.
    yield {"receiver": ON_CALL}


def _inhibitions() -> Iterator[Mapping[str, Any]]:
    worse = [each.value for each in Severity]
    for index, severity in enumerate(worse[:-1]):
        lower = "|".join(worse[index + 1 :])
        yield {
            "source_matchers": [f'severity="{severity}"'],
            "target_matchers": [f'severity=~"{lower}"'],
            "equal": ["service", "environment", "about", "slot"],
        }
    # Where tminus is not scraped, that there are no readings is no news.
    yield {
        "source_matchers": ['alertname="TminusSilent"'],
        "target_matchers": ['alertname=~"TminusNoReadings.*|TminusRouterDown"'],
        "equal": ["service", "environment"],
    }


def _receiver(receiver: Receiver) -> Mapping[str, Any]:
    match receiver.channel:
        case Channel.PAGERDUTY:
            return {
                "name": receiver.role,
                "pagerduty_configs": [
                    {
                        "routing_key_file": receiver.file,
                        "severity": "{{ .CommonLabels.severity }}",
                        "send_resolved": True,
                    }
                ],
            }
        case Channel.SLACK:
            text = "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook_url }}\n{{ end }}"
            slack = {"api_url_file": receiver.file, "channel": receiver.target, "text": text}
            return {"name": receiver.role, "slack_configs": [{**slack, "send_resolved": True}]}
        case Channel.WEBHOOK:
            authorization = {"authorization": {"credentials_file": receiver.file}}
            webhook = {"url": receiver.target, "http_config": authorization, "send_resolved": True}
            return {"name": receiver.role, "webhook_configs": [webhook]}
