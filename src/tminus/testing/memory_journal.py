"""The journal in memory, for simulations and tests: behaves as a database does, and ends with the process."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Lock

from tminus.domain.canonical import canonical_bytes
from tminus.domain.launch.chain import GENESIS, Link, event_hash
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.history import MOST_POINTS, POINT_MS, Point
from tminus.ports.fault import Refused
from tminus.ports.journal import Draft, Head, KeptEvidence, LaunchRow, Lease, Order, Record, Snapshot

RING_SLOTS = 3_600  # an hour at one sample per second, as in the database


@dataclass(slots=True)
class _Launch:
    row: LaunchRow
    samples: deque[Sample]
    records: list[Record] = field(default_factory=list)
    epoch: int = 0
    owner: str | None = None
    until_ms: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    snapshot: Snapshot | None = None
    points: dict[int, Point] = field(default_factory=dict)
    evidence: KeptEvidence | None = None
    clock_ran_back: bool = False

    def head(self) -> Head:
        last = self.records[-1] if self.records else None
        return Head(self.row.launch, last.seq, last.hash) if last else Head(self.row.launch, 0, GENESIS)

    def extend(self, epoch: int, drafts: Iterable[Draft]) -> Head:
        launch = self.row.launch
        head = self.head()
        seq, prev = head.seq, head.hash
        added = []
        for draft in drafts:
            seq += 1
            body = canonical_bytes(draft.body)
            hashed = event_hash(launch, seq, draft.kind, draft.version, draft.at_ms, epoch, body, prev)
            added.append(
                Record(launch, seq, draft.kind, draft.version, draft.at_ms, epoch, draft.body, prev, hashed)
            )
            prev = hashed
        self.records += added
        return Head(launch, seq, prev)


class MemoryJournal:
    """Implements every port of the journal at once, what stands beside it included.

    Safe to share between threads. Bodies and states are kept as given, not copied: a caller that changes
    one afterwards breaks the chain, as `records` then shows.

    Args:
        ring_slots: samples kept per launch.
        history_points: minutes kept per launch.
    """

    def __init__(self, ring_slots: int = RING_SLOTS, history_points: int = MOST_POINTS) -> None:
        self._ring_slots = ring_slots
        self._history_points = history_points
        self._launches: dict[str, _Launch] = {}
        self._running: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        """See `Journal`; raises only Refused."""
        with self._lock:
            kept = self._fenced(launch, epoch)
            if len(kept.records) != after_seq:
                raise Refused(
                    "unexpected-sequence",
                    f"launch {launch} stands at event {len(kept.records)}, not {after_seq}: "
                    "read on and decide again",
                )
            return kept.extend(epoch, drafts)

    def read(self, launch: str, after_seq: int = 0) -> Sequence[Record]:
        """See `Journal`; hashes are not computed again, for nobody else can reach them."""
        kept = self._launches.get(launch)
        records = kept.records if kept else []
        if after_seq > len(records):
            raise Refused(
                "journal-corrupt",
                f"launch {launch}, event {after_seq}: it was read before and is missing now",
            )
        return records[after_seq:]

    def head(self, launch: str) -> Head:
        """See `Journal`."""
        kept = self._launches.get(launch)
        return kept.head() if kept else Head(launch, 0, GENESIS)

    def links(self, launch: str) -> Sequence[Link]:
        """See `RawRecords`."""
        return [
            Link(
                record.launch,
                record.seq,
                record.kind,
                record.version,
                record.at_ms,
                record.epoch,
                canonical_bytes(record.body).decode(),
                record.prev,
                record.hash,
            )
            for record in self.read(launch)
        ]

    def open_launch(self, row: LaunchRow, drafts: Sequence[Draft]) -> Head:
        """See `LaunchBook`."""
        place = (row.service, row.environment)
        with self._lock:
            if row.launch in self._launches:
                raise Refused("launch-exists", f"launch {row.launch} exists already: choose another name")
            if row.open and place in self._running:
                raise Refused(
                    "launch-running",
                    f"launch {self._running[place]} of {row.service} in {row.environment} is still open: "
                    "close, scrub or abort it first",
                )
            kept = _Launch(row, deque(maxlen=self._ring_slots))
            head = kept.extend(0, drafts)
            self._launches[row.launch] = kept
            if row.open:
                self._running[place] = row.launch
            return head

    def launches(self, service: str | None = None, environment: str | None = None) -> Sequence[LaunchRow]:
        """See `LaunchBook`."""
        with self._lock:
            rows = [kept.row for kept in self._launches.values()]
        chosen = [
            row for row in rows if service in (None, row.service) and environment in (None, row.environment)
        ]
        return sorted(chosen, key=lambda row: (row.opened_ms, row.launch))

    def close_launch(self, launch: str, epoch: int) -> None:
        """See `LaunchBook`."""
        with self._lock:
            kept = self._fenced(launch, epoch)
            row = kept.row
            if row.open:
                kept.row = LaunchRow(row.launch, row.service, row.environment, row.opened_ms, open=False)
                del self._running[row.service, row.environment]

    def claim(self, launch: str, owner: str, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        with self._lock:
            kept = self._known(launch)
            if kept.owner not in (None, owner) and now_ms < kept.until_ms:
                return None
            kept.owner, kept.until_ms = owner, now_ms + lease_ms
            kept.epoch += 1
            return Lease(launch, owner, kept.epoch, kept.until_ms)

    def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        with self._lock:
            kept = self._known(lease.launch)
            if (kept.owner, kept.epoch) != (lease.owner, lease.epoch):
                return None
            kept.until_ms = now_ms + lease_ms
            return Lease(lease.launch, lease.owner, lease.epoch, kept.until_ms)

    def release(self, lease: Lease) -> None:
        """See `Claims`."""
        with self._lock:
            kept = self._known(lease.launch)
            if (kept.owner, kept.epoch) == (lease.owner, lease.epoch):
                kept.owner, kept.until_ms = None, 0

    def post(self, launch: str, order: Order) -> None:
        """See `Inbox`."""
        with self._lock:
            kept = self._known(launch)
            if order.key not in kept.settled:
                kept.orders.setdefault(order.key, order)

    def orders(self, launch: str) -> Sequence[Order]:
        """See `Inbox`."""
        kept = self._launches.get(launch)
        if kept is None or not kept.orders:  # asked at every tick, and almost always empty
            return ()
        with self._lock:
            return tuple(kept.orders.values())

    def settle(self, launch: str, keys: Sequence[str]) -> None:
        """See `Inbox`."""
        with self._lock:
            kept = self._known(launch)
            for key in keys:
                if kept.orders.pop(key, None) is not None:
                    kept.settled.add(key)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Shelf`."""
        with self._lock:
            kept = self._known(snapshot.launch)
            if kept.snapshot is None or kept.snapshot.seq <= snapshot.seq:
                kept.snapshot = snapshot

    def snapshot(self, launch: str) -> Snapshot | None:
        """See `Shelf`."""
        kept = self._launches.get(launch)
        return kept.snapshot if kept else None

    def add_sample(self, launch: str, sample: Sample) -> None:
        """See `SampleRing`."""
        with self._lock:
            kept = self._known(launch)
            if kept.samples and sample.at_ms < kept.samples[-1].at_ms:
                kept.clock_ran_back = True
            kept.samples.append(sample)

    def keep_evidence(self, kept: KeptEvidence) -> None:
        """See `EvidenceShelf`."""
        with self._lock:
            row = self._known(kept.launch)
            if row.evidence is None or row.evidence.sampled_ms <= kept.sampled_ms:
                row.evidence = kept

    def evidence(self, launch: str) -> KeptEvidence | None:
        """See `EvidenceShelf`."""
        kept = self._launches.get(launch)
        return kept.evidence if kept else None

    def samples(self, launch: str, since_ms: int) -> Sequence[Sample]:
        """See `SampleRing`."""
        with self._lock:
            kept = self._launches.get(launch)
            if kept is None:
                return ()
            if kept.clock_ran_back:
                return [sample for sample in kept.samples if sample.at_ms >= since_ms]
            # Newest first up to the first that is too old: the few that a tick asks for, not the whole ring.
            newest = list(takewhile(lambda sample: sample.at_ms >= since_ms, reversed(kept.samples)))
        newest.reverse()
        return newest

    def add_point(self, launch: str, point: Point) -> None:
        """See `History`."""
        with self._lock:
            kept = self._known(launch)
            kept.points[point.at_ms // POINT_MS % self._history_points] = point

    def points(self, launch: str, since_ms: int) -> Sequence[Point]:
        """See `History`."""
        with self._lock:
            kept = self._launches.get(launch)
            found = [] if kept is None else [p for p in kept.points.values() if p.at_ms >= since_ms]
        return sorted(found, key=lambda point: point.at_ms)

    def _known(self, launch: str) -> _Launch:
        kept = self._launches.get(launch)
        if kept is None:
            raise Refused(
                "launch-unknown", f"there is no launch {launch}: `tminus list` shows those there are"
            )
        return kept

    def _fenced(self, launch: str, epoch: int) -> _Launch:
        kept = self._known(launch)
        if kept.epoch != epoch:
            raise Refused(
                "stale-epoch",
                f"launch {launch} is driven under epoch {kept.epoch}, not {epoch}: another has claimed it",
            )
        return kept
