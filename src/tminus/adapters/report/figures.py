"""Figures of a load test by k6, locust, wrk or tminus itself, read from what they wrote. Pure; reads no file.

wrk tells no 95th percentile: it lies between two that it tells, so each report gives a range of two figures.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tminus.adapters.report.told import decimal, inside, moment, objects, oldest, whole
from tminus.domain.watch.answer_text import parse_answer

_US_PER_MS = 1_000
_P95 = "p(95)"  # as k6 calls it
_UNITS_US = {"us": 1, "ms": _US_PER_MS, "s": 1_000_000, "m": 60_000_000}
_WRK_DURATION = r"(\d{1,9}(?:\.\d{1,6})?)(us|ms|s|m)"
_WRK_SHARE = re.compile(rf"^\s+(\d{{1,3}}(?:\.\d+)?)%\s+{_WRK_DURATION}\s*$", re.MULTILINE)
_WRK_LATENCY = re.compile(rf"^\s+Latency\s+{_WRK_DURATION}\s+{_WRK_DURATION}\s+{_WRK_DURATION}", re.MULTILINE)
_WRK_REQUESTS = re.compile(r"^\s*(\d{1,15}) requests in ", re.MULTILINE)
_WRK_REFUSED = re.compile(r"^\s*Non-2xx or 3xx responses: (\d{1,15})", re.MULTILINE)
_WRK_SOCKET = re.compile(
    r"^\s*Socket errors: connect (\d{1,15}), read (\d{1,15}), write (\d{1,15}), timeout (\d{1,15})",
    re.MULTILINE,
)
_WANTED = Decimal(95)


def figures(content: bytes) -> dict[str, Any]:
    """What a report says; its format is told by its content.

    Returns:
        `format`; `requests`; `failed`; `p95_low_us`, `p95_high_us`: between these lies the 95th percentile of
        the response time; `told_ms`, `exact` as `told.oldest`.

    Raises:
        ValueError: it is none of the formats, or holds numbers that cannot be.
    """
    first = content.lstrip()[:1]
    if first in (b"{", b"["):
        body = parse_answer(content)
        found = _locust_json(body) if isinstance(body, list) else _object(body)
    else:
        text = content.decode("utf-8", errors="replace")
        found = _locust_csv(text) if "Request Count" in text[:2_000] else _wrk(text)
    if found["failed"] > found["requests"]:
        raise ValueError(f"it tells of {found['failed']} failures of {found['requests']} requests")
    return found


def _object(body: Mapping[str, Any]) -> dict[str, Any]:
    if "p95_us" in body:
        at = moment(body.get("at_ms"))
        p95 = _counted(body.get("p95_us"), "p95_us")
        requests, failed = _counted(body.get("requests"), "requests"), _counted(body.get("failed"), "failed")
        return _told("tminus", requests, failed, (p95, p95), [] if at is None else [at])
    metrics = inside(body, "metrics")
    if not metrics:
        raise ValueError("it is JSON of neither k6, locust nor tminus")
    duration, failures, all_of = (
        inside(metrics.get(name), "values") or inside(metrics, name)
        for name in ("http_req_duration", "http_req_failed", "http_reqs")
    )
    took = decimal(duration.get(_P95))
    if took is None or took < 0:
        raise ValueError("its http_req_duration has no p(95)")
    # What k6 counts there is that a request has failed, so a pass of this metric is a failure.
    failed, fine = _counted(failures.get("passes"), "passes"), _counted(failures.get("fails"), "fails")
    counted = whole(all_of.get("count"))
    p95_us = int(took * _US_PER_MS)
    return _told("k6", failed + fine if counted is None else counted, failed, (p95_us, p95_us), [])


def _locust_json(body: list[Any]) -> dict[str, Any]:
    rows = objects(body)
    if not rows or any("num_requests" not in each for each in rows):
        raise ValueError("it is a list, and none of locust's")
    times: Counter[int] = Counter()
    for row in rows:
        for ms, count in inside(row, "response_times").items():
            took = decimal(ms)
            times[int(took) if took is not None and took >= 0 else _bad(ms)] += _counted(count, "a count")
    begins = [moment(each.get("start_time")) for each in rows]
    p95_us = _percentile(times) * _US_PER_MS
    requests = sum(_counted(each.get("num_requests"), "num_requests") for each in rows)
    failed = sum(_counted(each.get("num_failures"), "num_failures") for each in rows)
    return _told("locust", requests, failed, (p95_us, p95_us), [each for each in begins if each is not None])


def _percentile(times: Mapping[int, int]) -> int:
    wanted = -(-sum(times.values()) * 95 // 100)
    seen = 0
    for ms in sorted(times):
        seen += times[ms]
        if seen >= wanted:
            return ms
    return 0


def _locust_csv(text: str) -> dict[str, Any]:
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error:
        raise ValueError("it is no table of locust") from None
    row = next((each for each in rows if each.get("Name") == "Aggregated"), None)
    if row is None:
        raise ValueError("it has no row Aggregated: take locust's *_stats.csv")
    p95 = decimal(row.get("95%"))
    if p95 is None or p95 < 0:
        raise ValueError("its row Aggregated tells no 95%")
    p95_us = int(p95 * _US_PER_MS)
    requests = _counted(row.get("Request Count"), "Request Count")
    return _told(
        "locust", requests, _counted(row.get("Failure Count"), "Failure Count"), (p95_us, p95_us), []
    )


def _wrk(text: str) -> dict[str, Any]:
    requests = _WRK_REQUESTS.search(text)
    latency = _WRK_LATENCY.search(text)
    if requests is None or latency is None:
        raise ValueError("it is of neither k6, locust, wrk nor tminus")
    low, high = 0, _us(latency[5], latency[6])
    for share, number, unit in _WRK_SHARE.findall(text):
        if Decimal(share) <= _WANTED:
            low = max(low, _us(number, unit))
        if Decimal(share) >= _WANTED:
            high = min(high, _us(number, unit))
    refused, broken = _WRK_REFUSED.search(text), _WRK_SOCKET.search(text)
    failed = (int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0)
    # What never got an answer is not among wrk's requests.
    return _told("wrk", max(int(requests[1]), failed), failed, (low, max(low, high)), [])


def _us(number: str, unit: str) -> int:
    return int(Decimal(number) * _UNITS_US[unit])


def _counted(value: Any, name: str) -> int:  # noqa: ANN401 - any JSON
    found = whole(value)
    if found is None:
        raise ValueError(f"its {name} is no number")
    return found


def _bad(value: object) -> int:
    raise ValueError(f"{str(value)[:20]!r} is no response time")


def _told(
    kind: str, requests: int, failed: int, p95_us: tuple[int, int], moments: list[tuple[int, bool]]
) -> dict[str, Any]:
    return {
        "format": kind,
        "requests": requests,
        "failed": failed,
        "p95_low_us": p95_us[0],
        "p95_high_us": p95_us[1],
        **oldest(moments),
    }
