"""The probe `sarif`: a scanner found nothing that is too bad. Must not scan."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tminus.adapters.report.sarif import LEVELS, NO_SCORE
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.guard import guarded
from tminus.probes.reports import BY_COMMIT, check_files, read_fresh

_SCORE = re.compile(r"10(?:\.0)?|\d(?:\.\d)?")
_LEAST_HEX = 7  # digits that name a commit


class SarifLevel(StrEnum):
    """How bad a result is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SarifSettings:
    """Which reports, and what must not stand in them.

    Attributes:
        files: paths or patterns of SARIF 2.1.0 below the repository.
        level: no result of this level or a worse one, but those that the report says are suppressed.
        score: of results that have a security severity that score decides instead: none of it or above, such
            as `7.0`.
        tool: a tool of this name must have scanned.
        least_rules: the reports must name so many rules.
        oldest: how old a report may be, and never older than the commit that is launched; 0s asks for
            that alone.
    """

    files: tuple[str, ...]
    level: SarifLevel = SarifLevel.ERROR
    score: str = ""
    tool: str = ""
    least_rules: int = 0
    oldest: Millis = BY_COMMIT

    def __post_init__(self) -> None:
        """Refuses what is no score.

        Raises:
            ValueError: see its sentence.
        """
        check_files(self.files)
        if self.score and not _SCORE.fullmatch(self.score):
            raise ValueError(f"{self.score!r} is not a score from 0.0 to 10.0")


def _source(settings: SarifSettings, target: Target) -> str:
    del target
    return f"SARIF {', '.join(settings.files)}"


def _ask(settings: SarifSettings, around: Around, limit_ms: int) -> Answer:
    reports, age_ms = read_fresh("sarif", settings.files, settings.oldest, around, limit_ms)
    summaries = [report.summary for report in reports]
    tools = sorted({tool for each in summaries for tool in each["tools"] if tool})
    rows = [row for each in summaries for row in each["findings"]]
    bad = sum(count for level, tenths, count in rows if _is_bad(settings, level, tenths))
    facts = {
        "results": sum(count for _, _, count in rows),
        "bad": bad,
        "suppressed": sum(each["suppressed"] for each in summaries),
        "rules": sum(each["rules"] for each in summaries),
        "tools": len(tools),
        "age_ms": age_ms,
    }
    source = _source(settings, around.target)
    excerpt = "\n".join(name for each in summaries for name in each["names"])
    commits = {commit for each in summaries for commit in each["commits"]}
    other = _other(around.target.commit, commits)
    if other:
        return unknown(f"the report is of commit {other[:12]}, and not of this one", source, **facts)
    if settings.tool and settings.tool.lower() not in map(str.lower, tools):
        return unknown(f"{listed(tools) or 'nobody'} has scanned, and not {settings.tool}", source, **facts)
    if facts["rules"] < settings.least_rules:
        why = f"{counted(facts['rules'], 'rule')} named, at least {settings.least_rules} must be"
        return unknown(why, source, **facts)
    what = f"level {settings.level.value} or worse" + (
        f", or score {settings.score}" if settings.score else ""
    )
    if bad:
        return failed(f"{counted(bad, 'result')} of {what}", source, excerpt, **facts)
    why = f"{listed(tools) or 'a tool'} found nothing of {what}; {facts['suppressed']} suppressed"
    return passed(why, source, excerpt, **facts)


def _is_bad(settings: SarifSettings, level: str, tenths: int) -> bool:
    if settings.score and tenths != NO_SCORE:
        return tenths >= Decimal(settings.score) * 10
    return LEVELS.index(level) >= LEVELS.index(settings.level.value)


def _other(commit: str, scanned: set[str]) -> str:
    """A commit that was scanned and is not the one that is launched; empty where there is none."""
    if not commit:
        return ""
    return next(
        (
            each
            for each in sorted(scanned)
            if len(each) >= _LEAST_HEX and not commit.startswith(each.lower()) and each.lower() != commit
        ),
        "",
    )


SARIF = ProbeKind(SarifSettings, guarded(_ask, _source))
"""See `SarifSettings`."""
