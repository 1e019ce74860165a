"""Alerts of somebody else's Alertmanager that a plan names. Must not read or judge them."""

from dataclasses import dataclass

from tminus.domain.plan.alert import ON_CALL, Severity
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import SECOND_MS


@dataclass(frozen=True, slots=True)
class ExternalRule:
    """One alert by its `alertname`, and what follows while stable is there to go back to."""

    alert: str
    consequence: Consequence = Consequence.ALERT
    severity: Severity = Severity.HIGH
    role: str = ON_CALL


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Where external alerts come from.

    Attributes:
        rules: alerts that matter to the launch; all others are passed over.
        url: of its API; empty where it only tells the agent by its webhook.
        token: bearer token for the API.
        every_ms: how often the API is asked.
    """

    rules: tuple[ExternalRule, ...]
    url: str = ""
    token: SecretRef | None = None
    every_ms: int = 10 * SECOND_MS
