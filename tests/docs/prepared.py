"""A home with one launch that has ended well, for pages that read logs; nothing was really launched."""

from pathlib import Path

from tests.golden.log.worlds import world
from tminus.ports.journal import Draft, LaunchRow, Record
from tminus.testing.world.world import LAUNCH
from tminus.wiring import open_home

SERVICE = "shop"
NAME = f"{SERVICE}-2.0.0"


def prepare(root: Path) -> None:
    """Enters a simulated launch into a real journal, as that of another service, and seals it."""
    records = world("good").journal.read(LAUNCH)
    home = open_home(root, {})
    try:
        store = home.store
        row = LaunchRow(NAME, SERVICE, "production", records[0].at_ms, open=True)
        head = store.book.open_launch(row, [_draft(records[0])])
        lease = store.claims.claim(NAME, "sim", records[0].at_ms, 1_000)
        assert lease is not None
        assert {record.epoch for record in records[1:]} == {lease.epoch}
        head = store.journal.append(NAME, lease.epoch, head.seq, [_draft(record) for record in records[1:]])
        store.book.close_launch(NAME, lease.epoch)
        home.seal.seal(head, records[-1].at_ms)
    finally:
        home.close()


def _draft(record: Record) -> Draft:
    body = record.body
    assert isinstance(body, dict)
    if isinstance(plan := body.get("plan"), dict):
        body = {**body, "plan": {**plan, "service": SERVICE}}
    return Draft(record.kind, record.version, record.at_ms, body)
