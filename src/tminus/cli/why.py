"""`tminus why`: what a launch waits for, what happens by itself and when, and what to run to go on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import click

from tminus.domain.codec import to_json
from tminus.domain.launch.event import PhaseEntered, decode
from tminus.domain.launch.phase import TERMINAL, TRIAL, Phase
from tminus.domain.launch.reading import FaultReading, SlotReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc
from tminus.domain.report.log import seconds
from tminus.domain.report.why import Decision, decisions
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.history import Point
from tminus.engine.decide.step import Waiting
from tminus.engine.decide.tick import decide_tick
from tminus.engine.drive import fold_launch
from tminus.engine.observe import Observer
from tminus.engine.ports import Ports, SlotRuntime
from tminus.engine.weigh import Weigher
from tminus.ports.fault import Unavailable
from tminus.ports.journal import History, Lease, Order, SampleRing

LAST_DECISIONS = 3
"""Enough to see what led here; `tminus log` has them all."""


@dataclass(frozen=True, slots=True)
class Why:
    """The answer.

    Attributes:
        launch: its id.
        now_ms: when it was asked.
        state: as the journal has it.
        waiting: what a driver would wait for now.
        due: why a driver would go into another phase at its next look; empty when it would stay.
        decisions: the last ones, newest last.
        lease: of who drives it, lapsed or not; None where nobody does.
        orders: given and not yet taken.
        unread: what could not be read, each with its reason.
    """

    launch: str
    now_ms: int
    state: LaunchState
    waiting: Waiting
    due: str
    decisions: tuple[Decision, ...]
    lease: Lease | None
    orders: tuple[Order, ...]
    unread: tuple[FaultReading, ...]

    @property
    def driven(self) -> bool:
        """Somebody holds a lease that has not lapsed."""
        return self.lease is not None and self.now_ms < self.lease.until_ms

    @property
    def ended(self) -> bool:
        """Nothing will happen any more."""
        return self.state.phase in TERMINAL


@click.command("why")
@click.argument("launch", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(launch: str | None, *, as_json: bool) -> None:
    """Say what LAUNCH waits for: an id, a service, or the newest launch of ./launch.yaml.

    Reads the journal, the router and the slots, and changes nothing.
    """
    from tminus.adapters.database.holder import read_holder
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        holder = read_holder(home.store.database, row.launch)
        answer = explain(home.ports(row, revives=False), row.launch, holder)
    finally:
        home.close()
    click.echo(json.dumps(why_json(answer), indent=2, ensure_ascii=False) if as_json else why_text(answer))


def explain(ports: Ports, launch: str, lease: Lease | None) -> Why:
    """Looks once, decides once as a driver would, and performs nothing.

    Raises:
        PortFault: the journal cannot be read.
        UnknownEventError: it holds what this release does not understand.
    """
    state, _ = fold_launch(ports.journal, ports.shelf, launch)
    now_ms = ports.clock.now_ms()
    # An observer only reads; what would change a slot is not even there to be called.
    runtime = cast("SlotRuntime", _ReadRuntime(ports.runtime, state.phase))
    looking = replace(ports, ring=_ReadRing(ports.ring), history=_ReadHistory(ports.history), runtime=runtime)
    observer = Observer(looking, launch)
    # Orders are left to the driver, so that the answer is about the launch as it stands.
    observation = observer.observe(state, now_ms, (), journal_open=True)
    weighing = Weigher(looking, launch).read(state, observer.samples, observation.measurements, now_ms)
    step = decide_tick(state, observation, observer.samples, weighing=weighing)
    entered = [event for event in step.events if isinstance(event, PhaseEntered)]
    records = ports.journal.read(launch)
    entries = ((decode(record.kind, record.version, record.body), record.at_ms) for record in records)
    return Why(
        launch=launch,
        now_ms=now_ms,
        state=state,
        waiting=step.waiting,
        due=f"{entered[0].phase.value}: {entered[0].why}" if entered else "",
        decisions=tuple(decisions(entries))[-LAST_DECISIONS:],
        lease=lease,
        orders=tuple(ports.inbox.orders(launch)),
        unread=tuple(
            found for found in (observation.router, observation.slots) if isinstance(found, FaultReading)
        ),
    )


def why_text(why: Why) -> str:
    """For a terminal: what comes first is what matters at 3 a.m."""
    plan, state = why.state.plan, why.state
    since = _ago(state.entered_ms, why.now_ms)
    rows = [f"{plan.service} {plan.version} in {plan.environment} ({why.launch})"]
    rows.append(f"{'phase':<12}{state.phase.value} since {since}")
    decided = state.poll.decided
    if decided is not None and decided.overridden_by:
        rows.append(f"{'OVERRIDDEN':<12}the poll, by {' and '.join(decided.overridden_by)}: {decided.why}")
    rows.extend(f"{name:<12}{text}" for name, text in _rows(why))
    if why.decisions:
        rows += ["", "Last decisions"]
        for each in why.decisions:
            rows.append(f"  {format_utc(each.at_ms)}  {each.what}{': ' if each.why else ''}{each.why}")
    return "\n".join(rows)


def why_json(why: Why) -> dict[str, Any]:
    """The same for machines; times in milliseconds since the epoch."""
    return {
        "launch": why.launch,
        "now_ms": why.now_ms,
        "phase": why.state.phase.value,
        "ended": why.ended,
        "waiting": to_json(why.waiting),
        "due": why.due,
        "driven": why.driven,
        "lease": to_json(why.lease),
        "orders": to_json(why.orders),
        "unread": to_json(why.unread),
        "decisions": to_json(why.decisions),
        "overridden": why.state.poll.overridden,
    }


def _rows(why: Why) -> Iterator[tuple[str, str]]:
    waiting = why.waiting
    for fault in why.unread:
        yield "CANNOT READ", f"the {fault.source}: {fault.why} [{fault.code}]"
    if why.ended:
        yield "waiting for", waiting.what
        return
    if why.due:
        yield "waiting for", "whoever drives it to look again"
        yield "then", why.due
    else:
        yield "waiting for", waiting.what
        yield "since", _ago(waiting.since_ms, why.now_ms)
        if waiting.until_ms is not None:
            yield "then", f"{waiting.then}, {_ahead(waiting.until_ms, why.now_ms)}"
        if waiting.unblock:
            yield "to go on", waiting.unblock
    for order in why.orders:
        yield "ordered", f"{order.verb} by {order.by} at {format_utc(order.at_ms)}, not taken yet"
    yield from _driver(why)


def _driver(why: Why) -> Iterator[tuple[str, str]]:
    lease = why.lease
    if lease is not None and why.driven:
        yield "driven by", f"{lease.owner}, claimed until {format_utc(lease.until_ms)}"
        return
    lapsed = (
        "" if lease is None else f": the claim of {lease.owner} lapsed {_ago(lease.until_ms, why.now_ms)}"
    )
    yield "driven by", f"NOBODY{lapsed}"
    yield "", "nothing of the above happens by itself; run `tminus agent`, or `tminus launch --resume`"
    if why.state.phase in TRIAL and why.state.stable is not None:
        yield "", f"the router goes back to {why.state.stable.value} by itself when its lease lapses"


def _ago(at_ms: int, now_ms: int) -> str:
    return f"{format_utc(at_ms)} ({seconds(max(0, now_ms - at_ms))} ago)"


def _ahead(at_ms: int, now_ms: int) -> str:
    if at_ms <= now_ms:
        return "as soon as it can be seen"
    return f"at {format_utc(at_ms)} (in {seconds(at_ms - now_ms)})"


class _ReadRing:
    """Samples that are read and never kept: whoever asks why must not add to what verdicts are drawn from."""

    def __init__(self, ring: SampleRing) -> None:
        self._ring = ring

    def add_sample(self, launch: str, sample: Sample) -> None:
        del launch, sample

    def samples(self, launch: str, since_ms: int) -> Sequence[Sample]:
        return self._ring.samples(launch, since_ms)


class _ReadHistory:
    """As `_ReadRing`, for the minutes."""

    def __init__(self, history: History) -> None:
        self._history = history

    def add_point(self, launch: str, point: Point) -> None:
        del launch, point

    def points(self, launch: str, since_ms: int) -> Sequence[Point]:
        return self._history.points(launch, since_ms)


class _ReadRuntime:
    """What may be read of a runtime. Before staging it is not asked for addresses: that may reserve them."""

    def __init__(self, runtime: SlotRuntime, phase: Phase) -> None:
        self._runtime = runtime
        self._phase = phase

    def read_slots(self) -> Mapping[Slot, SlotReading]:
        return self._runtime.read_slots()

    def addresses(self, instances: int, hosts: Sequence[str] = ()) -> Mapping[Slot, tuple[str, ...]]:
        if self._phase in (Phase.COUNTDOWN, Phase.POLL):
            raise Unavailable("not-asked", "addresses are reserved by whoever drives the launch")
        return self._runtime.addresses(instances, hosts)
