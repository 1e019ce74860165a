"""Answers as the asking job tells them while it runs. Must not judge them."""

from collections.abc import Iterable, Mapping

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.readiness.checked import CheckAnswered


def answers_body(answers: Iterable[CheckAnswered]) -> dict[str, Json]:
    """`{"answers": [event body, …]}`: the newest answer of each item."""
    return {"answers": [to_json(each) for each in answers]}


def read_answers(body: Json) -> Mapping[str, CheckAnswered]:
    """What `answers_body` wrote, by item; a row that does not fit is no answer."""
    rows = body.get("answers") if isinstance(body, dict) else None
    found: dict[str, CheckAnswered] = {}
    for row in rows if isinstance(rows, list) else []:
        try:
            answer = from_json(CheckAnswered, row)
        except DecodeError:
            continue
        found[answer.item] = answer
    return found
