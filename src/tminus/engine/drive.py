"""The driver: observe, decide, protect, journal, perform. It may be killed at any instant and run again."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tminus.domain.codec import from_json, to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.state import LaunchState, evolve, fold
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.watch.alerting import Course
from tminus.engine.decide.step import Keyed, Observation, Step
from tminus.engine.decide.tick import decide_judged, with_judgement
from tminus.engine.observe import Observer
from tminus.engine.perform import Performer
from tminus.engine.ports import Ports
from tminus.engine.weigh import Weigher
from tminus.ports.fault import PortFault, Refused, Unknown
from tminus.ports.journal import Draft, Journal, Lease, Order, Shelf, Snapshot

CLAIM_MS = 5 * SECOND_MS
"""A driver that is silent for so long may be replaced; the router's own lease protects until then."""

RENEW_EVERY_MS = SECOND_MS
"""Five renewals may fail before the claim lapses."""

SNAPSHOT_EVERY = 200
"""Events between snapshots: a fold of so many takes milliseconds."""


class ClaimLostError(Exception):
    """Another driver has taken the launch over, or it cannot be claimed: stop at once, touch nothing."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw and did, for whoever looks on."""

    observation: Observation
    step: Step
    state: LaunchState
    journal_fault: str

    @property
    def ended(self) -> bool:
        """Nothing will happen any more, and the journal says so."""
        return self.state.phase in TERMINAL and not self.journal_fault


