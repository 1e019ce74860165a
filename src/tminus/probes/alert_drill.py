"""The probe `alert-drill`: an alert for nothing goes the way of a real one. Ends it again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.clock.pause import pause
from tminus.adapters.http.fetch import look
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import Millis, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import Missed
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import listed
from tminus.probes.asking import MOST_BYTES, check_address, secret_header
from tminus.probes.guard import guarded
from tminus.probes.traces import LOOK_MS, in_file, new_mark

MARK_LABEL = "drill"
"""Carries the mark by which the alert is known everywhere."""

_OK = range(200, 300)
_HOW_LONG = Millis(60_000)
_END_MS = 1_000  # kept back to end the drill
_END_SHARE = 5  # of a short limit
_ENDS_ITSELF_MS = 60_000  # after the limit, where nobody could end it


@dataclass(frozen=True, slots=True)
class AlertDrillSettings:
    """Which Alertmanager, and where its alerts must arrive.

    Attributes:
        url: of Alertmanager, with the prefix it may have.
        token: a secret that is sent.
        header: in which header it is sent; a bearer's in `Authorization`, as it is in any other.
        alertname: name of the alert; have no rule fire under it.
        labels: more labels, by which it takes the way of the alerts that are meant, such as its severity.
        receiver: a receiver of this name must be told; empty for any.
        received: file below the repository, or address, in which what the receiver was sent can be seen;
            empty where that is not looked at.
        within: how long that may take.
    """

    url: str
    token: SecretRef | None = None
    header: str = "Authorization"
    alertname: str = "TminusDrill"
    labels: tuple[tuple[str, str], ...] = ()
    receiver: str = ""
    received: str = ""
    within: Millis = _HOW_LONG

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if self.url.startswith("/"):
            raise ValueError(f"{self.url!r} is no address of an Alertmanager")
        if "://" in self.received:
            check_address(self.received)
        if not self.alertname or {MARK_LABEL, "alertname"} & dict(self.labels).keys():
            raise ValueError(f"alertname is set by itself, and {MARK_LABEL} by the drill")
        if self.within <= 0:
            raise ValueError("within is longer than 0s")


@dataclass(slots=True)
class _Drill:
    """One drill: how it is asked about, and what was seen so far."""

    settings: AlertDrillSettings
    around: Around
    headers: tuple[tuple[str, str], ...]
    deadline: Deadline
    mark: str = field(default_factory=new_mark)
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def labels(self) -> Mapping[str, str]:
        target = self.around.target
        own = {"alertname": self.settings.alertname, MARK_LABEL: self.mark}
        known = {"service": target.service, "environment": target.environment}
        return {
            **{name: value for name, value in known.items() if value},
            **dict(self.settings.labels),
            **own,
        }

    def post(self, ends_at_ms: int, limit_ms: int) -> str:
        """Sends the alert; why that failed, empty where it did not."""
        alert = {
            "labels": self.labels,
            "annotations": {"summary": "A drill by tminus: nothing is wrong."},
            "startsAt": _rfc3339(self.around.now_ms()),
            "endsAt": _rfc3339(ends_at_ms),
        }
        body = json.dumps([alert]).encode()
        headers = (*self.headers, ("Content-Type", "application/json"))
        found = look(self._address("alerts"), headers, limit_ms, MOST_BYTES, "POST", body)
        if isinstance(found, Missed):
            return found.why
        return "" if found.status in _OK else f"it answered {found.status} to a new alert"

    def seen(self) -> Mapping[str, Any] | None:
        """The drill as Alertmanager tells of it; None where it does not yet.

        Raises:
            Unavailable: `alertmanager-answer`.
        """
        query = urlencode({"filter": f'{MARK_LABEL}="{self.mark}"'})
        found = look(self._address(f"alerts?{query}"), self.headers, self.deadline.left_ms, MOST_BYTES)
        if isinstance(found, Missed):
            raise Unavailable("alertmanager-answer", found.why)
        if found.status not in _OK:
            raise Unavailable("alertmanager-answer", f"it answered {found.status}")
        try:
            alerts = parse_answer(found.body)
        except ValueError as error:
            raise Unavailable("alertmanager-answer", str(error)) from error
        for alert in alerts if isinstance(alerts, list) else ():
            if isinstance(alert, dict) and alert.get("labels") == self.labels:
                return alert
        return None

    def arrived(self) -> bool | Missed:
        """Whether the receiver was told."""
        where = self.settings.received
        if "://" not in where:
            return in_file(self.around.repository / where, self.mark)
        found = look(where, (), self.deadline.left_ms, MOST_BYTES)
        return found if isinstance(found, Missed) else self.mark.encode() in found.body

    def _address(self, rest: str) -> str:
        return f"{self.settings.url.rstrip('/')}/api/v2/{rest}"


def _source(settings: AlertDrillSettings, target: Target) -> str:
    del target
    return f"POST {settings.url.rstrip('/')}/api/v2/alerts, {settings.alertname}"


def _ask(settings: AlertDrillSettings, around: Around, limit_ms: int) -> Answer:
    headers = secret_header(settings.token, settings.header, around)
    kept_ms = min(_END_MS, limit_ms // _END_SHARE)
    drill = _Drill(settings, around, headers, Deadline(limit_ms - kept_ms))
    source = _source(settings, around.target)
    ends_at_ms = around.now_ms() + limit_ms + _ENDS_ITSELF_MS
    refused = drill.post(ends_at_ms, drill.deadline.left_ms)
    if refused:
        return unknown(refused, source)
    left = ""
    try:
        answer = _followed(drill, source)
    finally:
        left = drill.post(around.now_ms(), kept_ms)
    if left:
        aside = f"{answer.why}; the drill could not be ended and ends by itself in a minute"
        return Answer(answer.outcome, aside, answer.source, answer.excerpt, answer.facts)
    return answer


def _followed(drill: _Drill, source: str) -> Answer:
    settings = drill.settings
    alert = drill.seen()
    while (alert is None or _state(alert) == "unprocessed") and pause(LOOK_MS, drill.deadline):
        alert = drill.seen()
    if alert is None:
        return unknown("the alert was taken, and is not among those that it tells of", source)
    if _state(alert) == "suppressed":
        by = "silenced" if _names(alert, "silencedBy", "") else "inhibited"
        return failed(f"the drill is {by}: nobody would be told", source)
    if _state(alert) != "active":
        return unknown("the alert did not become active in time", source)
    drill.facts["active_ms"] = drill.deadline.taken_ms
    receivers = [str(each.get("name", "")) for each in _objects(alert.get("receivers"))]
    if settings.receiver and settings.receiver not in receivers:
        why = f"{listed(receivers) or 'nobody'} is told, and not {settings.receiver}"
        return failed(why, source, "", **drill.facts)
    active = f"the alert is active and goes to {listed(receivers) or 'nobody'}"
    return (
        _received(drill, source, active) if settings.received else passed(active, source, "", **drill.facts)
    )


def _received(drill: _Drill, source: str, active: str) -> Answer:
    settings = drill.settings
    found = drill.arrived()
    while found is not True and drill.deadline.taken_ms < settings.within and pause(LOOK_MS, drill.deadline):
        found = drill.arrived()
    where = urlsplit(settings.received).hostname or settings.received
    if found is True:
        drill.facts["received_ms"] = drill.deadline.taken_ms
        return passed(f"{active}; it came to {where}", source, "", **drill.facts)
    if isinstance(found, Missed):
        return unknown(
            f"{active}; whether it came to {where} cannot be seen: {found.why}", source, "", **drill.facts
        )
    if drill.deadline.taken_ms >= settings.within:
        limit = format_duration(settings.within)
        return failed(f"{active}, and did not come to {where} within {limit}", source, "", **drill.facts)
    return unknown(f"{active}; time was over before it came to {where}", source, "", **drill.facts)


def _state(alert: Mapping[str, Any]) -> str:
    status = alert.get("status")
    return str(status.get("state", "")) if isinstance(status, dict) else ""


def _names(alert: Mapping[str, Any], name: str, usual: str) -> str:
    status = alert.get("status")
    found = status.get(name) if isinstance(status, dict) else None
    return listed([str(each) for each in found]) if isinstance(found, list) and found else usual


def _objects(value: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - any JSON
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ALERT_DRILL = ProbeKind(AlertDrillSettings, guarded(_ask, _source))
"""See `AlertDrillSettings`. Source: prometheus/alertmanager, api/v2/openapi.yaml, `/alerts`."""
