"""Measures cutovers at load: what is lost, how fast a switch is, what the router costs, beside nginx.

Parts, all in the same run: complete cycles of the data plane, driven port by port; switches idle and at full
load, and the same by reloads of nginx; added latency in interleaved rounds; rollbacks ordered by
`tminus rollback` during complete launches by the real agent.
Usage: python benchmarks/cutover.py [--quick] [--only cycles|switches|latency|rollbacks]
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine, median
from clients import Volume, has_wrk, measured, prober, volume
from cutover_report import Report
from figures import Cycles, Sizes, Switches, Way
from peer import peer
from plane import Plane
from prober import SLOTS, Note
from rollbacks import measure_rollbacks

STEPS_BP = (100, 1_000, 5_000, 10_000)
STEP_S = 0.12
FLIP_EVERY_S = 0.05
RELOAD_EVERY_S = 0.5
IDLE_RATE, LOADED_RATE = 2_000, 1_000
WINDOW_NS = 400_000_000  # after a switch; the next one comes later


FULL = Sizes(100, 1_000_000, 200, 30, 6, 2, 100)
QUICK = Sizes(8, 20_000, 40, 8, 2, 1, 1)


def switches(
    flip: Callable[[], tuple[int, int]],
    live: Callable[[], str],
    port: int,
    count: int,
    every_s: float,
    rate: int,
    folder: Path,
    load: tuple[str, str] | None,
) -> Switches:
    """Switches back and forth while a prober, and perhaps full load, is at it."""
    made: list[tuple[int, int, int]] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file, prober(port, Path(file.name), rate) as probed:
        with volume(*load) if load else contextlib.nullcontext(Volume()) as found:
            time.sleep(1.0)
            for _ in range(count):
                began_ns, answered_ns = flip()
                made.append((began_ns, answered_ns, SLOTS[live().encode()]))
                time.sleep(every_s)
        time.sleep(0.3)
    return _switch_times(made, probed.notes, found)


def _switch_times(made: Sequence[tuple[int, int, int]], notes: Sequence[Note], found: Volume) -> Switches:
    answered, first, last = [], [], []
    late = 0
    ends = [began_ns for began_ns, _, _ in made[1:]] + [made[-1][0] + WINDOW_NS]
    for (began_ns, answered_ns, slot), until_ns in zip(made, ends, strict=True):
        # A request that was still under way when the next command began may belong to either.
        after = [note for note in notes if not note.is_lost and began_ns <= note.ended_ns < until_ns]
        new = [note.ended_ns for note in after if note.slot == slot]
        old = [note.began_ns for note in after if note.slot != slot]
        answered.append((answered_ns - began_ns) / 1e6)
        if new:
            first.append((min(new) - began_ns) / 1e6)
        last.append(max(0.0, (max(old, default=began_ns) - began_ns) / 1e6))
        late += sum(began > answered_ns for began in old)
    lost = sum(note.is_lost for note in notes)
    return Switches(
        answered, first, last, late, len(notes) + found.requests, lost + found.lost + found.failed
    )


def cycles(plane: Plane, sizes: Sizes, folder: Path) -> Cycles:
    """Cycles until there were enough of them and of requests."""
    began_s = time.monotonic()
    loads: list[Volume] = []
    done = 0
    with (
        tempfile.NamedTemporaryFile(dir=folder) as file,
        prober(plane.port, Path(file.name), LOADED_RATE) as probed,
    ):
        while done < sizes.cycles or sum(load.requests for load in loads) < sizes.requests:
            run = f"cycles-{len(loads)}"
            # In pieces, so that it is known how many requests there have been.
            with volume(plane.url, run) as kept, volume(f"{plane.url}/", f"{run}-more", 8) as more:
                for _ in range(min(10, sizes.cycles)):
                    plane.cycle(STEPS_BP, STEP_S)
                    done += 1
            loads += [kept, more]
            say(f"{done} cycles, {sum(load.requests for load in loads):,} requests")
            if not has_wrk() and done >= sizes.cycles:
                break
    posts, duplicates = plane.duplicates()
    return Cycles(
        done,
        sum(load.requests for load in loads) + len(probed.notes),
        sum(load.lost for load in loads) + probed.lost,
        sum(load.failed for load in loads),
        posts,
        duplicates,
        time.monotonic() - began_s,
    )


def added_latency(urls: dict[str, str], sizes: Sizes) -> dict[str, Way]:
    """Median p50 and p99 in milliseconds and requests per second of each way, in interleaved rounds."""
    rounds: dict[str, list[Volume]] = {name: [] for name in urls}
    for number in range(sizes.rounds):
        for name, url in urls.items():
            rounds[name].append(measured(url, f"latency-{name}-{number}", 8, sizes.round_s))
    return {
        name: Way(
            median([each.p50_us / 1e3 for each in found]),
            median([each.p99_us / 1e3 for each in found]),
            median([each.requests / sizes.round_s for each in found]),
        )
        for name, found in rounds.items()
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    parser.add_argument("--only", choices=("cycles", "switches", "latency", "rollbacks"))
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    wanted = {arguments.only} if arguments.only else {"cycles", "switches", "latency", "rollbacks"}
    report = Report()
    print(f"on {machine()}")
    print(f"clients: {'wrk and ' if has_wrk() else ''}a client that notes every request", end="; ")
    print(f"instances: {'nginx' if shutil.which('nginx') else 'the sample'}", end="; ")
    print("peer: nginx" if shutil.which("nginx") else "peer nginx skipped: it is not installed")
    if wanted - {"rollbacks"}:
        with tempfile.TemporaryDirectory(prefix="tm-") as name:
            folder = Path(name)
            plane = Plane(folder / "plane")
            try:
                plane.start(plane.live.other)
                plane.admit(plane.live.other)
                _on_plane(plane, folder, wanted, sizes, report)
            finally:
                plane.close()
    if "rollbacks" in wanted:
        report.rollbacks(measure_rollbacks(sizes.rollbacks, say))
    print(f"\n{'MISSED: ' + '; '.join(report.missed) if report.missed else 'every target kept'}")
    return 1 if report.missed else 0


def _on_plane(plane: Plane, folder: Path, wanted: set[str], sizes: Sizes, report: Report) -> None:
    if "cycles" in wanted:
        report.cycles(cycles(plane, sizes, folder), sizes, counted=has_wrk())
    url, live = plane.url, lambda: plane.live.value
    if "switches" in wanted:
        found = {}
        say("switches")
        idle = (plane.port, sizes.flips, FLIP_EVERY_S, IDLE_RATE, folder, None)
        found["router, idle"] = switches(plane.flip, live, *idle)
        busy = (plane.port, sizes.flips, FLIP_EVERY_S, LOADED_RATE, folder, (url, "flips"))
        found["router, full load"] = switches(plane.flip, live, *busy)
        if shutil.which("nginx"):
            with peer(folder / "peer", plane.addresses) as other:
                past = (other.port, sizes.reloads, RELOAD_EVERY_S)
                side = lambda: other.live.value  # noqa: E731 - said in a line
                found["nginx reload, idle"] = switches(other.flip, side, *past, IDLE_RATE, folder, None)
                found["nginx reload, full load"] = switches(
                    other.flip, side, *past, LOADED_RATE, folder, (other.url, "reloads")
                )
        report.switches(found)
    if "latency" in wanted and has_wrk():
        say("latency")
        urls = {"direct": f"http://{plane.addresses[plane.live][0]}", "router": url}
        if shutil.which("nginx"):
            with peer(folder / "peer2", plane.addresses) as other:
                report.latency(added_latency({**urls, "nginx": other.url}, sizes))
        else:
            report.latency(added_latency(urls, sizes))


if __name__ == "__main__":
    sys.exit(main())
