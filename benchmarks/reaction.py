"""How soon a launch notices that a candidate is bad, end to end: real router, processes, agent and load.

Every run is a launch of its own that stands at half the traffic, 100 requests/s on each slot, until something
is made to happen; what is measured is the time from then until the journal holds the decision, and until the
router has all traffic back on stable. Runs share a stand: its journal, its router and its stable slot. They
also share what stable did before: it is sampled once per stand under the same load, and laid into the ring of
every launch as if it had just happened, since no launch here has half an hour of countdown.
Usage: python benchmarks/reaction.py [--quick] [--only TEXT] [--runs 20] [--stands 2]
"""

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import SAMPLE, machine, percentile, table
from storm import storm

from tminus.domain.launch.event import PhaseEntered, RouteConfirmed, RouterFellBack, TriggerFired, decode
from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import OTHER
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.watch.counts import ClassCounts, Counts, Sample
from tminus.ports.fault import PortFault
from tminus.testing.stand import ENVIRONMENT, NotReachedError, Stand
from tminus.wiring import open_home

RATE_PER_S = 200  # half of it on each slot
BASELINE_S, QUICK_BASELINE_S = 1_800, 60
"""How long stable is sampled before, as in a launch. From less, failures are taken to cluster more than they
do, and a verdict takes longer."""

SETTLE_S = 6.0
"""Between the first half of the traffic and the fault: evidence that the candidate is well has begun."""

USUAL = "chance=0.05"
"""Of all requests, in both slots: what a healthy service has."""

STABLE = "1.1.1"
"""What serves all the time: every launch here is taken back."""

LOOK_S = 120.0
"""A fault that is not noticed by then was missed."""

BURN_IN_S = 12
"""Of answer times in these launches; the handbook's 30 s would only make every run longer."""

HOLDING: Mapping[str, Any] = {
    "run": {"boot": "30s", "stop": "3s"},
    "shift": {"steps": [50, 100], "each": "20m", "deadline": "30m"},
    "verify": {"for": "1s", "reading": "1s", "targets": [{"error_rate": "5 %", "over": "1s"}]},
    "bake": {"for": "1s", "reading": "1s"},
    "watch": {"for": "1s", "stages": "off"},
    "build": {"smoke": "off"},
    # A driver on a machine with two cores and everything else on it is late now and then.
    "lease": {"shift": "10s", "bake": "30s"},
    "triggers": [{"error_rate": "1 %"}, {"p95": "500ms"}],
    "judge": {"burn_in": f"{BURN_IN_S}s"},
    "alerts": "off",
    "drain": "3s",
    "meter": "off",
}
"""Half the traffic for as long as it takes."""

QUICKER = {"judge": {"bad_seconds": 3, "relative": "1x", "burn_in": f"{BURN_IN_S}s"}}


@dataclass(frozen=True)
class Kind:
    """Something that happens to a launch, and how soon it must be noticed.

    Attributes:
        name: in the table.
        plan: laid over the one that holds.
        before: what both slots' switches say from the beginning.
        fault: what the candidate's says from then on; empty where nothing but the storm happens.
        settle_s: how long the launch stands at half the traffic before.
        median_s: highest median of the decision; None where no decision may come.
        quiet_s: how long nothing may be decided, where none may.
    """

    name: str
    fault: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    before: str = USUAL
    settle_s: float = SETTLE_S
    median_s: float | None = None
    quiet_s: float = 45.0


KINDS = (
    Kind("0.05 to 2 % fail", "chance=2", median_s=25.0),
    Kind("0.05 to 2 % fail, 3 bad seconds, 1x", "chance=2", QUICKER, median_s=10.0),
    Kind("every payment fails", "errors=100 method=POST", median_s=5.0),
    Kind("p95 from 300 to 600 ms", "delay_ms=600", {}, "delay_ms=300", BURN_IN_S + 6.0, median_s=30.0),
    Kind("retry storms and a hiccup of a second"),
)


