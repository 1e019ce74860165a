"""What Alertmanager sends to a webhook (version 4). Must not believe more of it than it says.

Source: prometheus.io, Alertmanager configuration, webhook_config; unknown keys are passed over.
"""

import json
from dataclasses import dataclass
from typing import Any

from tminus.domain.launch.external import ExternalState, ToldAlert

VERSION = "4"
MOST_ALERTS = 1_000  # of one notice; Alertmanager sends a group, and groups are of one service
_WHY_LENGTH = 300  # what is journalled is a sentence and no page


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert of a notice.

    Attributes:
        key: the same however often it is delivered; another once it has fired anew, or is over.
        service, environment: its labels, empty where it has none.
        told: what it says.
    """

    key: str
    service: str
    environment: str
    told: ToldAlert


def read_webhook(body: bytes) -> tuple[Notice, ...]:
    """The alerts of a notice.

    Raises:
        ValueError: it is no notice of this version.
    """
    try:
        notice = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
    if not isinstance(notice, dict) or notice.get("version") != VERSION:
        raise ValueError(f"the body is no notice of Alertmanager, version {VERSION}")
    alerts = notice.get("alerts")
    if not isinstance(alerts, list) or len(alerts) > MOST_ALERTS:
        raise ValueError(f"a notice holds a list of at most {MOST_ALERTS} alerts")
    return tuple(_notice(alert) for alert in alerts)


def _notice(alert: Any) -> Notice:  # noqa: ANN401 - any JSON
    labels = _texts(alert, "labels")
    name, fingerprint = labels.get("alertname", ""), _text(alert, "fingerprint")
    status, began = _text(alert, "status"), _text(alert, "startsAt")
    if not name or not fingerprint or status not in ("firing", "resolved"):
        raise ValueError("an alert has a name, a fingerprint and a status of firing or resolved")
    state = ExternalState.FIRING if status == "firing" else ExternalState.RESOLVED
    told = ToldAlert(name, fingerprint, state, summary_of(_texts(alert, "annotations"), labels))
    key = f"alertmanager-{fingerprint}-{status}-{began}"
    return Notice(key, labels.get("service", ""), labels.get("environment", ""), told)


def summary_of(annotations: dict[str, str], labels: dict[str, str]) -> str:
    """The alert in a sentence."""
    text = annotations.get("summary") or annotations.get("description") or labels.get("alertname", "")
    return " ".join(text.split())[:_WHY_LENGTH]


def _texts(alert: Any, key: str) -> dict[str, str]:  # noqa: ANN401 - any JSON
    found = alert.get(key) if isinstance(alert, dict) else None
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _text(alert: Any, key: str) -> str:  # noqa: ANN401 - any JSON
    found = alert.get(key) if isinstance(alert, dict) else None
    return found if isinstance(found, str) else ""
