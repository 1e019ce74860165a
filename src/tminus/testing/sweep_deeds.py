"""What people and others do beside a driver of the crash sweep. Must not know where it is killed."""

import json
from collections.abc import Mapping
from typing import Any

from tminus.domain.launch.external import TOLD_ALERT, TOLD_SOURCE
from tminus.domain.plan.alert import MISSED_LOOK
from tminus.domain.readiness.check_order import ATTEST, WAIVE, CheckOrder
from tminus.testing.stand import Stand

CHECKS: Mapping[str, Any] = {
    "checks": {
        "handbook": "no",
        "items": {
            "own/built": {"title": "it is built", "owner": "devops", "work": ["build"]},
            "own/shown": {
                "title": "it was shown",
                "owner": "pm",
                "attest": "it was shown",
                "keeps": "500ms",
                "blocks": "no",
            },
            "own/signed": {"title": "it is signed", "owner": "pm", "attest": "it is signed"},
            "own/told": {"title": "users were told", "owner": "pm", "attest": "users were told"},
        },
    }
}
CHECK_KINDS = (
    "check-answered",
    "check-attested",
    "check-excused",
    "check-excuse-ended",
    "check-lapsed",
    "gate-waiting",
    "gate-opened",
)


def answer_alarms(stand: Stand, launch: str) -> None:
    """Nobody looks in time, then somebody does, and silences the next."""
    stand.wait(lambda: stand.state(launch).alarms.missed > 0, "a look that was missed")
    stand.post(launch, "silence", argument=f"500ms {MISSED_LOOK}", reason="swept")
    stand.post(launch, "acknowledge", "look")


def tell(stand: Stand, launch: str) -> None:
    """An Alertmanager says that something fires, and then no longer answers."""
    told = {"alert": "DiskFull", "fingerprint": "f1", "state": "firing", "why": "3 % left"}
    stand.post(launch, TOLD_ALERT, argument=json.dumps(told))
    stand.post(launch, TOLD_SOURCE, argument=json.dumps({"answers": False, "why": "refused"}))


def answer_checks(stand: Stand, launch: str) -> None:
    """Somebody waives what is not signed yet, and states the rest once that has run out."""
    stand.wait(lambda: stand.state(launch).readiness.waits_ms is not None, "a gate that waits")
    _state(stand, launch, "own/shown")
    until_ms = stand.clock.now_ms() + 1_500
    stand.post(launch, WAIVE, argument=CheckOrder(("own/signed",), until_ms=until_ms).text(), reason="swept")
    # A driver that is killed takes the orders late; the waiver may have run out before anybody saw it.
    stand.wait(lambda: not stand.home.store.inbox.orders(launch), "orders that were taken")
    stand.wait(lambda: _has_run_out(stand, launch), "a waiver and evidence that have run out")
    _state(stand, launch, "own/signed")
    _state(stand, launch, "own/told")


def _has_run_out(stand: Stand, launch: str) -> bool:
    readiness = stand.state(launch).readiness
    return "own/signed" not in readiness.excuses and "own/shown" in readiness.lapsed


def _state(stand: Stand, launch: str, item: str) -> None:
    stand.post(launch, ATTEST, argument=CheckOrder((item,), role="pm").text(), reason="seen")
