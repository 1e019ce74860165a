"""Answers to the plan's questions, as the sampler tells them. Must not judge them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tminus.domain.codec import DecodeError, from_json


@dataclass(frozen=True, slots=True)
class Answer:
    """Bad and all cases that a question counted, at milliseconds since the epoch."""

    at_ms: int
    bad: int
    total: int


@dataclass(frozen=True, slots=True)
class Health:
    """What the database said of itself at milliseconds since the epoch; units as in the port's reading."""

    at_ms: int
    connections_ppm: int
    latency_us: int
    replica_lag_ms: int | None
    waiting: int


def read_health(progress: Any) -> Health | None:  # noqa: ANN401 - JSON of a job
    """The database's own reading from a sampler's progress, None where there is none that fits."""
    body = progress.get("database") if isinstance(progress, dict) else None
    if not isinstance(body, dict):
        return None
    try:
        return from_json(Health, body)
    except DecodeError:
        return None


def read_answers(progress: Any) -> Mapping[str, Sequence[Answer]]:  # noqa: ANN401 - JSON of a job
    """Answers by question from a sampler's progress; what does not fit is left out, and so grows old."""
    if not isinstance(progress, dict) or not isinstance(progress.get("answers"), dict):
        return {}
    return {
        str(name): tuple(Answer(*row) for row in rows if _is_answer(row))
        for name, rows in progress["answers"].items()
        if isinstance(rows, list)
    }


def _is_answer(row: Any) -> bool:  # noqa: ANN401 - JSON of a job
    whole = isinstance(row, list) and len(row) == len(Answer.__slots__)
    return whole and all(isinstance(number, int) and number >= 0 for number in row)
