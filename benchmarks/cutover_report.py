"""Prints what the cutover benchmark has measured, each figure with a target beside it."""

import itertools
from collections.abc import Mapping

from bench import percentile, table
from figures import Cycles, Rollbacks, Sizes, Switches, Way

LAST_ON_OLD_MS = {"router, idle": 5.0, "router, full load": 15.0}


class Report:
    """Lines as they are printed, and what has missed its target."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def target(self, what: str, value: float, limit: float, unit: str = "") -> None:
        kept = value <= limit
        print(f"  {'ok    ' if kept else 'MISSED'}  {what}: {value:,.4g}{unit}, at most {limit:,.4g}{unit}")
        if not kept:
            self.missed.append(what)

    def cycles(self, found: Cycles, sizes: Sizes, *, counted: bool) -> None:
        """`counted` is whether the clients were made for volume."""
        print(
            f"\n{found.cycles} cycles: 1 → 10 → 50 → 100 %, commit, drain, stop stable, start the next;",
            end=" ",
        )
        print(f"{found.seconds:.0f} s")
        print(f"  {found.requests:,} requests, {found.lost} lost, {found.failed} failed;", end=" ")
        print(f"the instances counted {found.posts:,} POSTs, {found.duplicates} of them twice")
        self.target("requests lost, cut or failed in cycles", found.lost + found.failed, 0)
        self.target("POSTs that reached an instance twice", found.duplicates, 0)
        missing = max(0, sizes.cycles - found.cycles)
        missing += max(0, sizes.requests - found.requests) if counted else 0
        self.target("cycles and requests that are missing", missing, 0)

    def switches(self, found: Mapping[str, Switches]) -> None:
        series = [
            f"{what} p{percent}"
            for what in ("answered", "first on new", "last on old")
            for percent in (50, 99)
        ]
        header = ("switch by", "switches", *series, "after the answer", "requests", "lost")
        rows = [
            (
                name,
                str(len(each.answered)),
                *_cells(each),
                str(each.late),
                f"{each.requests:,}",
                str(each.lost),
            )
            for name, each in found.items()
        ]
        print("\nSwitching all traffic, milliseconds after the command was begun:")
        print(table(header, rows))
        for name, limit_ms in LAST_ON_OLD_MS.items():
            each = found[name]
            self.target(
                f"last request begun on old, {name}, p99", percentile(each.last_on_old, 99), limit_ms, " ms"
            )
            self.target(f"requests begun on old after the answer, {name}", each.late, 0)
            self.target(f"requests lost while switching, {name}", each.lost, 0)

    def latency(self, found: Mapping[str, Way]) -> None:
        print("\nLatency of 8 connections that never pause, medians of interleaved rounds:")
        rows = [
            (name, f"{way.p50_ms:.3f}", f"{way.p99_ms:.3f}", f"{way.per_s:,.0f}")
            for name, way in found.items()
        ]
        print(table(("way", "p50 ms", "p99 ms", "requests/s"), rows))
        for name, way in found.items():
            if name != "direct":
                print(f"  {name} adds {way.p50_ms - found['direct'].p50_ms:.3f} ms at the median")

    def rollbacks(self, found: Rollbacks) -> None:
        count = len(found.last_ms)
        print(f"\n{count} launches at {found.rate_per_s} requests/s, taken back by `tminus rollback`:")
        print(f"  {found.requests:,} requests, {found.lost} lost, {found.failed} failed;", end=" ")
        print(f"{found.duplicates} POSTs twice")
        p50, p99 = (percentile(found.last_ms, percent) for percent in (50, 99))
        print(f"  command started → last answer by the candidate: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        self.target("requests lost or failed in rollbacks", found.lost + found.failed, 0)
        self.target("POSTs twice in rollbacks", found.duplicates, 0)
        self.target("launches that ended in another way", found.others, 0)


def _cells(each: Switches) -> tuple[str, ...]:
    series = (each.answered, each.first_on_new, each.last_on_old)
    return tuple(
        f"{percentile(values, percent):.2f}" for values, percent in itertools.product(series, (50, 99))
    )
