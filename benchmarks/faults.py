"""Breaks one thing at a time during a launch under load, and measures what clients noticed.

Every row is a launch of its own by the real agent, on the real supervisor, router and instances. It must end
promoted or rolled back, and keep its target; else the exit code is 1.
Usage: python benchmarks/faults.py [--only TEXT] [--rate 300]
"""

import argparse
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import SAMPLE, machine, table
from fault_kinds import DISK, SCENARIOS, EndedBeforeError, Measured, Scenario
from full_disk import small_disk

from tminus.domain.launch.phase import TERMINAL
from tminus.testing.stand import NotReachedError, Stand
from tminus.testing.traffic import Load
from tminus.wiring import open_home

HEADER = (
    "scenario",
    "outcome",
    "requests",
    "lost",
    "cut",
    "5xx",
    "dup",
    "green left after ms",
    "last bad began ms",
    "target",
    "",
)
AFTERMATH_S = 0.5  # load goes on for so long after the launch has ended


@dataclass(frozen=True)
class Row:
    """A scenario and what came of it."""

    scenario: Scenario
    measured: Measured | None
    misses: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        measured = self.measured
        if measured is None:
            return (self.scenario.name, "none", *["-"] * 7, self.scenario.target, "MISSED")
        total = measured.load.total
        left, bad = measured.left_ms, measured.last_bad_ms
        return (
            self.scenario.name,
            measured.outcome,
            f"{total.sent:,}",
            str(total.lost),
            str(total.cut),
            str(total.failed),
            str(measured.duplicates),
            "-" if left is None or measured.outcome == "promoted" else f"{left:.0f}",
            "-" if bad is None else f"{bad:.0f}",
            self.scenario.target,
            "MISSED" if self.misses else "ok",
        )


class Bench:
    """One stand, and the scenarios that are tried on it one after the other."""

    def __init__(self, rate_per_s: int, again: list[str]) -> None:
        """`again` collects launches that ended before they could be struck."""
        self._rate_per_s = rate_per_s
        self.again = again
        self._number = 1

    def rows(self, scenarios: Iterable[Scenario], *, disk: bool = False) -> Iterable[Row]:
        with tempfile.TemporaryDirectory(prefix="tm-") as folder:
            directory = Path(folder) / "s"
            with small_disk(Path(folder) / "disk", directory / "home" / "journal", wanted=disk):
                stand = Stand(open_home(directory / "home"), directory, SAMPLE)
                try:
                    stand.serve()
                    for scenario in scenarios:
                        yield self._row(stand, scenario)
                finally:
                    stand.close()

    def _row(self, stand: Stand, scenario: Scenario) -> Row:
        """One row. A launch that ended before it could be struck proves nothing, and is tried once more."""
        row = self._try(stand, scenario)
        if row.measured is None and EndedBeforeError.__name__ in row.misses[0]:
            say(f"         again: {row.misses[0]}")
            self.again.append(f"{scenario.name}: {row.misses[0]}")
            row = self._try(stand, scenario)
        return row

    def _try(self, stand: Stand, scenario: Scenario) -> Row:
        self._number += 1
        run = f"run{self._number}"
        began_s = time.monotonic()
        try:
            with stand.load(self._rate_per_s, run=run) as load:
                measured = self._measure(stand, scenario, load)
            misses = tuple(scenario.misses(measured))
        except Exception as error:  # noqa: BLE001 - whatever happens to one row, the others are still wanted
            if not isinstance(error, EndedBeforeError):
                say(f"{scenario.name}: {traceback.format_exc()}")
            return Row(scenario, None, (f"{type(error).__name__}: {error}",))
        say(f"{time.monotonic() - began_s:5.1f} s  {scenario.name}: {measured.outcome} ({measured.why})")
        for miss in misses:
            say(f"         MISSED: {miss}")
        return Row(scenario, measured, misses)

    def _measure(self, stand: Stand, scenario: Scenario, load: Load) -> Measured:
        version = f"1.1.{self._number}"
        stand.sample.release(version, scenario.plan)
        agent = stand.start_agent()
        launch = stand.enter().launch
        try:
            scenario.reach(stand, launch)
            fault_us = scenario.strike(stand, launch, agent)
            scenario.repair(stand, launch, agent)
            state = stand.wait_end(launch)
        except NotReachedError:
            # The next row needs a launch that has ended.
            stand.post(launch, "abort")
            stand.start_agent()
            stand.wait(lambda: stand.state(launch).phase in TERMINAL, "an end of a launch that went wrong")
            raise
        finally:
            stand.end_agents()
        time.sleep(AFTERMATH_S)
        result = load.end()
        return Measured(
            state.outcome,
            state.phase_why,
            result,
            stand.sample.duplicates(load.run),
            fault_us,
            state.candidate.value,
        )


_printing = threading.Lock()


def say(text: str) -> None:
    with _printing:
        print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--rate", type=int, default=300, help="requests per second")
    arguments = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if arguments.only in scenario.name]
    began_s = time.monotonic()
    rows: list[Row] = []
    again: list[str] = []
    # What is timed to milliseconds runs alone; a killed controller is waited for, so two fit side by side.
    paced = [scenario for scenario in chosen if scenario.paced]
    with ThreadPoolExecutor(2) as pool:
        halves = [half for half in (paced[::2], paced[1::2]) if half]
        for found in pool.map(lambda half: list(Bench(arguments.rate, again).rows(half)), halves):
            rows += found
    exact = [scenario for scenario in chosen if not scenario.paced and scenario.name not in DISK]
    if exact:
        rows += Bench(arguments.rate, again).rows(exact)
    full = [scenario for scenario in chosen if scenario.name in DISK]
    if full:
        rows += Bench(arguments.rate, again).rows(full, disk=True)
    rows.sort(key=lambda row: chosen.index(row.scenario))
    print(f"{arguments.rate} requests/s: kept and new connections, GET, POST with idempotency keys")
    print(f"on {machine()}; {time.monotonic() - began_s:.0f} s")
    print()
    print(table(HEADER, [row.cells() for row in rows]))
    missed = [(row.scenario.name, miss) for row in rows for miss in row.misses]
    print()
    print(f"{len(rows)} scenarios, {len(rows) - len({name for name, _ in missed})} as they should be")
    for text in again:
        print(f"  tried again: {text}")
    for name, miss in missed:
        print(f"  MISSED {name}: {miss}")
    return 1 if missed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
