"""A scanner's report as a metric: the number of its critical findings, read anew at each look."""

import os
import stat
from pathlib import Path

from tminus.adapters.report.findings import cyclonedx_critical, sarif_critical
from tminus.adapters.report.sarif import NoScanError
from tminus.domain.plan.metric import ReportFormat, ReportSource
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.asked import sent_headers, wrong_status
from tminus.ports.metrics import Surroundings

MOST_BYTES = 16 * 1024 * 1024  # the reports of large repositories have a few megabytes
_COUNT = {ReportFormat.SARIF: sarif_critical, ReportFormat.CYCLONEDX: cyclonedx_critical}


class CriticalFindings:
    """`ports.metrics.Source` over a report in a file or behind a URL. JSON alone: no entities to expand."""

    def __init__(self, source: ReportSource, around: Surroundings) -> None:
        """Reads nothing.

        Raises:
            Refused: a secret is missing.
        """
        self._source = source
        self._fetch = around.fetch
        self._headers = sent_headers(source.headers, around)

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port."""
        content = self._fetched(limit_ms) if self._source.url else _file(Path(self._source.path))
        if isinstance(content, Missed):
            return content
        if content.lstrip()[:1] == b"<":
            return Missed(MeasuredState.INVALID, "it is XML; have the scanner write JSON")
        try:
            return Taken((str(_COUNT[self._source.format](parse_answer(content))),))
        except NoScanError as error:
            return Missed(MeasuredState.EMPTY, str(error))
        except (ValueError, TypeError) as error:
            return Missed(MeasuredState.INVALID, str(error))

    def close(self) -> None:
        """See the port."""

    def _fetched(self, limit_ms: int) -> bytes | Missed:
        found = self._fetch(self._source.url, self._headers, limit_ms, MOST_BYTES)
        if isinstance(found, Missed):
            return found
        return wrong_status(found) or found.body


def _file(path: Path) -> bytes | Missed:
    """The content of a plain file; what is a pipe or a device could hang or never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Missed(MeasuredState.UNREACHABLE, f"{path.name}: {error.strerror}")
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Missed(MeasuredState.INVALID, f"{path.name} is no plain file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return Missed(MeasuredState.INVALID, f"{path.name} is larger than {MOST_BYTES} bytes")
    return content if content.strip() else Missed(MeasuredState.EMPTY, f"{path.name} is empty")


def open_report(source: ReportSource, around: Surroundings) -> CriticalFindings:
    """See `ports.metrics.OpenSource`."""
    return CriticalFindings(source, around)
