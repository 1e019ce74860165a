"""The router's stick tables as counts. The layout of a row is named here and nowhere else."""

from collections.abc import Mapping

from tminus.adapters.haproxy.console import table_keys
from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts

FAILED = 0  # answered with a server error, or by the net
ANSWERED = 1
TIMED = 2  # answered, and of a class whose times mean something
FIRST_BUCKET = 3
COLUMNS = FIRST_BUCKET + len(BUCKETS_MS)


def class_counts(answer: str) -> tuple[ClassCounts, ...]:
    """All rows of the class table, in the order of slot, generation and class."""
    counted = []
    for key, row in table_keys(answer).items():
        trial, _, route_class = key.partition("/")
        slot, _, generation = trial.partition("@")
        counted.append(ClassCounts(Slot(slot), int(generation), route_class, _counts(row)))
    return tuple(sorted(counted, key=lambda entry: (entry.slot, entry.generation, entry.route_class)))


def _counts(row: Mapping[str, str]) -> Counts:
    columns = [int(row[f"gpc{index}"]) for index in range(COLUMNS)]
    requests = int(row["http_req_cnt"])
    # What ended without any answer at all: a server that dies on a used connection leaves no other trace.
    unanswered = requests - columns[ANSWERED] - int(row["conn_cur"])
    return Counts(
        requests=requests,
        failures=columns[FAILED] + max(0, unanswered),
        answers=columns[TIMED],
        within=tuple(columns[FIRST_BUCKET:]),
    )
