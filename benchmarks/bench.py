"""What the benchmarks share: the machine's name, tables, percentiles."""

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "hello"


def machine() -> str:
    """What it ran on, and how busy that was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    kernel = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {kernel}; load average {load}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be; numbers to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = []
        for cell, width in zip(row, widths, strict=True):
            number = cell.replace(",", "").replace(".", "").replace("-", "").isdigit() or cell == "-"
            cells.append(cell.rjust(width) if number else cell.ljust(width))
        return "  ".join(cells).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *(line(row) for row in rows)])


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
