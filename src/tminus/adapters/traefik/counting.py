"""Traefik's metrics as counts. Their names and labels are named here and nowhere else."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts

REQUESTS = "traefik_service_requests_total"
WITHIN = "traefik_service_request_duration_seconds_bucket"
TIMED = "traefik_service_request_duration_seconds_count"
RETRIES = "traefik_service_retries_total"
_LINE = re.compile(r"(\w+)\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_LEAF = re.compile(r"(blue|green)-(\d+)-(.+)@file")
_FAILED = 500
_EDGES = {f"{edge_ms / 1000:g}": index for index, edge_ms in enumerate(BUCKETS_MS)}


@dataclass
class _Row:
    requests: int = 0
    failures: int = 0
    answers: int = 0
    within: list[int] = field(default_factory=lambda: [0] * len(BUCKETS_MS))


def class_counts(metrics: str, untimed: Collection[str]) -> tuple[ClassCounts, ...]:
    """Counts of every leaf, in the order of slot, generation and class; those `untimed` have no times."""
    rows: dict[tuple[Slot, int, str], _Row] = {}
    for name, labels, value in _samples(metrics):
        found = _LEAF.fullmatch(labels.get("service", ""))
        if found is None:
            continue
        key = Slot(found[1]), int(found[2]), found[3]
        _add(rows.setdefault(key, _Row()), name, labels, value, timed=found[3] not in untimed)
    return tuple(
        ClassCounts(*key, Counts(row.requests, row.failures, row.answers, tuple(row.within)))
        for key, row in sorted(rows.items())
    )


def replayed(metrics: str) -> int:
    """Requests that were sent a second time."""
    return sum(value for name, _, value in _samples(metrics) if name == RETRIES)


def _add(row: _Row, name: str, labels: Mapping[str, str], value: int, *, timed: bool) -> None:
    if name == REQUESTS:
        row.requests += value
        row.failures += value if int(labels["code"]) >= _FAILED else 0
    elif name == TIMED and timed:
        row.answers += value
    elif name == WITHIN and timed and labels["le"] in _EDGES:
        row.within[_EDGES[labels["le"]]] += value


def _samples(metrics: str) -> Iterator[tuple[str, Mapping[str, str], int]]:
    for line in metrics.splitlines():
        if line.startswith("traefik_service_") and (found := _LINE.fullmatch(line)):
            yield found[1], dict(_LABEL.findall(found[2])), int(float(found[3]))
