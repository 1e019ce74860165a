"""What nginx has logged, added up: read from where it was last read, and cut down before it grows large."""

import contextlib
import fcntl
import json
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tminus.adapters.nginx.config import COLUMNS, LOG
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import METER, OTHER, RouteClass, Traffic
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts
from tminus.ports.fault import Unavailable

BOOK = "counted.json"
CUT_AT_BYTES = 64 * 1024**2
_FAILED = 500
_ROW = 3 + len(BUCKETS_MS)  # requests, failures, answers, and one for each edge
_REPLAYED = "replayed"

Rows = dict[str, list[int]]


class Log:
    """The log of one service, and the sums of what was read of it."""

    def __init__(self, directory: Path) -> None:
        """See the class."""
        self._log = directory / LOG
        self._book = directory / BOOK

    def counted(
        self, classes: tuple[RouteClass, ...], addresses: Mapping[str, Slot]
    ) -> tuple[ClassCounts, ...]:
        """Everything so far, in the order of slot, generation and class.

        Raises:
            Unavailable: `router-log-missing`, nginx writes none; `disk-failed`.
        """
        rows = self._added_up(classes, addresses)
        rows.pop(_REPLAYED, None)
        found = []
        for key, row in rows.items():
            slot, generation, name = key.split("/", 2)
            counts = Counts(row[0], row[1], row[2], tuple(row[3:]))
            found.append(ClassCounts(Slot(slot), int(generation), name, counts))
        return tuple(sorted(found, key=lambda entry: (entry.slot, entry.generation, entry.route_class)))

    def replayed(self, classes: tuple[RouteClass, ...], addresses: Mapping[str, Slot]) -> int:
        """Requests that were sent to more than one instance.

        Raises:
            Unavailable: as `counted`.
        """
        return self._added_up(classes, addresses).get(_REPLAYED, [0])[0]

    def _added_up(self, classes: tuple[RouteClass, ...], addresses: Mapping[str, Slot]) -> Rows:
        try:
            book = os.open(self._book, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable("disk-failed", f"{self._book}: {error.strerror}") from error
        try:
            fcntl.flock(book, fcntl.LOCK_EX)
            state = _state(book)
            offset = self._read(state, classes, addresses)
            if offset > CUT_AT_BYTES:
                os.truncate(self._log, 0)
                offset = 0
            content = json.dumps({"offset": offset, "rows": state["rows"]}).encode()
            # What cannot be put aside is read again by the next one.
            with contextlib.suppress(OSError):
                os.pwrite(book, content, 0)
                os.ftruncate(book, len(content))
            rows: Rows = state["rows"]
            return rows
        finally:
            os.close(book)

    def _read(
        self, state: dict[str, Any], classes: tuple[RouteClass, ...], addresses: Mapping[str, Slot]
    ) -> int:
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                offset: int = state["offset"] if state["offset"] <= size else 0
                log.seek(offset)
                content = log.read()
        except OSError as error:
            why = f"nginx writes no {self._log}: its server needs the `access_log` that the file names"
            raise Unavailable("router-log-missing", why) from error
        whole, _, _ = content.rpartition(b"\n")
        for line in whole.decode(errors="replace").splitlines():
            _add(state["rows"], line, classes, addresses)
        return offset + len(whole) + bool(whole)


def _state(book: int) -> dict[str, Any]:
    content = os.pread(book, os.fstat(book).st_size, 0)
    try:
        found = json.loads(content)
    except ValueError:
        return {"offset": 0, "rows": {}}
    return {"offset": int(found["offset"]), "rows": dict(found["rows"])}


def _add(rows: Rows, line: str, classes: tuple[RouteClass, ...], addresses: Mapping[str, Slot]) -> None:
    words = line.split("\t")
    if len(words) != len(COLUMNS):
        return
    entry = dict(zip(COLUMNS, words, strict=True))
    servers = [addresses[each] for each in entry["servers"].split(", ") if each in addresses]
    if not servers or not entry["generation"].isdigit():
        return
    wanted = next((slot for slot in Slot if entry["slot"].endswith(f"_{slot}")), servers[0])
    name, timed = _class_of(entry, classes)
    row = rows.setdefault(f"{wanted}/{entry['generation']}/{name}", [0] * _ROW)
    row[0] += 1
    # What the net behind a slot has answered is a failure of that slot.
    row[1] += entry["status"].isdigit() and (int(entry["status"]) >= _FAILED or servers[-1] is not wanted)
    if len(servers) > 1:
        rows.setdefault(_REPLAYED, [0])[0] += 1
    took_ms = _took_ms(entry["took"])
    if timed and took_ms is not None:
        row[2] += 1
        for index in range(bisect_left(BUCKETS_MS, took_ms), len(BUCKETS_MS)):
            row[3 + index] += 1


def _class_of(entry: Mapping[str, str], classes: tuple[RouteClass, ...]) -> tuple[str, bool]:
    """The first class that claims a request, and whether its time means something."""
    if entry["meter"]:
        return METER, True
    path = entry["path"].partition("?")[0]
    for each in classes:
        claimed = not each.paths or any(_is_below(path, prefix.rstrip("/")) for prefix in each.paths)
        if claimed and (not each.methods or entry["method"] in each.methods):
            return each.name, each.traffic is Traffic.REQUEST
    return OTHER, True


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def _took_ms(text: str) -> int | None:
    """Milliseconds of the last attempt, which is the one that answered."""
    last = next(iter(_numbers(text)), None)
    return None if last is None else int(last * 1000)


def _numbers(text: str) -> Iterator[float]:
    for word in reversed(text.split(", ")):
        with contextlib.suppress(ValueError):
            yield float(word)
