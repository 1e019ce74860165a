"""Metrics in a JSON document, found by pointers. Must not know whose document it is."""

from decimal import Decimal
from typing import Any

from tminus.domain.plan.assertion import PointerError, resolve
from tminus.domain.plan.metric import HttpSource
from tminus.domain.watch.answer_text import number_text
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.asked import json_of, sent_headers, wrong_status
from tminus.ports.metrics import Surroundings

MOST_BYTES = 1024 * 1024  # of a document: what holds a few numbers is smaller
_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138; every time in milliseconds is above it
_LATEST_DIGITS = 14  # of a time in milliseconds: the year 5138


class JsonDocument:
    """`ports.metrics.Source` over one JSON document."""

    def __init__(self, source: HttpSource, around: Surroundings) -> None:
        """Asks nothing.

        Raises:
            Refused: a secret is missing.
        """
        self._source = source
        self._fetch = around.fetch
        self._headers = sent_headers(source.headers, around)

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port."""
        found = self._fetch(self._source.url, self._headers, limit_ms, MOST_BYTES)
        if isinstance(found, Missed):
            return found
        wrong = wrong_status(found)
        if wrong is not None:
            return wrong
        try:
            return self._numbers(json_of(found))
        except ValueError as error:
            return Missed(MeasuredState.INVALID, str(error))

    def close(self) -> None:
        """See the port."""

    def _numbers(self, document: Any) -> Taken | Missed:  # noqa: ANN401 - any JSON
        it = self._source
        pointers = [it.value] if it.value is not None else [it.bad, it.total]
        numbers = []
        for pointer in pointers:
            try:
                value = resolve(document, pointer or "")
            except PointerError:
                return Missed(MeasuredState.EMPTY, f"nothing stands at {pointer or 'its top'}")
            if value is None:
                return Missed(MeasuredState.EMPTY, f"null stands at {pointer or 'its top'}")
            numbers.append(number_text(value))
        return Taken(tuple(numbers), None if it.at is None else self._time(document, it.at))

    def _time(self, document: Any, pointer: str) -> int:  # noqa: ANN401 - any JSON
        try:
            found = resolve(document, pointer)
        except PointerError:
            found = None
        if not isinstance(found, Decimal) or not found.is_finite():
            raise ValueError(f"no time stands at {pointer}")
        if found.adjusted() >= _LATEST_DIGITS:  # before it is computed with, which has an end
            raise ValueError(f"no time that can be meant stands at {pointer}")
        return int(found if abs(found) >= _MILLISECONDS_FROM else found * 1000)


def open_document(source: HttpSource, around: Surroundings) -> JsonDocument:
    """See `ports.metrics.OpenSource`."""
    return JsonDocument(source, around)
