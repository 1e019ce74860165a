"""What an Alertmanager has told of a launch, as the journal has it. A fold over events and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

TOLD_ALERT = "told-alert"
"""The order by which an external alert reaches a launch; `argument` is a `ToldAlert` as JSON."""

TOLD_SOURCE = "told-source"
"""The order that says whether the Alertmanager answers; `argument` is a `ToldSource` as JSON."""


class ExternalState(StrEnum):
    """How an external alert stands. Silenced is not healthy."""

    FIRING = "firing"
    SILENCED = "silenced"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One external alert as it is told; `fingerprint` names it among those of the same name."""

    alert: str
    fingerprint: str
    state: ExternalState
    why: str


@dataclass(frozen=True, slots=True)
class ToldSource:
    """Whether the Alertmanager answers."""

    answers: bool
    why: str


@dataclass(frozen=True, slots=True)
class ExternalAlertChanged:
    """An external alert fires, was silenced, or is over; `key` is that of the notice."""

    kind: ClassVar[str] = "external-alert-changed"
    key: str
    alert: str
    fingerprint: str
    state: ExternalState
    why: str


@dataclass(frozen=True, slots=True)
class ExternalSourceChanged:
    """The Alertmanager answers, or no longer does."""

    kind: ClassVar[str] = "external-source-changed"
    key: str
    answers: bool
    why: str


ExternalEvent = ExternalAlertChanged | ExternalSourceChanged


@dataclass(frozen=True, slots=True)
class External:
    """One alert that is not resolved."""

    alert: str
    state: ExternalState
    why: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Externals:
    """What is known of external alerts.

    Attributes:
        alerts: those that are not resolved, by fingerprint.
        answers: the Alertmanager answers; None until this driver knows.
        why: why it does not.
    """

    alerts: Mapping[str, External] = field(default_factory=dict)
    answers: bool | None = None
    why: str = ""

    def of(self, alert: str) -> tuple[External, ...]:
        """Those of one name, firing ones first."""
        found = [each for each in self.alerts.values() if each.alert == alert]
        return tuple(sorted(found, key=lambda each: (each.state is not ExternalState.FIRING, each.since_ms)))


def hear(externals: Externals, event: ExternalEvent, at_ms: int) -> Externals:
    """The externals after one more event."""
    if isinstance(event, ExternalSourceChanged):
        return replace(externals, answers=event.answers, why=event.why)
    others = {name: each for name, each in externals.alerts.items() if name != event.fingerprint}
    if event.state is ExternalState.RESOLVED:
        return replace(externals, alerts=others)
    told = External(event.alert, event.state, event.why, at_ms)
    return replace(externals, alerts={**others, event.fingerprint: told})
