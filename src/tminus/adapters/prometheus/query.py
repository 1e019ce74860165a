"""Instant queries over Prometheus' HTTP API, one series each."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tminus.domain.plan.metric import PrometheusSource
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.asked import json_of, sent_headers, wrong_status
from tminus.ports.metrics import Fetched, Surroundings

MOST_BYTES = 1024 * 1024  # of an answer: one series has a few hundred bytes
_EXPLAINED = (400, 422, 503)  # statuses of answers that say what is wrong
_WHY_CHARS = 120
_PAIR = 2


class PrometheusQueries:
    """`ports.metrics.Source` over `/api/v1/query`."""

    def __init__(self, source: PrometheusSource, around: Surroundings) -> None:
        """Asks nothing.

        Raises:
            Refused: a secret is missing.
        """
        self._source = source
        self._fetch = around.fetch
        self._headers = sent_headers(source.headers, around)

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port. Both queries of a ratio are evaluated at the same instant."""
        it = self._source
        queries = {"query": it.query} if it.query else {"bad": it.bad, "total": it.total}
        numbers: list[str] = []
        at = ""
        for name, query in queries.items():
            found = self._ask(query, at, limit_ms // len(queries))
            if isinstance(found, Missed):
                return Missed(found.state, found.why if it.query else f"`{name}`: {found.why}")
            at, number = found
            numbers.append(number)
        return Taken(tuple(numbers), int(Decimal(at) * 1000))

    def close(self) -> None:
        """See the port."""

    def _ask(self, query: str, at: str, limit_ms: int) -> tuple[str, str] | Missed:
        url = f"{self._source.url}/api/v1/query?query={quote(query, safe='')}&timeout={limit_ms}ms"
        found = self._fetch(f"{url}&time={at}" if at else url, self._headers, limit_ms, MOST_BYTES)
        if isinstance(found, Missed):
            return found
        if found.status in _EXPLAINED:
            return _refusal(found)
        wrong = wrong_status(found)
        if wrong is not None:
            return wrong
        try:
            return _single(json_of(found))
        except ValueError as error:
            return Missed(MeasuredState.INVALID, str(error))


def _single(body: Any) -> tuple[str, str] | Missed:  # noqa: ANN401 - any JSON
    """Time and value of the only series."""
    data = body.get("data") if isinstance(body, dict) and body.get("status") == "success" else None
    if not isinstance(data, dict):
        return Missed(MeasuredState.INVALID, "it does not answer as Prometheus does")
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar":
        return _sample(result)
    if kind != "vector" or not isinstance(result, list):
        raise ValueError(f"the query answers a {str(kind)[:20]}, not a single number")
    if not result:
        return Missed(MeasuredState.EMPTY, "the query found no series")
    if len(result) > 1:
        raise ValueError(f"the query found {len(result)} series; aggregate them, for example with sum()")
    series = result[0]
    if not isinstance(series, dict) or "value" not in series:
        raise ValueError("the query answers a histogram, not a single number")
    return _sample(series["value"])


def _sample(pair: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON
    well_formed = isinstance(pair, list) and len(pair) == _PAIR
    if not well_formed or not isinstance(pair[0], Decimal) or not isinstance(pair[1], str):
        raise ValueError("it does not answer as Prometheus does")
    if not pair[0].is_finite() or abs(pair[0].adjusted()) > 12:  # noqa: PLR2004 - digits of seconds
        raise ValueError("its time is no time")
    return str(pair[0]), pair[1]


def _refusal(found: Fetched) -> Missed:
    try:
        body = json_of(found)
    except ValueError:
        return wrong_status(found) or Missed(MeasuredState.INVALID, f"it answered {found.status}")
    kind = body.get("errorType") if isinstance(body, dict) else None
    if not isinstance(kind, str):
        return wrong_status(found) or Missed(MeasuredState.INVALID, f"it answered {found.status}")
    if kind in {"timeout", "canceled"}:
        return Missed(MeasuredState.SLOW, "the query took longer than its time limit")
    if kind in {"unavailable", "internal"}:
        return Missed(MeasuredState.UNREACHABLE, f"Prometheus answers {found.status} ({kind[:20]})")
    text = " ".join(str(body.get("error", "")).split())[:_WHY_CHARS]
    return Missed(MeasuredState.INVALID, f"Prometheus refuses the query: {text}")


def open_queries(source: PrometheusSource, around: Surroundings) -> PrometheusQueries:
    """See `ports.metrics.OpenSource`."""
    return PrometheusQueries(source, around)
