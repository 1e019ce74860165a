"""What it costs to watch one launch: processor time of a real agent, and memory over a simulated day.

The agent drives one launch at 200 requests/s through three phases, each for a while: half the traffic on the
candidate, looked at four times a second; the bake, the same with a patient lease; the watch, once a second.
The day is simulated: the evidence of three metrics and the figures by the minute, second after second.
Usage: python benchmarks/watching.py [--quick]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import SAMPLE, machine, table

from tminus.domain.launch.phase import Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.domain.plan.times import DAY_MS, HOUR_MS, SECOND_MS
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts, Sample
from tminus.domain.watch.terms import Arms, fix_terms, terms_of
from tminus.domain.watch.weighing import Traffic, Weighing
from tminus.plan.load import load_plan_text
from tminus.testing.stand import Stand
from tminus.wiring import open_home

RATE_PER_S = 200
LONG_S, QUICK_S = 60, 10
MOST_PERCENT = 3.0
PHASES = {"half the traffic": Phase.CUTOVER, "bake": Phase.BAKING, "watch": Phase.WATCHING}


def plan(seconds: int) -> Mapping[str, Any]:
    """A launch that stays in each phase for as long as it is measured."""
    length = f"{seconds + 10}s"
    return {
        "run": {"boot": "30s", "stop": "3s"},
        "shift": {"steps": [50, 100], "each": length, "deadline": "10m"},
        "verify": {"for": "1s", "reading": "1s", "targets": [{"error_rate": "5 %", "over": "1s"}]},
        "bake": {"for": length, "reading": "10s"},
        "watch": {"for": "1h", "stages": "off"},
        "build": {"smoke": "off"},
        "lease": {"shift": "10s", "bake": "30s"},
        "triggers": [{"error_rate": "1 %"}, {"p95": "2s"}],
        "alerts": "off",
        "drain": "3s",
        "meter": "off",
    }


def spent_s(pid: int) -> float:
    """Processor time of a process, its own."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Memory of a process that is its own."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    found = next(line for line in lines if line.startswith("RssAnon"))
    return int(found.split()[1]) / 1024


def agent_costs(seconds: int) -> list[tuple[str, float, float]]:
    """Per phase: percent of a core, and memory at its end."""
    found = []
    with tempfile.TemporaryDirectory(prefix="tm-") as name:
        directory = Path(name) / "s"
        with Stand(open_home(directory / "home"), directory, SAMPLE) as stand:
            stand.serve()
            agent = stand.start_agent()
            stand.sample.release("1.1.2", plan(seconds))
            with stand.load(RATE_PER_S, limit_s=6 * seconds + 240):
                launch = stand.enter().launch
                for words, phase in PHASES.items():
                    stand.wait(lambda phase=phase: is_in(stand, launch, phase), words, 240 + seconds)
                    time.sleep(3.0)
                    before_s, began_s = spent_s(agent.pid), time.monotonic()
                    time.sleep(seconds)
                    percent = 100 * (spent_s(agent.pid) - before_s) / (time.monotonic() - began_s)
                    assert is_in(stand, launch, phase), f"{words} was over too early"
                    found.append((words, percent, resident_mib(agent.pid)))
    return found


def is_in(stand: Stand, launch: str, phase: Phase) -> bool:
    state = stand.state(launch)
    return state.phase is phase and state.confirmed


def day(hours: int) -> list[tuple[int, float, int]]:
    """Per hour looked at: memory of this process in MiB, and characters of the evidence's dump."""
    text = (SAMPLE / "launch.yaml").read_text(encoding="utf-8")
    loaded = load_plan_text(text.replace("@PORT@", "8080").replace("@VERSION@", "1.1.2")).plan
    triggers = (
        Trigger(Limit("error rate", Metric.ERROR_RATE, 10_000), weighed=True),
        Trigger(Limit("p95", Metric.LATENCY_P95, 500), weighed=True),
    )

    arms = Arms(Slot.GREEN, Slot.BLUE)
    weighing = Weighing.begin(terms_of(fix_terms(replace(loaded, triggers=triggers), arms, {}), arms), arms)
    found = []
    for second in range(1, hours * HOUR_MS // SECOND_MS + 1):
        total = 100 * second
        within = tuple(total if edge_ms >= 20 else 0 for edge_ms in BUCKETS_MS)
        counts = Counts(total, total // 2_000, total, within)
        classes = tuple(ClassCounts(slot, 1, "other", counts) for slot in Slot)
        weighing = weighing.give(Sample(second * SECOND_MS, classes), Traffic(1, 5_000, 0))
        if second * SECOND_MS % (HOUR_MS * max(1, hours // 6)) == 0:
            found.append((second * SECOND_MS // HOUR_MS, resident_mib(os.getpid()), len(weighing.dump())))
    return found


def day_apart(hours: int) -> list[tuple[int, float, int]]:
    """The same in a process of its own: nothing else is counted."""
    done = subprocess.run(
        [sys.executable, __file__, "--day", str(hours)], check=True, capture_output=True, text=True
    )
    return [tuple(row) for row in json.loads(done.stdout)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten seconds a phase, and an hour for the day")
    parser.add_argument("--day", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.day:
        print(json.dumps(day(options.day)))
        return 0
    print(f"{machine()}\n", flush=True)
    costs = agent_costs(QUICK_S if options.quick else LONG_S)
    rows = [(words, f"{percent:.2f}", f"{mib:.0f}") for words, percent, mib in costs]
    print(table(("agent, one launch", "% of a core", "MiB"), rows), flush=True)
    sizes = day_apart(1 if options.quick else DAY_MS // HOUR_MS)
    print()
    cells = [(str(hour), f"{mib:.1f}", f"{chars:,}") for hour, mib, chars in sizes]
    print(table(("hour", "MiB", "characters of its dump"), cells))
    watched = next(percent for words, percent, _ in costs if words == "watch")
    missed = watched > MOST_PERCENT
    print(f"\n{'MISSED' if missed else 'kept'}: the watch takes {watched:.2f} %, at most {MOST_PERCENT:g} %")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
