"""Critical findings in parsed SARIF and CycloneDX reports. Pure; must not read a file.

A scan that did not finish, or that was none, has no findings to count and is no good news.
"""

from typing import Any

from tminus.adapters.report.cyclonedx import cyclonedx_summary
from tminus.adapters.report.sarif import NO_SCORE, NoScanError, sarif_summary

CRITICAL_TENTHS = 90
"""From a score of 9.0 on CVSS calls a severity critical."""


def sarif_critical(report: Any) -> int:  # noqa: ANN401 - any JSON
    """Results that are critical, neither suppressed nor gone.

    By `security-severity` of the result or its rule, 9.0 or above; where neither has one, by level `error`.

    Raises:
        ValueError: this is no SARIF report.
        TypeError: as ValueError.
        NoScanError: no run, or one that did not finish.
    """
    rows = sarif_summary(report)["findings"]
    return sum(
        count
        for level, tenths, count in rows
        if (level == "error" if tenths == NO_SCORE else tenths >= CRITICAL_TENTHS)
    )


def cyclonedx_critical(report: Any) -> int:  # noqa: ANN401 - any JSON
    """Vulnerabilities rated critical, or 9.0 or above, that no VEX analysis has settled.

    Raises:
        ValueError: this is no CycloneDX report.
        TypeError: as ValueError.
        NoScanError: it lists no vulnerabilities at all, as a bill of materials alone does.
    """
    rows = cyclonedx_summary(report)["vulnerabilities"]
    if rows is None:
        raise NoScanError("the report has no list of vulnerabilities: it may be a bill of materials alone")
    return sum(
        each["severity"] == "critical" and not each["settled"] and not each["claimed"] for each in rows
    )
