"""The probe `cyclonedx`: a bill of materials, and no vulnerability in it that is too bad. Must not scan."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tminus.adapters.report.cyclonedx import SEVERITIES, UNKNOWN
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.guard import guarded
from tminus.probes.reports import BY_COMMIT, check_files, read_fresh

_FOR_EVER = Millis(0)
_FACTS = ("critical", "high", "medium", "low")


class CyclonedxSeverity(StrEnum):
    """How bad a vulnerability is; NONE asks for components alone."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CyclonedxSettings:
    """Which documents, and what must and must not stand in them.

    Attributes:
        files: paths or patterns of CycloneDX JSON, 1.4 or later, below the repository.
        severity: no open vulnerability of this severity or a worse one; `none` asks for components alone.
        least_components: so many components must be listed.
        oldest_analysis: how long a claim that the service is not affected counts, by its own time; 0s for
            ever.
        of_artifact: the document must name the digest of what is launched.
        oldest: how old a document may be, and never older than the commit that is launched; 0s asks for
            that alone.
    """

    files: tuple[str, ...]
    severity: CyclonedxSeverity = CyclonedxSeverity.HIGH
    least_components: int = 1
    oldest_analysis: Millis = _FOR_EVER
    of_artifact: bool = False
    oldest: Millis = BY_COMMIT

    def __post_init__(self) -> None:
        """Refuses what names no file.

        Raises:
            ValueError: see its sentence.
        """
        check_files(self.files)


def _source(settings: CyclonedxSettings, target: Target) -> str:
    del target
    return f"CycloneDX {', '.join(settings.files)}"


def _ask(settings: CyclonedxSettings, around: Around, limit_ms: int) -> Answer:
    reports, age_ms = read_fresh("cyclonedx", settings.files, settings.oldest, around, limit_ms)
    source = _source(settings, around.target)
    facts = {"components": sum(report.summary["components"] for report in reports), "age_ms": age_ms}
    digests = {digest for report in reports for digest in report.summary["digests"]}
    if settings.of_artifact and around.target.digest not in digests:
        named = listed(sorted(digests)) or "no digest"
        why = f"the document names {named}, and not {around.target.digest or 'the artifact, not built yet'}"
        return unknown(why, source, **facts)
    if facts["components"] < settings.least_components:
        listed_are = counted(facts["components"], "component is", "components are")
        why = f"{listed_are} listed, at least {settings.least_components} must be"
        return failed(why, source, **facts)
    if settings.severity is CyclonedxSeverity.NONE:
        return passed(
            f"{counted(facts['components'], 'component is', 'components are')} listed", source, **facts
        )
    if any(report.summary["vulnerabilities"] is None for report in reports):
        why = "there is no list of vulnerabilities: it may be a bill of materials alone"
        return unknown(why, source, **facts)
    rows = [row for report in reports for row in report.summary["vulnerabilities"]]
    return _judged(settings, rows, around.now_ms(), source, facts)


def _judged(
    settings: CyclonedxSettings,
    rows: list[Mapping[str, Any]],
    now_ms: int,
    source: str,
    facts: dict[str, int],
) -> Answer:
    still_open = [row for row in rows if not row["settled"] and not _is_excused(settings, row, now_ms)]
    by_severity = Counter(row["severity"] for row in still_open)
    facts |= {name: by_severity[name] for name in _FACTS}
    facts |= {"unrated": by_severity[UNKNOWN], "settled": len(rows) - len(still_open)}
    lapsed = [row for row in still_open if row["claimed"]]
    least = SEVERITIES.index(settings.severity.value)
    bad = [
        row for row in still_open if row["severity"] != UNKNOWN and SEVERITIES.index(row["severity"]) >= least
    ]
    excerpt = "\n".join(f"{row['severity']} {row['id']}" for row in bad or still_open)
    aside = f"; {counted(len(lapsed), 'claim')} of no effect no longer counts" if lapsed else ""
    if bad:
        are = counted(len(bad), "vulnerability is", "vulnerabilities are")
        return failed(f"{are} {settings.severity.value} or worse{aside}", source, excerpt, **facts)
    if by_severity[UNKNOWN]:
        have = counted(by_severity[UNKNOWN], "vulnerability has", "vulnerabilities have")
        return unknown(f"{have} no severity{aside}", source, excerpt, **facts)
    parts = f"{counted(facts['components'], 'component')}, {len(still_open)} open vulnerabilities"
    return passed(f"{parts}, none {settings.severity.value} or worse{aside}", source, excerpt, **facts)


def _is_excused(settings: CyclonedxSettings, row: Mapping[str, Any], now_ms: int) -> bool:
    """Whether a claim of no effect counts: with a justification, and not for ever."""
    if not row["claimed"] or not row["justified"]:
        return False
    if not settings.oldest_analysis:
        return True
    said_ms = row["analysed_ms"]
    return said_ms is not None and now_ms - said_ms <= settings.oldest_analysis


CYCLONEDX = ProbeKind(CyclonedxSettings, guarded(_ask, _source))
"""See `CyclonedxSettings`."""
