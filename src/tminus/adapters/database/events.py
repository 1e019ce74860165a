"""Rows of the events table to values and back. Must not open transactions."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

from sqlalchemy import Connection, Row, insert, select

from tminus.adapters.database.schema import events
from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.launch.chain import GENESIS, Link, event_hash, link_hash
from tminus.ports.fault import Refused
from tminus.ports.journal import Draft, Head, Record

_COLUMNS = tuple(
    events.c[name] for name in ("launch", "seq", "kind", "version", "at_ms", "epoch", "body", "prev", "hash")
)
_IN_ORDER = select(*_COLUMNS).order_by(events.c.seq)
_LAST = select(*_COLUMNS).order_by(events.c.seq.desc()).limit(1)
_INSERT = insert(events)


def links_from(connection: Connection, launch: str, first_seq: int) -> list[Link]:
    """Stored events from `first_seq` on, in order, believed in nothing."""
    query = _IN_ORDER.where(events.c.launch == launch, events.c.seq >= first_seq)
    return [_link(row) for row in connection.execute(query)]


def head_of(connection: Connection, launch: str) -> Head:
    """The last event, verified against its own hash.

    Raises:
        Refused: `journal-corrupt`.
    """
    row = connection.execute(_LAST.where(events.c.launch == launch)).first()
    if row is None:
        return Head(launch, 0, GENESIS)
    link = _link(row)
    if link_hash(link) != link.hash:
        raise _corrupt(launch, link.seq, "its content does not fit its hash")
    return Head(launch, link.seq, link.hash)


def extend(connection: Connection, head: Head, epoch: int, drafts: Iterable[Draft]) -> Head:
    """Inserts the drafts after `head` and returns the new head."""
    rows: list[dict[str, str | int]] = []
    launch, seq, prev = head.launch, head.seq, head.hash
    for draft in drafts:
        seq += 1
        body = canonical_bytes(draft.body)
        hashed = event_hash(launch, seq, draft.kind, draft.version, draft.at_ms, epoch, body, prev)
        rows.append(
            {
                "launch": launch,
                "seq": seq,
                "kind": draft.kind,
                "version": draft.version,
                "at_ms": draft.at_ms,
                "epoch": epoch,
                "body": body.decode(),
                "prev": prev,
                "hash": hashed,
            }
        )
        prev = hashed
    if rows:
        connection.execute(_INSERT, rows)
    return Head(launch, seq, prev)


def verified(launch: str, after_seq: int, links: Iterable[Link]) -> Iterator[Record]:
    """Records after `after_seq`, each checked against its hash and its predecessor.

    `links` begin with the stored event `after_seq`, where that is not 0: it was verified when it was read,
    so its hash is the anchor and only what follows is computed.

    Raises:
        Refused: `journal-corrupt`, at the first event that does not fit.
    """
    remaining = iter(links)
    seq, prev = after_seq, GENESIS
    if after_seq:
        anchor = next(remaining, None)
        if anchor is None or anchor.seq != after_seq:
            raise _corrupt(launch, after_seq, "it was read before and is missing now")
        prev = anchor.hash
    for link in remaining:
        seq += 1
        if link.seq != seq:
            raise _corrupt(launch, seq, "it is missing")
        if link.prev != prev:
            raise _corrupt(launch, seq, "it was not written after the event that stands before it")
        if link_hash(link) != link.hash:
            raise _corrupt(launch, seq, "its content does not fit its hash")
        prev = link.hash
        yield Record(
            launch, seq, link.kind, link.version, link.at_ms, link.epoch, _body(link), link.prev, link.hash
        )


def _link(row: Row[Any]) -> Link:
    columns: tuple[Any, ...] = tuple(row)
    launch, seq, kind, version, at_ms, epoch, body, prev, hashed = columns
    return Link(
        str(launch),
        _whole(seq),
        str(kind),
        _whole(version),
        _whole(at_ms),
        _whole(epoch),
        str(body),
        str(prev),
        str(hashed),
    )


def _whole(value: object) -> int:
    # SQLite stores anything in any column; what is no integer becomes one that no hash fits.
    return value if isinstance(value, int) else -1


def _body(link: Link) -> Json:
    try:
        return cast("Json", json.loads(link.body))
    except ValueError as error:
        raise _corrupt(link.launch, link.seq, "its body is no JSON, though its hash fits") from error


def _corrupt(launch: str, seq: int, why: str) -> Refused:
    return Refused(
        "journal-corrupt",
        f"launch {launch}, event {seq}: {why}: `tminus verify {launch}` names all damage",
    )
