"""Alerts of an Alertmanager in launch.yaml. Must not read them."""

from typing import Annotated

from pydantic import Field

from tminus.domain.plan.alert import Severity
from tminus.domain.plan.external import Alertmanager, ExternalRule
from tminus.domain.plan.limit import Consequence
from tminus.plan.kinds import AlertName, ClassName, Duration, Edge, Secret, one_of
from tminus.plan.section import TMINUS, Section, default_of, given, usual


class ExternalAlertSection(Section):
    """What follows when the alert fires."""

    then: Annotated[Consequence, one_of(Consequence)] = usual(
        default_of(ExternalRule, "consequence"), TMINUS, "what follows: rollback, hold or alert"
    )
    severity: Annotated[Severity, one_of(Severity)] = usual(
        default_of(ExternalRule, "severity"), TMINUS, "how bad it is: critical, high, warning or info"
    )
    role: ClassName = usual(default_of(ExternalRule, "role"), TMINUS, "who is told")


class AlertmanagerSection(Section):
    """Alerts that somebody else's Prometheus raises, told by its Alertmanager."""

    alerts: Annotated[dict[AlertName, ExternalAlertSection], Field(min_length=1)] = given(
        "those that matter, by their `alertname`", examples=[{"HighErrorRate": {"then": "rollback"}}]
    )
    url: Edge = usual(None, TMINUS, "address of its API", shown="none: it tells the agent by its webhook")
    token: Secret | None = given(
        "bearer token for the API: env:NAME, file:PATH or command:LINE", default=None
    )
    every: Duration = usual(default_of(Alertmanager, "every_ms"), TMINUS, "the API is asked this often")
