"""The probe `coverage`: tests reach enough of the code. Must not run them."""

from dataclasses import dataclass

from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import PPM, counted, ppm_of, share_ppm, show_ppm
from tminus.probes.guard import guarded
from tminus.probes.reports import BY_COMMIT, check_files, read_fresh


@dataclass(frozen=True, slots=True)
class CoverageSettings:
    """Which reports, and what they must reach together.

    Attributes:
        files: paths or patterns of Cobertura XML, JSON of coverage.py, or lcov below the repository.
        lines: least share of lines, such as `80 %`.
        branches: least share of branches.
        oldest: how old a report may be, and never older than the commit that is launched; 0s asks for
            that alone.
    """

    files: tuple[str, ...]
    lines: str = ""
    branches: str = ""
    oldest: Millis = BY_COMMIT

    def __post_init__(self) -> None:
        """Refuses what asks for nothing.

        Raises:
            ValueError: see its sentence.
        """
        check_files(self.files)
        limits = [ppm_of(text) for text in (self.lines, self.branches) if text]
        if not limits or min(limits) == 0:
            raise ValueError("no share is asked for: write lines or branches, such as 80 %")
        if max(limits) > PPM:
            raise ValueError("no share can be above 100 %")


def _source(settings: CoverageSettings, target: Target) -> str:
    del target
    return f"coverage {', '.join(settings.files)}"


def _ask(settings: CoverageSettings, around: Around, limit_ms: int) -> Answer:
    reports, age_ms = read_fresh("coverage", settings.files, settings.oldest, around, limit_ms)
    facts = {
        name: sum(report.summary[name] for report in reports)
        for name in ("lines", "covered_lines", "branches", "covered_branches", "files")
    }
    facts["age_ms"] = age_ms
    source = _source(settings, around.target)
    wrong: list[str] = []
    fine: list[str] = []
    for name, limit in (("lines", settings.lines), ("branches", settings.branches)):
        if not limit:
            continue
        of, covered = facts[name], facts[f"covered_{name}"]
        if not of:
            return unknown(f"the reports hold no {name}, and none is no coverage", source, **facts)
        share = share_ppm(covered, of)
        facts[f"{name}_ppm"] = share
        reached = covered * PPM >= ppm_of(limit) * of
        said = f"{show_ppm(share)} of {counted(of, name[:-1] if name == 'lines' else 'branch', name)}"
        (fine if reached else wrong).append(said if reached else f"{said}, at least {limit} is wanted")
    if wrong:
        return failed(f"tests reach {'; '.join(wrong)}", source, **facts)
    return passed(f"tests reach {' and '.join(fine)}", source, **facts)


COVERAGE = ProbeKind(CoverageSettings, guarded(_ask, _source))
"""See `CoverageSettings`."""
