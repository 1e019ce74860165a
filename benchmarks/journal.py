"""Measures the journal: appends per second and their latency with full synchronisation, reading, size.

Beside it, in the same run, a bare write and fsync of as many bytes: what the disk itself can do.
Usage: python benchmarks/journal.py [--events 2000] [--threads 8] [--folder FOLDER]
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tminus.adapters.database.store import Store, sqlite_store
from tminus.domain.canonical import Json
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import ClassCounts, Counts, Sample
from tminus.ports.fault import Unavailable
from tminus.ports.journal import Draft, LaunchRow
from tminus.testing.memory_journal import MemoryJournal

BODY: dict[str, Json] = {
    "command": "shift",
    "route": {"live": "blue", "candidate": "green", "bp": 1_000},
    "why": "x" * 200,
}
SAMPLE = Sample(
    0,
    tuple(
        ClassCounts(slot, 1, name, Counts(10_000, 3, 9_997)) for slot in Slot for name in ("login", "pay", "")
    ),
)


def draft(number: int) -> Draft:
    return Draft("shifted", 1, 1_700_000_000_000 + number, {**BODY, "number": number})


def timed(call: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each call."""
    durations = []
    for number in range(count):
        began = time.perf_counter()
        call(number)
        durations.append(time.perf_counter() - began)
    return durations


def line(name: str, durations: list[float], wall_s: float | None = None) -> None:
    cuts = statistics.quantiles(durations, n=100)
    per_s = len(durations) / (sum(durations) if wall_s is None else wall_s)
    print(f"{name:34} {per_s:9.0f}/s   p50 {cuts[49] * 1e3:7.2f} ms   p99 {cuts[98] * 1e3:7.2f} ms")


def open_launch(store: Store, launch: str) -> None:
    store.book.open_launch(LaunchRow(launch, launch, "production", 1, open=True), [])


def bare_disk(folder: Path, count: int) -> None:
    descriptor = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def write(_number: int) -> None:
        os.write(descriptor, b"x" * 8_192)  # two pages, as an append writes
        os.fsync(descriptor)

    line("bare write of 8 KiB + fsync", timed(write, count))
    os.close(descriptor)


def one_writer(store: Store, count: int) -> None:
    open_launch(store, "one")
    line("append, one event", timed(lambda n: store.journal.append("one", 0, n, [draft(n)]), count))
    open_launch(store, "ten")
    ten = [draft(number) for number in range(10)]
    line(
        "append, ten events at once",
        timed(lambda n: store.journal.append("ten", 0, n * 10, ten), count // 10),
    )


def many_writers(store: Store, count: int, threads: int) -> None:
    durations: list[float] = []
    busy: list[str] = []

    def write(launch: str) -> None:
        def append(number: int) -> None:
            while True:
                try:
                    store.journal.append(launch, 0, number, [draft(number)])
                except Unavailable as fault:
                    busy.append(fault.code)
                else:
                    return

        durations.extend(timed(append, count // threads))

    for number in range(threads):
        open_launch(store, f"parallel-{number}")
    writers = [threading.Thread(target=write, args=(f"parallel-{number}",)) for number in range(threads)]
    began = time.perf_counter()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    line(f"append, {threads} launches at once", durations, time.perf_counter() - began)
    print(f"{'':34} told to come back: {len(busy)}")


def companions(store: Store, count: int) -> None:
    line("head", timed(lambda _: store.journal.head("one"), count))
    line("orders, none waiting", timed(lambda _: store.inbox.orders("one"), count))
    line(
        "add_sample, six classes",
        timed(lambda n: store.ring.add_sample("one", Sample(n, SAMPLE.classes)), count),
    )
    lease = store.claims.claim("one", "bench", 0, 1_000)
    assert lease
    line("renew a lease", timed(lambda n: store.claims.renew(lease, n, 1_000), count // 4))


def reading(store: Store, path: Path, count: int) -> None:
    began = time.perf_counter()
    read = len(store.journal.read("one"))
    whole_s = time.perf_counter() - began
    print(
        f"{'read and verify the whole':34} {read / whole_s:9.0f}/s   {whole_s * 1e3:.0f} ms for {read} events"
    )
    line("read on, nothing new", timed(lambda _: store.journal.read("one", read), count // 4))
    store.close()
    size = path.stat().st_size
    events = count + count // 10 * 10 + count
    print(
        f"{'size':34} {size / events:9.0f} bytes per event of {len(str(BODY))} characters, samples included"
    )


def memory(count: int) -> None:
    journal = MemoryJournal()
    journal.open_launch(LaunchRow("one", "one", "production", 1, open=True), [])
    line("memory: append", timed(lambda n: journal.append("one", 0, n, [draft(n)]), count * 5))
    line("memory: read on, nothing new", timed(lambda _: journal.read("one", count * 5), count * 5))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; default: the system's for temporary files"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        path = folder / "journal.sqlite3"
        store = sqlite_store(path)
        bare_disk(folder, arguments.events)
        one_writer(store, arguments.events)
        many_writers(store, arguments.events, arguments.threads)
        companions(store, arguments.events)
        reading(store, path, arguments.events)
    memory(arguments.events)


if __name__ == "__main__":
    main()
