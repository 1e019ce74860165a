"""What probes of reports do alike: find the files, have them read, and see how old they are.

Reports are written by others: they are read by another process, and what keeps them from being read says
nothing about the release.
"""

import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.git.command import run_git
from tminus.adapters.report.reading import Report, read_reports
from tminus.domain.plan.times import Millis, format_duration, format_utc
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, Target

MOST_FILES = 500
"""Reports of one probe; each test class may write its own."""

BY_COMMIT = Millis(0)
"""As `oldest`: only the commit decides how old a report may be."""

SKEW_MS = 60_000
"""Clocks of two machines may differ by so much."""

_HEX = re.compile(r"[0-9a-f]{7,64}")


def check_files(files: Sequence[str]) -> None:
    """Returns where there is something to read.

    Raises:
        ValueError: no file, or an empty name.
    """
    if not files or not all(files):
        raise ValueError("no file is named: write at least one path or pattern, such as reports/*.xml")


def read_fresh(
    kind: str, files: Sequence[str], oldest_ms: int, around: Around, limit_ms: int
) -> tuple[tuple[Report, ...], int]:
    """Every report of these patterns, none older than it may be, and the age of the oldest.

    A report must not be older than the commit that is launched, where that is known, nor than `oldest_ms`.

    Args:
        kind: a name in `adapters.report.reader.KINDS`.
        files: paths and patterns below the repository.
        oldest_ms: how old a report may be; 0 where only the commit decides.
        around: see the port.
        limit_ms: for everything.

    Raises:
        Unavailable: `report-missing`, `report-unreadable`, `report-old`, `report-undated`, `git-unavailable`.
    """
    deadline = Deadline(limit_ms)
    paths = _paths(files, around.repository)
    reports = read_reports(kind, paths, deadline.left_ms / 1000)
    unread = [report for report in reports if report.why]
    if unread:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        name = shown_path(unread[0].path, around.repository)
        raise Unavailable("report-unreadable", f"{name}: {unread[0].why}{more}")
    return reports, _age_ms(reports, oldest_ms, around, deadline)


def shown_path(path: Path, repository: Path) -> str:
    """A path as a plan would write it."""
    return str(path.relative_to(repository) if path.is_relative_to(repository) else path)


def commit_name(target: Target) -> str:
    """The commit that is launched as git takes it, empty where it is not known."""
    if _HEX.fullmatch(target.commit):
        return f"{target.commit}^{{commit}}"
    return f"refs/tags/{target.tag}^{{commit}}" if target.tag and not target.tag.startswith("-") else ""


def commit_ms(name: str, around: Around, deadline: Deadline) -> int:
    """When a commit was made, milliseconds since the epoch.

    Raises:
        Unavailable: `git-unavailable`.
    """
    said = run_git(
        around.repository,
        around.environment,
        *("show", "--no-patch", "--format=%ct", name, "--"),
        limit_s=deadline.left_ms / 1000,
    )
    last = said.strip().rpartition("\n")[2]
    if not last.isdigit():
        raise Unavailable("git-unavailable", f"git tells no time of {name}")
    return int(last) * 1000


def _paths(files: Sequence[str], repository: Path) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in files:
        names = sorted(glob(pattern, root_dir=repository, recursive=True))  # noqa: PTH207 - keeps to its root
        if not names:
            raise Unavailable("report-missing", f"there is no {pattern}")
        found.update(dict.fromkeys(repository / name for name in names))
    if len(found) > MOST_FILES:
        raise Unavailable("report-missing", f"there are {len(found)} reports, more than {MOST_FILES}")
    return list(found)


def _age_ms(reports: Sequence[Report], oldest_ms: int, around: Around, deadline: Deadline) -> int:
    now_ms = around.now_ms()
    name = commit_name(around.target)
    if not name and not oldest_ms:
        why = "nothing says how old a report may be: no commit is known yet, and `oldest` is not set"
        raise Unavailable("report-undated", why)
    commit_at_ms = commit_ms(name, around, deadline) if name else None
    ages = []
    for report in reports:
        made_ms, shown = _made_ms(report), shown_path(report.path, around.repository)
        if made_ms > now_ms + SKEW_MS:
            raise Unavailable("report-undated", f"{shown} is of {format_utc(made_ms)}, which is to come")
        if commit_at_ms is not None and made_ms < commit_at_ms - SKEW_MS:
            why = f"{shown} is of {format_utc(made_ms)}, and the commit of {format_utc(commit_at_ms)}"
            raise Unavailable("report-old", why)
        age_ms = max(0, now_ms - made_ms)
        if oldest_ms and age_ms > oldest_ms:
            why = f"{shown} is {_rounded(age_ms)} old, limit {format_duration(oldest_ms)}"
            raise Unavailable("report-old", why)
        ages.append(age_ms)
    return max(ages)


def _made_ms(report: Report) -> int:
    told_ms: int | None = report.summary.get("told_ms")
    if told_ms is None:
        return report.changed_ms
    return told_ms if report.summary.get("exact") else min(report.changed_ms, told_ms)


def _rounded(age_ms: int) -> str:
    return format_duration(age_ms // 1000 * 1000)
