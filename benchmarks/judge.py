"""Measures the statistics of the watch: error bounds, delays, robustness, cost, beside threshold rules.

Parts: the targets A to F of docs/reference/benchmarks.md on seeded launches; tables beside rules as other
controllers apply them; what watching costs. The arrays that simulate are held to the domain's own code first.
Usage: python benchmarks/judge.py [--quick] [--seed N]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from bench import machine, table
from judging.agreement import largest_difference
from judging.beside import FULL_TABLES, QUICK_TABLES, delays_table, false_table
from judging.cost import CASES, cost
from judging.targets import FULL, PARTS, QUICK, Sizes, Target

AGREES = 1e-9


def measured(
    part: Callable[[np.random.Generator, Sizes], list[Target]], seed: int, sizes: Sizes
) -> list[Target]:
    """One part, with a generator of its own, so that it says the same whatever runs beside it."""
    return part(np.random.default_rng([seed, PARTS.index(part)]), sizes)


def agreement(seed: int) -> float:
    """The largest difference between arrays and domain over random series."""
    return max(largest_difference(np.random.default_rng([seed, series])) for series in range(10))


def costs(seed: int) -> str:
    """A table of what watching costs."""
    rows = []
    for name, metric in CASES.items():
        found = cost(metric, np.random.default_rng(seed), 600)
        rows.append((name, f"{found.watched_us:.0f}", f"{found.judged_us:.0f}", str(found.dumped_bytes)))
    header = ("metric", "us per second watched", "us per judgement", "bytes of a dump")
    return table(header, rows)


def main() -> int:
    """Measures and prints; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer launches")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    sizes, tables = (QUICK, QUICK_TABLES) if chosen.quick else (FULL, FULL_TABLES)
    began = time.monotonic()
    print(machine())
    difference = agreement(chosen.seed)
    agreed = Target(
        "-", "arrays and domain differ", f"{difference:.1e}", f"<= {AGREES}", difference <= AGREES
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = [pool.submit(measured, part, chosen.seed, sizes) for part in PARTS]
        shown = [
            pool.submit(false_table, chosen.seed, tables),
            pool.submit(delays_table, chosen.seed, tables),
            pool.submit(costs, chosen.seed),
        ]
        targets = [agreed, *(target for part in parts for target in part.result())]
        texts = [found.result() for found in shown]
    targets.sort(key=lambda target: target.letter)
    rows = [(t.letter, t.what, t.figure, t.bound, "kept" if t.kept else "MISSED") for t in targets]
    print(f"\n{table(('', 'target', 'figure', 'bound', ''), rows)}")
    for text in texts:
        print(f"\n{text}")
    print(f"\nseed {chosen.seed}, {time.monotonic() - began:.0f} s")
    return 0 if all(target.kept for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
