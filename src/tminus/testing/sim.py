"""Simulates many worlds and reports what they violated: `python -m tminus.testing.sim --worlds 20000`."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

from tminus.testing.world.scenario import FAULTS, Scenario, draw
from tminus.testing.world.world import World, WorldResult

CHUNK = 250  # worlds per piece of work: a few seconds, so that progress is seen and cores stay busy


@dataclass(slots=True)
class Tally:
    """Sums over worlds."""

    worlds: int = 0
    ticks: int = 0
    events: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Adds another tally to this one."""
        self.worlds += other.worlds
        self.ticks += other.ticks
        self.events += other.events
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.violations += other.violations


def run_world(seed: int, make: Callable[[int, Scenario], World] = World) -> WorldResult:
    """Runs the world of a seed; the same seed is the same world, fault for fault."""
    return make(seed, draw(Random(seed))).run()  # noqa: S311 - simulation, not secrecy


def run_worlds(first: int, count: int, make: Callable[[int, Scenario], World] = World) -> Tally:
    """Runs the worlds of `count` seeds from `first` on."""
    tally = Tally()
    for seed in range(first, first + count):
        result = run_world(seed, make)
        tally.worlds += 1
        tally.ticks += result.ticks
        tally.events += result.events
        tally.outcomes[result.outcome or "no end"] += 1
        tally.faults += result.faults
        if result.violation:
            tally.violations.append((seed, result.violation))
    return tally


def crash_points(seed: int, scenario: Scenario) -> Iterator[tuple[int, WorldResult]]:
    """Runs one world again and again, crashed once at every journal append: before it and after it."""
    appends = World(seed, scenario).run().appends
    for number in range(1, appends + 1):
        for point in (-number, number):
            yield point, World(seed, scenario, crash_at=point).run()


def main() -> int:
    """Prints worlds, ticks, faults by kind, violations and worlds per second; exit code 1 on a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2_000)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    tally = Tally()
    starts = range(arguments.first_seed, arguments.first_seed + arguments.worlds, CHUNK)
    end = arguments.first_seed + arguments.worlds
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        counts = [min(CHUNK, end - start) for start in starts]
        for part in pool.map(run_worlds, starts, counts):
            tally.add(part)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{tally.worlds} worlds, {len(tally.violations)} violations")
    seconds = time.monotonic() - began
    sys.stdout.write(report(tally, seconds))
    return 1 if tally.violations else 0


def report(tally: Tally, seconds: float) -> str:
    """The tally as text, a line each."""
    lines = [
        f"worlds      {tally.worlds:>10,}",
        f"ticks       {tally.ticks:>10,}",
        f"events      {tally.events:>10,}",
        *(f"ended       {count:>10,}  {name}" for name, count in sorted(tally.outcomes.items())),
        *(f"fault       {tally.faults[name]:>10,}  {name}" for name in FAULTS),
        f"violations  {len(tally.violations):>10,}",
        *(f"  seed {seed}: {what}" for seed, what in tally.violations[:20]),
        f"worlds/s    {tally.worlds / seconds:>10,.1f}  on {os.cpu_count()} cores, {seconds:.0f} s",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
