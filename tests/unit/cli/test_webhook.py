"""What is believed of a notice, and what is not."""

import json
from typing import Any

import pytest

from tminus.adapters.alertmanager.webhook import MOST_ALERTS, read_webhook
from tminus.domain.launch.external import ExternalState, ToldAlert

pytestmark = pytest.mark.req("R10")

ALERT = {
    "status": "firing",
    "labels": {"alertname": "HighErrorRate", "service": "shop", "environment": "production"},
    "annotations": {"summary": "10 %\n fail"},
    "startsAt": "2025-12-20T14:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "a1b2",
    "generatorURL": "http://prometheus/graph",
}


def body(*alerts: Any, **changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    notice = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts), **changes}
    return json.dumps(notice).encode()


def test_a_notice_is_read_whatever_else_it_holds() -> None:
    [notice] = read_webhook(body(ALERT, notification_reason="new in later versions"))
    assert notice.told == ToldAlert("HighErrorRate", "a1b2", ExternalState.FIRING, "10 % fail")
    assert (notice.service, notice.environment) == ("shop", "production")


def test_the_same_delivery_has_the_same_key_and_a_new_firing_another() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"annotations": {"summary": "11 % fail"}},
        {"status": "resolved"},
        {"startsAt": "2025-12-20T15:00:00Z"},
        {"fingerprint": "c3"},
    ]
    keys = [read_webhook(body({**ALERT, **change}))[0].key for change in changes]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        body(version="3"),
        body("alert"),
        body({**ALERT, "labels": {}}),
        body({**ALERT, "labels": ["alertname"]}),
        body({**ALERT, "status": "silenced"}),
        body({**ALERT, "fingerprint": 7}),
        body(alerts={}),
        body(*[ALERT] * (MOST_ALERTS + 1)),
    ],
    ids=range(12),
)
def test_what_is_no_notice_is_refused(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(the body|a notice|an alert)"):
        read_webhook(sent)


def test_a_long_summary_is_cut() -> None:
    [notice] = read_webhook(body({**ALERT, "annotations": {"summary": "x" * 5_000}}))
    assert len(notice.told.why) == 300
