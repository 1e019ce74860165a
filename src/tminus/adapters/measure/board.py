"""What was measured so far: many threads write, one reads. Bounded per metric and version."""

import threading
from collections import deque
from collections.abc import Iterable

from tminus.domain.canonical import Json
from tminus.domain.watch.measurement import Arm, Measurement, is_repeated, to_row

KEPT = 120
"""Newest measurements of each metric and version: two minutes at one a second, the handbook's window for
a gauge."""

KEPT_FIRST = 30
"""First measurements that count of each, which are its baseline."""


class Board:
    """Measurements by metric and version."""

    def __init__(self, keys: Iterable[tuple[str, Arm]]) -> None:
        """Starts empty, with a place for each key."""
        self._lock = threading.Lock()
        self._latest: dict[tuple[str, Arm], deque[Measurement]] = {key: deque(maxlen=KEPT) for key in keys}
        self._first: dict[tuple[str, Arm], list[Measurement]] = {key: [] for key in self._latest}
        self._newest: dict[tuple[str, Arm], Measurement] = {}

    def newest(self, key: tuple[str, Arm]) -> Measurement | None:
        """The newest that counted."""
        with self._lock:
            return self._newest.get(key)

    def add(self, name: str, measurement: Measurement) -> None:
        """Keeps a measurement; one that its source only repeats is no new evidence and is left out."""
        key = (name, measurement.arm)
        with self._lock:
            if is_repeated(measurement, self._newest.get(key)):
                return
            self._latest[key].append(measurement)
            if measurement.counts:
                self._newest[key] = measurement
                if len(self._first[key]) < KEPT_FIRST:
                    self._first[key].append(measurement)

    def body(self) -> dict[str, Json]:
        """`{"metrics": {name: [row, …]}}`, in order of time; rows are those of `to_row`."""
        with self._lock:
            kept: dict[str, list[Measurement]] = {}
            for key, latest in self._latest.items():
                since_ms = latest[0].at_ms if latest else 0
                early = [each for each in self._first[key] if each.at_ms < since_ms]
                kept.setdefault(key[0], []).extend([*early, *latest])
        metrics: dict[str, Json] = {}
        for name, found in kept.items():
            rows: list[Json] = [to_row(each) for each in sorted(found, key=lambda each: each.at_ms)]
            metrics[name] = rows
        return {"metrics": metrics}

    def figures(self) -> dict[str, Json]:
        """How many of the kept measurements of each metric counted, and of how many: for a job's result."""
        with self._lock:
            figures: dict[str, Json] = {}
            for name in dict.fromkeys(key[0] for key in self._latest):
                found = [each for key, rows in self._latest.items() if key[0] == name for each in rows]
                figures[name] = {"counted": sum(each.counts for each in found), "of": len(found)}
            return figures
