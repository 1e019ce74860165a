"""The journal: the only truth about a launch. Storage only; what events mean is the domain's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.canonical import Json
from tminus.domain.launch import chain
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.history import Point

GENESIS = chain.GENESIS


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is about to be appended.

    Attributes:
        kind: name of the event.
        version: of the event's shape; readers upcast.
        at_ms: when it was decided, milliseconds since the epoch.
        body: canonical JSON object.
    """

    kind: str
    version: int
    at_ms: int
    body: Json


@dataclass(frozen=True, slots=True)
class Record:
    """An event in the journal.

    `hash` is SHA-256 over the canonical form of {launch, seq, kind, version, at_ms, epoch, body, prev}.
    """

    launch: str
    seq: int
    kind: str
    version: int
    at_ms: int
    epoch: int
    body: Json
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Last event of a launch; `seq` is 0 and `hash` is GENESIS for a launch without events."""

    launch: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """A launch as the journal lists it; everything else is folded from its events.

    `open` is false once the launch has ended; `t0_ms` is None where it starts as soon as it is ready.
    """

    launch: str
    service: str
    environment: str
    opened_ms: int
    open: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to drive a launch: `epoch` rises with every claim and fences whatever came before."""

    launch: str
    owner: str
    epoch: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks of a running launch; durable before it is acted upon.

    Attributes:
        key: unique per launch; the same key twice is one order.
        verb: hold, resume, slip, scrub, abort, rollback.
        by: principal id of the person.
        reason: in their words.
        at_ms: when it was given.
        argument: of the verb, for example the new T-0; empty where it has none.
    """

    key: str
    verb: str
    by: str
    reason: str
    at_ms: int
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State folded up to and including event `seq`; `hash` is that event's."""

    launch: str
    seq: int
    hash: str
    state: Json


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """What a judge held after the sample of `sampled_ms`, as text; whoever wrote it reads it."""

    launch: str
    sampled_ms: int
    text: str


class Journal(Protocol):
    """Append-only, hash-chained events per launch."""

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        """Appends all drafts or none, durably, and returns the new head.

        Raises:
            Refused: `stale-epoch` when `epoch` is not that of the last claim (0 before the first),
                `unexpected-sequence` when the head is not `after_seq`, `launch-unknown`, `journal-corrupt`.
            Unavailable: `journal-full` or the database does not answer; nothing was appended.
            Unknown: the drafts may have been appended; read the head.
        """
        ...

    def read(self, launch: str, after_seq: int = 0) -> Sequence[Record]:
        """Events after `after_seq` in order, each verified against its hash and predecessor.

        Raises:
            Refused: `journal-corrupt`, with the sequence at which it was found; also when the journal ends
                before `after_seq`, for an event that was read before cannot go.
            Unavailable: the database does not answer.
        """
        ...

    def head(self, launch: str) -> Head:
        """The last event.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class RawRecords(Protocol):
    """The stored events as they stand, for whoever judges whether they were tampered with."""

    def links(self, launch: str) -> Sequence[chain.Link]:
        """All events of the launch by sequence, none verified; empty for a launch without events.

        Raises:
            Refused: `journal-corrupt`, the database itself cannot be read.
            Unavailable: the database does not answer.
        """
        ...


class LaunchBook(Protocol):
    """Which launches exist and who drives them."""

    def open_launch(self, row: LaunchRow, drafts: Sequence[Draft]) -> Head:
        """Enters a launch with its first events, in one transaction.

        Raises:
            Refused: `launch-running`, an open launch of that service and environment exists;
                `launch-exists`, the name is taken.
            Unavailable: `journal-full` or no answer.
            Unknown: the launch may have been entered; look for it.
        """
        ...

    def launches(self, service: str | None = None, environment: str | None = None) -> Sequence[LaunchRow]:
        """All launches, oldest first, narrowed where asked."""
        ...

    def close_launch(self, launch: str, epoch: int) -> None:
        """Marks the launch as ended. Idempotent; refused for a stale epoch."""
        ...


class Claims(Protocol):
    """The lease on driving a launch."""

    def claim(self, launch: str, owner: str, now_ms: int, lease_ms: int) -> Lease | None:
        """Takes the lease with a raised epoch when it is free, expired or the owner's own; else None."""
        ...

    def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> Lease | None:
        """Extends the lease; None when somebody else has claimed since."""
        ...

    def release(self, lease: Lease) -> None:
        """Gives the lease back so that another may claim at once."""
        ...


class Inbox(Protocol):
    """Orders of people, durable before anything happens."""

    def post(self, launch: str, order: Order) -> None:
        """Enters an order; the same key again does nothing, also after it was settled.

        Raises:
            Refused: `launch-unknown`.
            Unavailable: `journal-full` or no answer.
            Unknown: the order may have been entered; post it again.
        """
        ...

    def orders(self, launch: str) -> Sequence[Order]:
        """Orders not yet settled, oldest first."""
        ...

    def settle(self, launch: str, keys: Sequence[str]) -> None:
        """Removes orders whose consequence stands in the journal."""
        ...


class Shelf(Protocol):
    """Snapshots: what stands beside the journal and may be lost."""

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keeps the newest snapshot of a launch."""
        ...

    def snapshot(self, launch: str) -> Snapshot | None:
        """The newest snapshot, if any."""
        ...


class EvidenceShelf(Protocol):
    """Evidence as it was last put aside: what a later driver goes on from, with the ring's samples since."""

    def keep_evidence(self, kept: KeptEvidence) -> None:
        """Keeps the newest evidence of a launch; one of an older sample than the kept one is passed over."""
        ...

    def evidence(self, launch: str) -> KeptEvidence | None:
        """The newest evidence, if any."""
        ...


class SampleRing(Protocol):
    """The last samples of a launch, bounded: the oldest are overwritten."""

    def add_sample(self, launch: str, sample: Sample) -> None:
        """Keeps a sample."""
        ...

    def samples(self, launch: str, since_ms: int) -> Sequence[Sample]:
        """Kept samples not older than `since_ms`, oldest first."""
        ...


class History(Protocol):
    """The figures of a launch by the minute, bounded: the oldest are overwritten."""

    def add_point(self, launch: str, point: Point) -> None:
        """Keeps a point; one of the same minute is replaced."""
        ...

    def points(self, launch: str, since_ms: int) -> Sequence[Point]:
        """Kept points not older than `since_ms`, oldest first."""
        ...
