"""Kills a driver at every kind of event, before and after its append, and half way through every effect.

First on the real parts: a plain agent resumes the launch, which must end, with traffic where it belongs and
nothing left running. Then in the simulated world at every single append of some launches.
Usage: python benchmarks/crash_sweep.py [--only TEXT] [--parallel 2] [--real | --simulated]
"""

import argparse
import itertools
import queue
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench import SAMPLE, machine

from tminus.testing.sample import BRISK, laid_over
from tminus.testing.sim import crash_points
from tminus.testing.stand import Stand
from tminus.testing.sweep import QUICK, Case, Finding, cases, try_case
from tminus.testing.world.scenario import Scenario
from tminus.wiring import open_home

CALM = Scenario(
    first_launch=False,
    error_share=0.0,
    slow_share=0.0,
    good_for_ms=0,
    boot_fails=False,
    smoke_fails=False,
    requests_per_s=100,
    drain_ms=100,
    boot_ms=300,
    faults=frozenset(),
    fault_rate=0.0,
    calm_ms=20_000,
    orders=(),
)


def sweep(chosen: list[Case], parallel: int) -> list[Finding]:
    """The findings of the cases on the real parts, in the order of the cases."""
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in chosen:
        waiting.put(case)
    findings: dict[str, Finding] = {}
    printing = threading.Lock()

    def work() -> None:
        while not waiting.empty():
            # A stand on which a point was unsafe is thrown away: the next point needs a sound one.
            with tempfile.TemporaryDirectory(prefix="tm-") as folder:
                for finding, took_s in _on_one_stand(Path(folder) / "s", waiting):
                    findings[finding.case.name] = finding
                    with printing:
                        verdict = f"UNSAFE {'; '.join(finding.wrong)}" if finding.wrong else "safe"
                        told = f"{len(findings):4} {took_s:5.1f} s  {finding.case.name}"
                        print(f"{told}: {finding.outcome}, {verdict}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(parallel) as pool:
        for worker in [pool.submit(work) for _ in range(parallel)]:
            worker.result()
    return [findings[case.name] for case in chosen if case.name in findings]


def _on_one_stand(directory: Path, waiting: "queue.SimpleQueue[Case]") -> Iterator[tuple[Finding, float]]:
    with Stand(open_home(directory / "home"), directory, SAMPLE, laid_over(BRISK, QUICK)) as stand:
        stand.serve()
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            began_s = time.monotonic()
            finding = try_case(stand, case)
            yield finding, time.monotonic() - began_s
            if finding.wrong:
                return


def simulated() -> tuple[int, list[str]]:
    """Crash points in simulated worlds, and those that violated something."""
    worlds = {
        "good": CALM,
        "bad": replace(CALM, error_share=0.2),
        "slow": replace(CALM, slow_share=0.3, good_for_ms=3_000),
        "first": replace(CALM, first_launch=True),
        "aborted": replace(CALM, orders=((6_000, "abort", False),)),
        "held": replace(CALM, orders=((4_000, "hold", False), (7_000, "resume", False))),
        "long drain": replace(CALM, drain_ms=12_000),
    }
    unsafe = []
    count = 0
    for name, (seed, scenario) in zip(worlds, enumerate(worlds.values()), strict=True):
        for point, result in crash_points(seed, scenario):
            count += 1
            if result.violation or not result.outcome:
                unsafe.append(f"{name} at append {point}: {result.violation or 'no end'}")
    return count, unsafe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="points whose name contains this, such as `good amid:`")
    parser.add_argument("--parallel", type=int, default=2, help="stands side by side")
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--real", action="store_true", help="the real parts only")
    half.add_argument("--simulated", action="store_true", help="the simulated world only")
    arguments = parser.parse_args()
    failed = False
    print(f"on {machine()}")
    if not arguments.simulated:
        chosen = [case for case in cases() if arguments.only in case.name]
        began_s = time.monotonic()
        findings = sweep(chosen, arguments.parallel)
        unsafe = [finding for finding in findings if finding.wrong]
        ended = Counter(finding.outcome for finding in findings)
        shown = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ended.items()))
        kinds = len({finding.case.point.what for finding in findings})
        print(f"real parts: {len(findings)} crash points, {len(findings) - len(unsafe)} safe ({shown};")
        print(f"  {kinds} kinds of events and effects, {time.monotonic() - began_s:.0f} s)")
        for finding in unsafe:
            print(f"  UNSAFE {finding.case.name}: {'; '.join(finding.wrong)}")
        failed |= bool(unsafe) or len(findings) < len(chosen) or not chosen
    if not arguments.real and not arguments.only:
        began_s = time.monotonic()
        count, violations = simulated()
        print(f"simulated: {count} crash points, {count - len(violations)} safe", end="")
        print(f" (every append of 7 launches, before and after; {time.monotonic() - began_s:.0f} s)")
        for violation in itertools.islice(violations, 20):
            print(f"  UNSAFE {violation}")
        failed |= bool(violations)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
