"""Answers to the plan's questions, as the sampler tells them. Must not judge them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Bad and all cases that a question counted, at milliseconds since the epoch."""

    at_ms: int
    bad: int
    total: int


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
