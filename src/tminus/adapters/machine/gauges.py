"""Gauges of this machine, from /proc and the file system. Must not judge them."""

import os
from collections.abc import Iterator
from pathlib import Path

from tminus.domain.plan.metric import SystemGauge, SystemSource
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.metrics import Surroundings

_PROC = Path("/proc")
_IDLE = (3, 4)  # columns of /proc/stat: idle and waiting for the disk; proc(5)
_COUNTED = 8  # columns that add up to all time; what guests use is part of user time
_MEGABYTE_KB = 1_000_000 / 1_024


class MachineGauge:
    """`ports.metrics.Source` over one gauge of this machine."""

    def __init__(self, source: SystemSource, around: Surroundings, proc: Path = _PROC) -> None:
        """Looks at nothing yet. `proc` is where the system tells of itself."""
        self._gauge = source.gauge
        self._slot = source.slot
        self._programs = around.programs
        self._place = around.place
        self._proc = proc
        self._before: tuple[int, int] | None = None

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port. Needs no time, and so no limit."""
        del limit_ms
        look = {
            SystemGauge.CPU: self._cpu,
            SystemGauge.MEMORY: self._memory,
            SystemGauge.DISK_FREE: self._disk_free,
            SystemGauge.LOAD: self._load,
            SystemGauge.SLOT_MEMORY: self._slot_memory,
        }
        try:
            return look[self._gauge]()
        except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
            return Missed(MeasuredState.UNREACHABLE, f"this system does not tell its {self._gauge.value}")

    def close(self) -> None:
        """See the port."""

    def _cpu(self) -> Taken | Missed:
        columns = [int(each) for each in self._text("stat").split("\n", 1)[0].split()[1:][:_COUNTED]]
        total, idle = sum(columns), sum(columns[index] for index in _IDLE)
        before, self._before = self._before, (total, idle)
        if before is None:
            return Missed(MeasuredState.EMPTY, "the first look only begins to measure")
        if total <= before[0]:
            return Missed(MeasuredState.EMPTY, "no time has passed since the last look")
        busy = (total - before[0]) - max(0, idle - before[1])
        return _percent(max(0, busy), total - before[0])

    def _memory(self) -> Taken:
        lines = dict(line.split(":", 1) for line in self._text("meminfo").splitlines() if ":" in line)
        free, total = (int(lines[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
        return _percent(total - free, total)

    def _disk_free(self) -> Taken:
        found = os.statvfs(self._place)
        return _percent(found.f_bavail, found.f_blocks)

    def _load(self) -> Taken:
        runnable = float(self._text("loadavg").split()[0])
        return Taken((f"{runnable * 100 / max(1, os.cpu_count() or 1):.3f}",))

    def _slot_memory(self) -> Taken | Missed:
        if not self._programs:
            return Missed(MeasuredState.EMPTY, "this service has no programs of its own")
        sizes = [self._kilobytes(entry) for entry in self._members()]
        if not sizes:
            return Missed(MeasuredState.EMPTY, f"nothing runs in {self._slot}")
        return Taken((f"{sum(sizes) / _MEGABYTE_KB:.3f}",))

    def _members(self) -> Iterator[Path]:
        """Processes whose environment carries the mark of a program of the slot."""
        wanted = f"{self._programs}{self._slot}-".encode()
        for entry in self._proc.glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if any(each.startswith(wanted) for each in environment.split(b"\0")):
                yield entry

    def _kilobytes(self, entry: Path) -> int:
        """Memory of a process, what it shares with others by its share; 0 for one that has just ended."""
        try:
            lines = (entry / "smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)

    def _text(self, name: str) -> str:
        return (self._proc / name).read_text(encoding="ascii")


def _percent(part: int, whole: int) -> Taken:
    return Taken((f"{part * 100 / whole:.3f}",))


def open_gauge(source: SystemSource, around: Surroundings) -> MachineGauge:
    """See `ports.metrics.OpenSource`."""
    return MachineGauge(source, around)
