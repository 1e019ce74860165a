"""Active and silenced alerts of an Alertmanager, read from its API v2. Must not change anything there.

Source: prometheus/alertmanager, api/v2/openapi.yaml, GET /alerts.
"""

import http.client
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

from tminus.adapters.alertmanager.webhook import summary_of
from tminus.domain.launch.external import ExternalState, ToldAlert
from tminus.ports.fault import Unavailable

READ_LIMIT_S = 2.0
BODY_LIMIT_BYTES = 4 * 1024 * 1024
_OK = 200
_PIECE_BYTES = 64 * 1024


class AlertmanagerApi:
    """Asks one Alertmanager.

    Args:
        url: http or https, with the prefix it may have.
        token: bearer token, empty for none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def read_alerts(self, names: Iterable[str]) -> Sequence[ToldAlert]:
        """Every alert of these names that is not resolved; one that is silenced or inhibited is SILENCED.

        Raises:
            Unavailable: `alertmanager-down`, or `alertmanager-answer`, which says nothing that is understood.
        """
        wanted = set(names)
        found = self._fetch(f"{self._prefix}/api/v2/alerts?{urlencode({'unprocessed': 'true'})}")
        if not isinstance(found, list):
            raise Unavailable("alertmanager-answer", "it did not answer with a list of alerts")
        told = [_told(alert) for alert in found]
        return tuple(each for each in told if each is not None and each.alert in wanted)

    def _fetch(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        connecting = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        ends_at = time.monotonic() + READ_LIMIT_S
        try:
            with closing(connecting(self._host, self._port, timeout=READ_LIMIT_S)) as connection:
                connection.request("GET", path, headers=self._headers)
                answer = connection.getresponse()
                body = _body(answer, ends_at)
        except (OSError, http.client.HTTPException) as error:
            why = f"no answer within {READ_LIMIT_S:g} s: {type(error).__name__}"
            raise Unavailable("alertmanager-down", why) from error
        if answer.status != _OK:
            raise Unavailable("alertmanager-answer", f"it answered {answer.status}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Unavailable("alertmanager-answer", "it did not answer with JSON") from error


def _body(answer: http.client.HTTPResponse, ends_at: float) -> bytes:
    body = b""
    while piece := answer.read1(_PIECE_BYTES):
        body += piece
        if len(body) > BODY_LIMIT_BYTES or time.monotonic() > ends_at:
            raise TimeoutError
    return body


def _told(alert: Any) -> ToldAlert | None:  # noqa: ANN401 - any JSON
    if not isinstance(alert, dict):
        return None
    labels, status = alert.get("labels"), alert.get("status")
    fingerprint = alert.get("fingerprint")
    if not isinstance(labels, dict) or not isinstance(status, dict) or not isinstance(fingerprint, str):
        return None
    annotations = alert.get("annotations")
    why = summary_of(annotations if isinstance(annotations, dict) else {}, labels)
    silent = status.get("state") == "suppressed"
    state = ExternalState.SILENCED if silent else ExternalState.FIRING
    return ToldAlert(str(labels.get("alertname", "")), fingerprint, state, why)
