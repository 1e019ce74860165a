"""The probe `performance`: a load test kept its limits, and is not much worse than the last one.

It reads what a load test wrote, or makes a bounded load itself against this machine alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from urllib.parse import urlsplit

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.http.load import run_load
from tminus.adapters.http.load_spec import LoadSpec
from tminus.adapters.report.reading import read_reports
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import PPM, counted, ppm_of, share_ppm, show_ppm
from tminus.probes.guard import guarded
from tminus.probes.reports import BY_COMMIT, read_fresh

_LOCAL = ("localhost", "127.0.0.1", "::1")
_NOT_LOOKED_AT = Millis(0)
_US_PER_MS = 1_000
_LAST_MS = 1_500  # of a limit, for the last answers of a load that is made here
_SLOWEST_MS = 1_000  # of one answer to it


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """Which load test, and what it must have kept.

    Attributes:
        file: what k6 (`--summary-export`), locust (`*_stats.csv` or `--json`), wrk (`--latency`) or tminus
            wrote, below the repository; empty where `url` is loaded.
        url: is loaded by tminus itself, on this machine alone: http to localhost.
        rate: requests per second of that load, at most 500.
        seconds: how long it lasts; the time that the probe has bounds it too.
        p95: limit of the 95th percentile of the response time; 0s for none.
        errors: limit of the share of requests that failed, such as `0.1 %`.
        least_requests: fewer are no evidence.
        baseline: the same figures of the last release, to compare p95 with; any of these formats.
        worse: so much longer than that p95 may be.
        oldest: how old the file may be, and never older than the commit that is launched; 0s asks for
            that alone.
    """

    file: str = ""
    url: str = ""
    rate: int = 50
    seconds: int = 5
    p95: Millis = _NOT_LOOKED_AT
    errors: str = "0.1 %"
    least_requests: int = 100
    baseline: str = ""
    worse: str = "20 %"
    oldest: Millis = BY_COMMIT

    def __post_init__(self) -> None:
        """Refuses what cannot be asked, or would pass whatever came of it.

        Raises:
            ValueError: see its sentence.
        """
        if bool(self.file) == bool(self.url):
            raise ValueError("write either file or url")
        if self.url and (urlsplit(self.url).scheme != "http" or urlsplit(self.url).hostname not in _LOCAL):
            raise ValueError("only http on this machine is loaded, such as http://localhost:8080/")
        if not 1 <= self.rate <= 500 or not 1 <= self.seconds <= 300:  # noqa: PLR2004 - bounds beside a production
            raise ValueError("rate lies in 1..500 and seconds in 1..300")
        if not self.p95 and not self.baseline:
            raise ValueError("nothing bounds the response time: write p95 or baseline")
        if self.least_requests < 1 or ppm_of(self.errors) > PPM or ppm_of(self.worse) < 0:
            raise ValueError("least_requests is at least 1, and errors at most 100 %")


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a load test came to; between the two lies its 95th percentile."""

    requests: int
    failed: int
    p95_low_us: int
    p95_high_us: int


def _source(settings: PerformanceSettings, target: Target) -> str:
    del target
    if settings.file:
        return f"load test {settings.file}"
    return f"load on {settings.url}, {settings.rate}/s for {settings.seconds} s"


def _ask(settings: PerformanceSettings, around: Around, limit_ms: int) -> Answer:
    source, deadline = _source(settings, around.target), Deadline(limit_ms)
    before = _baseline(settings, around.repository, deadline) if settings.baseline else None
    now = _written(settings, around, deadline) if settings.file else _loaded(settings, deadline)
    facts = {
        "requests": now.requests,
        "failed": now.failed,
        "p95_us": now.p95_high_us,
    }
    if before is not None:
        facts["baseline_p95_us"] = before.p95_high_us
    if now.requests < settings.least_requests:
        why = f"{counted(now.requests, 'request')}, fewer than {settings.least_requests} are no evidence"
        return unknown(why, source, "", **facts)
    share = share_ppm(now.failed, now.requests)
    facts["errors_ppm"] = share
    wrong = list(_wrong(settings, now, before))
    if wrong:
        return failed("; ".join(wrong), source, "", **facts)
    unsure = list(_unsure(settings, now, before))
    if unsure:
        return unknown("; ".join(unsure), source, "", **facts)
    against = "" if before is None else f", the last one's {_ms(before.p95_low_us)}"
    why = f"{counted(now.requests, 'request')}, {show_ppm(share)} failed, p95 {_ms(now.p95_high_us)}{against}"
    return passed(why, source, "", **facts)


