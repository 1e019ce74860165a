"""The probe `error-tracker`: an event is accepted where errors of the service are sent."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tminus.adapters.http.fetch import look
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import Missed
from tminus.ports.fault import Refused
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import MOST_BYTES, shown
from tminus.probes.guard import forms, guarded, masked

_OK = 200
_REFUSED = (400, 401, 403, 404, 413)
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class ErrorTrackerSettings:
    """Where errors are sent.

    Attributes:
        dsn: a secret, the DSN of Sentry or of what speaks its protocol: `https://KEY@HOST/PROJECT`.
    """

    dsn: SecretRef


@dataclass(frozen=True, slots=True)
class _Dsn:
    """The parts of a DSN: where envelopes go, by which key, and the host to show."""

    url: str
    key: str
    host: str


def _source(settings: ErrorTrackerSettings, target: Target) -> str:
    del target
    return f"an event to the envelope endpoint of {settings.dsn.text()}"


def _ask(settings: ErrorTrackerSettings, around: Around, limit_ms: int) -> Answer:
    dsn = _parsed(around.secret(settings.dsn))
    # The key alone is what others would write back.
    return masked(_answer(dsn, _source(settings, around.target), around, limit_ms), forms(dsn.key))


def _answer(dsn: _Dsn, source: str, around: Around, limit_ms: int) -> Answer:
    event_id = os.urandom(_ID_BYTES).hex()
    headers = (
        ("Content-Type", "application/x-sentry-envelope"),
        ("X-Sentry-Auth", f"Sentry sentry_version=7, sentry_client=tminus/1.0, sentry_key={dsn.key}"),
    )
    found = look(dsn.url, headers, limit_ms, MOST_BYTES, "POST", _envelope(event_id, around))
    if isinstance(found, Missed):
        return unknown(found.why, source)
    excerpt = shown(found)
    if found.status in _REFUSED:
        return failed(f"{dsn.host} refuses the event: it answered {found.status}", source, excerpt)
    if found.status != _OK:
        return unknown(f"{dsn.host} answered {found.status}", source, excerpt)
    try:
        body = parse_answer(found.body)
    except ValueError as error:
        return unknown(f"{dsn.host} answered {found.status}, but {error}", source, excerpt)
    told = body.get("id") if isinstance(body, dict) else None
    if not isinstance(told, str) or told.replace("-", "").lower() != event_id:
        return unknown(f"{dsn.host} answered {found.status} and does not name the event", source, excerpt)
    return passed(f"{dsn.host} accepted event {event_id}", source, excerpt, duration_ms=found.duration_ms)


def _parsed(text: str) -> _Dsn:
    """A DSN: scheme, key, host and port, a path that may be empty, and the project behind its last slash.

    Raises:
        Refused: `dsn-invalid`, without a word of it.
    """
    try:
        parts = urlsplit(text.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise Refused("dsn-invalid", "the DSN cannot be read: write https://KEY@HOST/PROJECT") from None
    prefix, _, project = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not parts.username or not parts.hostname or not project:
        raise Refused("dsn-invalid", "the DSN cannot be read: write https://KEY@HOST/PROJECT")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return _Dsn(
        f"{parts.scheme}://{host}{port}{prefix}/api/{project}/envelope/", parts.username, parts.hostname
    )


def _envelope(event_id: str, around: Around) -> bytes:
    at = datetime.fromtimestamp(around.now_ms() / 1000, UTC).isoformat(timespec="milliseconds")
    target = around.target
    event = {
        "event_id": event_id,
        "timestamp": at,
        "platform": "other",
        "level": "info",
        "logger": "tminus",
        "message": {"formatted": "A drill by tminus: nothing is wrong."},
        "tags": {"drill": "tminus"},
        **({"release": target.version} if target.version else {}),
        **({"environment": target.environment} if target.environment else {}),
    }
    payload = json.dumps(event).encode()
    head = json.dumps({"event_id": event_id, "sent_at": at}).encode()
    item = json.dumps({"type": "event", "length": len(payload)}).encode()
    return b"\n".join((head, item, payload, b""))


ERROR_TRACKER = ProbeKind(ErrorTrackerSettings, guarded(_ask, _source))
"""See `ErrorTrackerSettings`. Source: Sentry's developer documentation on envelopes."""
