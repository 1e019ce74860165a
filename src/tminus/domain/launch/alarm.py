"""Alarms and looks as the journal tells them: which alerts fire, which are silenced, who has looked.

A fold over events and nothing else; what fires when is decided elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, TypeVar

from tminus.domain.plan.alert import Severity

T = TypeVar("T")


class Cause(StrEnum):
    """Why an alert fires."""

    LIMIT = "limit"
    """The rule's limit is broken."""
    NO_DATA = "no-data"
    """There is no reading for the rule."""
    ANOMALY = "anomaly"
    """A figure left the range that was learnt; no limit is broken."""
    ROLLBACK = "rollback"
    """The launch is being rolled back."""
    EXTERNAL = "external"
    """An alert of somebody else's Alertmanager fires."""
    MISSED_LOOK = "missed-look"
    """Nobody looked in time."""
    POLL = "poll"
    """The poll needs somebody above it."""


@dataclass(frozen=True, slots=True)
class AlertFired:
    """An alert fires from here on. Fired again it is worse than before.

    Attributes:
        rule: name of the rule.
        subject: slot that it is about, empty where it is about none.
        group: alerts of one group are told together.
        runbook, action: from the plan; may be empty.
    """

    kind: ClassVar[str] = "alert-fired"
    rule: str
    subject: str
    cause: Cause
    severity: Severity
    role: str
    group: str
    why: str
    runbook: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class AlertResolved:
    """What an alert was about is over."""

    kind: ClassVar[str] = "alert-resolved"
    rule: str
    subject: str
    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class AlertAcknowledged:
    """Somebody takes care of an alert; it goes on firing."""

    kind: ClassVar[str] = "alert-acknowledged"
    rule: str
    subject: str
    cause: Cause
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class SilencePlaced:
    """Nobody is told about a rule until then. It is judged as before, and never counts as healthy."""

    kind: ClassVar[str] = "silence-placed"
    rule: str
    by: str
    why: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class SilenceEnded:
    """A rule's silence ran out, or was lifted."""

    kind: ClassVar[str] = "silence-ended"
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class StageEntered:
    """A stage of the watch begins; `index` counts from 0, `began_ms` and `until_ms` are points in time."""

    kind: ClassVar[str] = "stage-entered"
    index: int
    role: str
    look_every_ms: int
    began_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Looked:
    """Somebody has looked at the service."""

    kind: ClassVar[str] = "looked"
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class LookMissed:
    """Nobody looked by `due_ms`; `missed` counts those missed in a row, with any that nobody could record."""

    kind: ClassVar[str] = "look-missed"
    due_ms: int
    missed: int
    role: str


AlarmEvent = (
    AlertFired
    | AlertResolved
    | AlertAcknowledged
    | SilencePlaced
    | SilenceEnded
    | StageEntered
    | Looked
    | LookMissed
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert that fires; see `AlertFired`. `since_ms` is when it fired first."""

    fired: AlertFired
    since_ms: int
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """A rule that nobody is told about until `until_ms`."""

    by: str
    why: str
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Alarms:
    """What fires and who looks.

    Attributes:
        firing: alarms by `alarm_key`.
        silences: by the rule's name.
        stage: index of the watch's stage, -1 before the first.
        looked_ms: when the clock of the next look began: a look, a missed one, or a stage.
        missed: looks missed in a row.
    """

    firing: Mapping[str, Alarm] = field(default_factory=dict)
    silences: Mapping[str, Silence] = field(default_factory=dict)
    stage: int = -1
    looked_ms: int = 0
    missed: int = 0

    def alarm(self, rule: str, subject: str, cause: Cause) -> Alarm | None:
        """The alarm, where it fires."""
        return self.firing.get(alarm_key(rule, subject, cause))

    def silenced(self, rule: str, now_ms: int) -> bool:
        """Whether nobody is told about the rule now."""
        silence = self.silences.get(rule)
        return silence is not None and now_ms < silence.until_ms


def alarm_key(rule: str, subject: str, cause: Cause) -> str:
    """One alarm per rule, subject and cause."""
    return f"{rule}|{subject}|{cause.value}"


def sound(alarms: Alarms, event: AlarmEvent, at_ms: int) -> Alarms:
    """The alarms after one more event, decided at `at_ms`."""
    match event:
        case AlertFired():
            key = alarm_key(event.rule, event.subject, event.cause)
            before = alarms.firing.get(key)
            alarm = Alarm(event, at_ms if before is None else before.since_ms)
            return replace(alarms, firing={**alarms.firing, key: alarm})
        case AlertResolved():
            return replace(alarms, firing=_without(alarms.firing, _key(event)))
        case AlertAcknowledged():
            key = _key(event)
            if key not in alarms.firing:
                return alarms
            alarm = replace(alarms.firing[key], acknowledged_by=event.by)
            return replace(alarms, firing={**alarms.firing, key: alarm})
        case SilencePlaced():
            silence = Silence(event.by, event.why, at_ms, event.until_ms)
            return replace(alarms, silences={**alarms.silences, event.rule: silence})
        case SilenceEnded():
            return replace(alarms, silences=_without(alarms.silences, event.rule))
        case StageEntered():
            return replace(alarms, stage=event.index, looked_ms=max(alarms.looked_ms, event.began_ms))
        case Looked():
            return replace(alarms, looked_ms=at_ms, missed=0)
        case LookMissed():
            return replace(alarms, looked_ms=event.due_ms, missed=event.missed)


def _key(event: AlertResolved | AlertAcknowledged) -> str:
    return alarm_key(event.rule, event.subject, event.cause)


def _without(entries: Mapping[str, T], key: str) -> Mapping[str, T]:
    return {name: entry for name, entry in entries.items() if name != key}