def _wrong(settings: PerformanceSettings, now: _Figures, before: _Figures | None) -> Iterator[str]:
    """What is beyond its limit, however the figures lie in their ranges."""
    if now.failed * PPM > ppm_of(settings.errors) * now.requests:
        share = show_ppm(share_ppm(now.failed, now.requests))
        yield f"{share} of the requests failed, limit {settings.errors}"
    if settings.p95 and now.p95_low_us > settings.p95 * _US_PER_MS:
        yield f"p95 is {_ms(now.p95_low_us)}, limit {settings.p95} ms"
    if before is not None and now.p95_low_us * PPM > before.p95_high_us * (PPM + ppm_of(settings.worse)):
        yield _longer(settings, now.p95_low_us, before.p95_high_us)


def _unsure(settings: PerformanceSettings, now: _Figures, before: _Figures | None) -> Iterator[str]:
    """What may be beyond its limit: the 95th percentile lies between two others that were told."""
    if settings.p95 and now.p95_high_us > settings.p95 * _US_PER_MS:
        yield f"p95 lies between {_ms(now.p95_low_us)} and {_ms(now.p95_high_us)}, limit {settings.p95} ms"
    if before is not None and now.p95_high_us * PPM > before.p95_low_us * (PPM + ppm_of(settings.worse)):
        yield f"it cannot be told: {_longer(settings, now.p95_high_us, before.p95_low_us)}"


def _longer(settings: PerformanceSettings, now_us: int, before_us: int) -> str:
    return f"p95 is {_ms(now_us)}, and the last one's {_ms(before_us)}: more than {settings.worse} longer"


def _ms(us: int) -> str:
    return f"{f'{us / _US_PER_MS:.1f}'.removesuffix('.0')} ms"


def _written(settings: PerformanceSettings, around: Around, deadline: Deadline) -> _Figures:
    reports, _ = read_fresh("figures", (settings.file,), settings.oldest, around, deadline.left_ms)
    if len(reports) > 1:
        raise Unavailable(
            "report-unreadable", f"{settings.file} names {len(reports)} files, and one is one test"
        )
    return _figures(reports[0].summary)


def _baseline(settings: PerformanceSettings, repository: Path, deadline: Deadline) -> _Figures:
    (report,) = read_reports("figures", [repository / settings.baseline], deadline.left_ms / 1000)
    if report.why:
        raise Unavailable("report-unreadable", f"{settings.baseline}: {report.why}")
    found = _figures(report.summary)
    if not found.requests or not found.p95_low_us:
        raise Unavailable("report-unreadable", f"{settings.baseline} tells of no request that took time")
    return found


def _figures(summary: object) -> _Figures:
    assert isinstance(summary, dict)
    names = ("requests", "failed", "p95_low_us", "p95_high_us")
    return _Figures(*(summary[name] for name in names))


def _loaded(settings: PerformanceSettings, deadline: Deadline) -> _Figures:
    parts = urlsplit(settings.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    limit_ms = min(_SLOWEST_MS, max(1, deadline.left_ms - _LAST_MS))
    spec = LoadSpec(
        settings.url, settings.rate, settings.seconds, paths=(path,), new_percent=0, limit_ms=limit_ms
    )
    stop = Event()
    timer = Timer(max(0, deadline.left_ms - _LAST_MS - limit_ms) / 1000, stop.set)
    timer.daemon = True
    timer.start()
    try:
        result = run_load(spec, stop)
    finally:
        timer.cancel()
    p95_us = result.latency_us.get("p95", 0)
    refused = sum(count for status, count in result.statuses.items() if 400 <= int(status) < 500)  # noqa: PLR2004 - of HTTP
    bad = result.total.not_served + refused
    if bad == result.total.sent:
        raise Unavailable("report-unreadable", f"{settings.url} served none of {result.total.sent} requests")
    return _Figures(result.total.sent, bad, p95_us, p95_us)


PERFORMANCE = ProbeKind(PerformanceSettings, guarded(_ask, _source))
"""See `PerformanceSettings`."""