@dataclass(frozen=True)
class Run:
    """What came of one launch: seconds from the fault to the decision and to stable; None without one."""

    decided_s: float | None
    back_s: float | None
    by: str
    wrong: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs of each kind")
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--stands", type=int, default=2, help="stands beside each other")
    options = parser.parse_args()
    runs = 2 if options.quick else options.runs
    chosen = [kind for kind in KINDS if options.only in kind.name]
    print(f"{machine()}\n{runs} runs of each kind, {options.stands} stands beside each other", flush=True)
    baseline_s = QUICK_BASELINE_S if options.quick else BASELINE_S
    found: dict[str, list[Run]] = {kind.name: [] for kind in chosen}
    shares = [list(range(number, runs, options.stands)) for number in range(min(options.stands, runs))]
    with ThreadPoolExecutor(len(shares)) as pool:
        for part in pool.map(lambda share: measure(chosen, share, baseline_s), shares):
            for name, some in part.items():
                found[name] += some
    print(report(chosen, found))
    return 1 if any(misses(kind, found[kind.name]) for kind in chosen) else 0


def measure(kinds: Sequence[Kind], numbers: Sequence[int], baseline_s: int) -> dict[str, list[Run]]:
    """So many runs of each kind on a stand of its own."""
    found: dict[str, list[Run]] = {kind.name: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="tm-") as name:
        directory = Path(name) / "s"
        with Stand(open_home(directory / "home"), directory, SAMPLE, HOLDING) as stand:
            stand.serve()
            before = sampled(stand, baseline_s)
            versions = iter(range(2, 10_000))
            for kind in kinds:
                for number in numbers:
                    run = one(stand, kind, f"1.1.{next(versions)}", before)
                    found[kind.name].append(run)
                    print(f"{kind.name}, run {number + 1}: {said(run)}", flush=True)
    return found


def sampled(stand: Stand, seconds: int) -> Sequence[Sample]:
    """The router's counters, each second, while stable alone has the load."""
    router = stand.home.router(stand.service, ENVIRONMENT)
    stand.sample.switch(STABLE).write_text(USUAL, encoding="utf-8")
    found = []
    with stand.load(RATE_PER_S, limit_s=seconds + 60, run="baseline"):
        for _ in range(seconds):
            time.sleep(1.0)
            with contextlib.suppress(PortFault):
                found.append(router.read_counters(stand.clock.now_ms()))
    return found


def lay(stand: Stand, launch: str, before: Sequence[Sample]) -> None:
    """Lays samples into a launch's ring so that the last of them is what the router counts now."""
    now = stand.home.router(stand.service, ENVIRONMENT).read_counters(stand.clock.now_ms())
    slot = stand.state(launch).stable
    assert slot is not None
    last, total = _stables(before[-1], slot), _stables(now, slot)
    for sample in before:
        moved = total.since(last.since(_stables(sample, slot)))
        entry = ClassCounts(slot, 0, OTHER, moved)
        at_ms = now.at_ms - (before[-1].at_ms - sample.at_ms)
        stand.home.store.ring.add_sample(launch, Sample(at_ms, (entry,)))


def _stables(sample: Sample, slot: Slot) -> Counts:
    total = Counts()
    for generation in {entry.generation for entry in sample.classes if entry.slot is slot}:
        total += sample.total(slot, generation, None)
    return total


def one(stand: Stand, kind: Kind, version: str, before: Sequence[Sample]) -> Run:
    """One launch from its entry to its end."""
    stand.sample.release(version, kind.plan)
    stable = stand.sample.switch(STABLE)
    candidate = stand.sample.switch(version)
    for switch in (stable, candidate):
        switch.write_text(kind.before, encoding="utf-8")
    with stand.load(RATE_PER_S, limit_s=600, run=f"reaction-{version}"):
        launch = stand.enter().launch
        lay(stand, launch, before)
        stand.start_agent()
        try:
            return _watched(stand, kind, launch, candidate)
        except (NotReachedError, AssertionError) as error:
            return Run(None, None, "", str(error).splitlines()[0])
        finally:
            for switch in (stable, candidate):
                switch.unlink(missing_ok=True)
            if stand.state(launch).phase not in TERMINAL:
                stand.post(launch, "rollback", reason="measured")
                stand.wait_end(launch, 120)
            stand.end_agents()