class Driver:
    """Drives one launch. Not shared between threads."""

    def __init__(self, ports: Ports, launch: str, owner: str) -> None:
        """Neither reads nor claims anything yet."""
        self._ports = ports
        self._launch = launch
        self._owner = owner
        self._observer = Observer(ports, launch)
        self._performer = Performer(ports, launch)
        self._weigher = Weigher(ports, launch)
        self._lease: Lease | None = None
        self._renewed_ms = 0
        self._state: LaunchState | None = None
        self._seq = 0
        self._snapshot_seq = 0
        self._unwritten: list[Draft] = []
        self._journal_fault = ""
        self._courses: Mapping[str, Course] = {}
        self._hotline: deque[Order] = deque(maxlen=100)  # bounded: people do not type faster

    @property
    def state(self) -> LaunchState:
        """The state as of the last tick."""
        assert self._state is not None, "claim before use"
        return self._state

    @property
    def unwritten(self) -> int:
        """Events decided but not yet in the journal."""
        return len(self._unwritten)

    @property
    def seq(self) -> int:
        """Sequence of the last event known to be in the journal."""
        return self._seq

    @property
    def observer(self) -> Observer:
        """The eyes of this driver."""
        return self._observer

    def claim(self) -> None:
        """Takes the launch over and folds its journal.

        Raises:
            ClaimLostError: somebody else drives it.
            PortFault: the journal does not answer or is corrupt.
            UnknownEventError: the journal holds what this release does not understand.
        """
        now_ms = self._ports.clock.now_ms()
        lease = self._ports.claims.claim(self._launch, self._owner, now_ms, CLAIM_MS)
        if lease is None:
            raise ClaimLostError(f"launch {self._launch} is driven by somebody else")
        self._lease, self._renewed_ms = lease, now_ms
        self._state, self._seq = fold_launch(self._ports.journal, self._ports.shelf, self._launch)
        self._snapshot_seq = self._seq
        if self._state.phase in TERMINAL:
            return  # an ended launch takes no more events; it only waits to be closed
        self._record([ev.DriverClaimed(self._owner, lease.epoch)], now_ms)
        if self._unwritten:
            raise ClaimLostError(f"launch {self._launch}: the journal takes no events: {self._journal_fault}")

    def order(self, order: Order) -> None:
        """Hands over a person's order directly; the inbox is the durable way, this one works without it."""
        self._hotline.append(order)

    def tick(self) -> Tick:
        """One look and what follows from it.

        Raises:
            ClaimLostError: another driver has taken over; nothing more was done.
        """
        now_ms = self._ports.clock.now_ms()
        self._keep_claim(now_ms)
        orders = self._orders()
        journal_open = self._flush()
        seen = self._observer.observe(self.state, now_ms, orders, journal_open=journal_open)
        weighing = self._weigher.weigh(self.state, self._observer.samples, seen.measurements, now_ms)
        observation = with_judgement(self.state, seen, self._observer.samples, weighing)
        step = decide_judged(self.state, observation, self._observer.samples, self._courses)
        self._courses = step.courses
        events = [*step.events, *self._protect(step)]
        self._renew(step)
        if events:
            journal_open = self._record(events, now_ms)
        if journal_open:
            self._perform(step.commands)
            self._settle(orders)
            self._keep_snapshot()
        return Tick(observation, step, self.state, self._journal_fault)

    def hold_for_bug(self, error: BaseException) -> None:
        """Places a hold because something failed that must not: protection stays, progress stops."""
        now_ms = self._ports.clock.now_ms()
        if self.state.hold is None and self.state.phase not in TERMINAL:
            why = f"a defect in tminus: {type(error).__name__}: {error}"
            self._record([ev.HoldPlaced("tminus", why, now_ms + self.state.plan.hold_expiry_ms)], now_ms)

    def release(self) -> None:
        """Gives the claim back, so that another driver need not wait for it to lapse."""
        if self._lease is not None:
            try:
                self._ports.claims.release(self._lease)
            except PortFault:
                return  # it lapses by itself
            finally:
                self._lease = None

    def finish(self) -> None:
        """Closes a launch that has ended and releases it. Idempotent."""
        if self._lease is None:
            return
        try:
            self._ports.book.close_launch(self._launch, self._lease.epoch)
        except PortFault:
            return  # the next driver that finds an ended launch still open closes it
        self.release()

    def _keep_claim(self, now_ms: int) -> None:
        if self._lease is None:
            raise ClaimLostError("not claimed")
        if now_ms - self._renewed_ms < RENEW_EVERY_MS:
            return
        try:
            lease = self._ports.claims.renew(self._lease, now_ms, CLAIM_MS)
        except PortFault:
            return  # a journal that cannot be written cannot be claimed by another either
        if lease is None:
            self._lease = None
            raise ClaimLostError(f"launch {self._launch} was taken over")
        self._lease, self._renewed_ms = lease, now_ms

    def _orders(self) -> list[Order]:
        direct = list(self._hotline)
        try:
            posted = list(self._ports.inbox.orders(self._launch))
        except PortFault:
            posted = []
        known = {order.key for order in posted}
        return sorted(
            [*posted, *(order for order in direct if order.key not in known)], key=lambda order: order.at_ms
        )

    def _settle(self, orders: Sequence[Order]) -> None:
        done = [order.key for order in orders if order.key in self.state.orders]
        if not done:
            return
        for order in [entry for entry in self._hotline if entry.key in done]:
            self._hotline.remove(order)
        try:
            self._ports.inbox.settle(self._launch, done)
        except PortFault:
            return  # an order already taken is recognised by its key next time

    def _protect(self, step: Step) -> list[ev.Event]:
        """Performs what protects, before anything is journalled: a full disk must not stand in the way."""
        began = any(
            isinstance(event, ev.PhaseEntered) and event.phase is Phase.ROLLING_BACK for event in step.events
        )
        events: list[ev.Event] = []
        for command in step.protect:
            try:
                self._performer.perform(command, step.state)
            except Refused as fault:
                if fault.code == "stale-epoch":
                    raise ClaimLostError(f"launch {self._launch} was taken over: {fault.why}") from fault
                events.append(ev.Protected(command.text(), performed=False, why=str(fault)))
            except PortFault as fault:
                if began:
                    events.append(ev.Protected(command.text(), performed=False, why=str(fault)))
            else:
                events.append(ev.Protected(command.text(), performed=True, why=""))
        return events

    def _renew(self, step: Step) -> None:
        for command in step.unjournalled:
            try:
                self._performer.perform(command, step.state)
            except PortFault:
                return  # the next tick renews; three in a row may fail before the lease lapses

    def _perform(self, commands: Sequence[Keyed]) -> None:
        if not commands:
            return
        now_ms = self._ports.clock.now_ms()
        if not self._record([ev.CommandIntended(entry.key, entry.command) for entry in commands], now_ms):
            return
        outcomes = [self._outcome(entry) for entry in commands]
        self._record(outcomes, self._ports.clock.now_ms())

    def _outcome(self, entry: Keyed) -> ev.Event:
        try:
            note = self._performer.perform(entry.command, self.state)
        except PortFault as fault:
            if fault.code == "stale-epoch":
                raise ClaimLostError(f"launch {self._launch} was taken over: {fault.why}") from fault
            return ev.CommandFailed(entry.key, type(fault).__name__.lower(), fault.code, fault.why)
        return ev.CommandPerformed(entry.key, note)

    def _record(self, events: Sequence[ev.Event], at_ms: int) -> bool:
        """Evolves the state and appends; events that the journal does not take wait for the next try."""
        for event in events:
            kind, version, body = ev.encode(event)
            self._unwritten.append(Draft(kind, version, at_ms, body))
            self._state = evolve(self.state, event, at_ms)
        return self._flush()

    def _flush(self) -> bool:
        """Appends what waits; true when nothing does any more."""
        if not self._unwritten:
            return True
        lease = self._lease
        if lease is None:
            raise ClaimLostError("not claimed")
        try:
            self._seq = self._ports.journal.append(self._launch, lease.epoch, self._seq, self._unwritten).seq
        except Refused as fault:
            if fault.code == "unexpected-sequence" and self._was_appended():
                return True
            raise ClaimLostError(f"launch {self._launch}: {fault}") from fault
        except Unknown as fault:
            self._journal_fault = str(fault)
            return self._was_appended()
        except PortFault as fault:
            self._journal_fault = str(fault)
            return False
        self._unwritten.clear()
        self._journal_fault = ""
        return True

    def _was_appended(self) -> bool:
        """After an append of unknown outcome: the head tells."""
        try:
            records = self._ports.journal.read(self._launch, self._seq)
        except PortFault:
            return False
        wanted = [(draft.kind, draft.at_ms, draft.body) for draft in self._unwritten]
        if [(record.kind, record.at_ms, record.body) for record in records] != wanted:
            return False
        self._seq += len(wanted)
        self._unwritten.clear()
        self._journal_fault = ""
        return True

    def _keep_snapshot(self) -> None:
        if self._seq - self._snapshot_seq < SNAPSHOT_EVERY:
            return
        try:
            head = self._ports.journal.head(self._launch)
            if head.seq == self._seq:
                self._ports.shelf.save_snapshot(
                    Snapshot(self._launch, head.seq, head.hash, to_json(self.state))
                )
                self._snapshot_seq = self._seq
        except PortFault:
            return  # a snapshot only saves time


def fold_launch(journal: Journal, shelf: Shelf, launch: str) -> tuple[LaunchState, int]:
    """The state of a launch and the sequence it is folded up to, from the newest snapshot on.

    Raises:
        PortFault: the journal does not answer or is corrupt.
        UnknownEventError: an event is not understood.
    """
    snapshot = shelf.snapshot(launch)
    start, after_seq = None, 0
    if snapshot is not None:
        start, after_seq = from_json(LaunchState, snapshot.state), snapshot.seq
    records = journal.read(launch, after_seq)
    entries = ((ev.decode(record.kind, record.version, record.body), record.at_ms) for record in records)
    return fold(entries, start), after_seq + len(records)