def _watched(stand: Stand, kind: Kind, launch: str, candidate: Path) -> Run:
    def shifted() -> bool:
        state = stand.state(launch)
        return state.phase in TERMINAL or (state.phase is Phase.CUTOVER and state.confirmed)

    stand.wait(shifted, "half of the traffic on the candidate", 120)
    time.sleep(kind.settle_s)
    early = _decided(stand, launch)
    if early is not None:
        return Run(None, None, early[1], f"decided before anything happened: {early[1]}")
    began_ms = stand.clock.now_ms()
    if not kind.fault:
        return _quiet(stand, kind, launch, candidate)
    candidate.write_text(kind.fault, encoding="utf-8")
    until = time.monotonic() + LOOK_S
    while _decided(stand, launch) is None and time.monotonic() < until:
        time.sleep(0.1)
    found = _decided(stand, launch)
    if found is None:
        return Run(None, None, "", f"not noticed within {LOOK_S:g} s")
    stand.wait_end(launch, 120)
    at_ms, by = found
    back_ms = _back_ms(stand, launch)
    back_s = None if back_ms is None else (back_ms - began_ms) / SECOND_MS
    return Run((at_ms - began_ms) / SECOND_MS, back_s, by)


def _quiet(stand: Stand, kind: Kind, launch: str, candidate: Path) -> Run:
    """Clients that try again and again, and a second in which every fifth request fails in both slots."""
    ended = threading.Event()
    with storm(stand.url, ended):
        time.sleep(kind.quiet_s / 2)
        stable = stand.sample.switch(STABLE)
        for switch in (stable, candidate):
            switch.write_text("errors=100 method=POST", encoding="utf-8")
        time.sleep(1.0)
        for switch in (stable, candidate):
            switch.write_text(kind.before, encoding="utf-8")
        time.sleep(kind.quiet_s / 2)
    found = _decided(stand, launch)
    return Run(None, None, "") if found is None else Run(None, None, found[1], f"rolled back: {found[1]}")


def _decided(stand: Stand, launch: str) -> tuple[int, str] | None:
    """When the launch decided to go back, and by whom."""
    by = ""
    for record in stand.records(launch):
        event = decode(record.kind, record.version, record.body)
        if isinstance(event, TriggerFired) and event.consequence.value == "rollback":
            by = event.trigger
        elif isinstance(event, RouterFellBack):
            by = "the router's breaker"
        elif isinstance(event, PhaseEntered) and event.phase is Phase.ROLLING_BACK:
            return record.at_ms, by or event.why
    return None


def _back_ms(stand: Stand, launch: str) -> int | None:
    """When stable was seen to have all traffic again."""
    rolling = False
    for record in stand.records(launch):
        event = decode(record.kind, record.version, record.body)
        if isinstance(event, PhaseEntered) and event.phase is Phase.ROLLING_BACK:
            rolling = True
        elif rolling and isinstance(event, RouteConfirmed):
            return record.at_ms
    return None


def said(run: Run) -> str:
    if run.wrong:
        return f"WRONG: {run.wrong}"
    if run.decided_s is None:
        return "nothing was decided"
    back = "-" if run.back_s is None else f"{run.back_s:.1f}"
    return f"decided after {run.decided_s:.1f} s by {run.by}, back on stable after {back} s"


def misses(kind: Kind, runs: Sequence[Run]) -> str:
    """Why the target of a kind was missed; empty where it was kept."""
    wrong = [run for run in runs if run.wrong]
    if wrong:
        return f"{len(wrong)} of {len(runs)} went wrong: {wrong[0].wrong}"
    if kind.median_s is None:
        return ""
    decided = [run.decided_s for run in runs if run.decided_s is not None]
    if not decided:
        return "nothing was measured"
    middle = percentile(decided, 50)
    return "" if middle <= kind.median_s else f"median {middle:.1f} s, at most {kind.median_s:g} s"


def report(kinds: Sequence[Kind], found: Mapping[str, Sequence[Run]]) -> str:
    header = ("kind", "runs", "noticed", "p50 s", "p90 s", "max s", "back p50 s", "max s", "by", "target", "")
    rows = []
    for kind in kinds:
        runs = found[kind.name]
        decided = [run.decided_s for run in runs if run.decided_s is not None]
        back = [run.back_s for run in runs if run.back_s is not None]
        target = "nothing" if kind.median_s is None else f"p50 <= {kind.median_s:g} s"
        rows.append(
            (
                kind.name,
                str(len(runs)),
                str(len(decided)),
                *_figures(decided, (50, 90, 100)),
                *_figures(back, (50, 100)),
                ", ".join(sorted({run.by for run in runs if run.by})) or "-",
                target,
                misses(kind, runs) or "kept",
            )
        )
    return table(header, rows)


def _figures(values: Sequence[float], percents: Sequence[int]) -> list[str]:
    return [f"{percentile(values, percent):.1f}" if values else "-" for percent in percents]


if __name__ == "__main__":
    sys.exit(main())
