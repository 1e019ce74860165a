"""The probe `junit`: tests ran, and none failed. Must not run them."""

from dataclasses import dataclass

from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted
from tminus.probes.guard import guarded
from tminus.probes.reports import BY_COMMIT, check_files, read_fresh


@dataclass(frozen=True, slots=True)
class JunitSettings:
    """Which reports, and what they must say together.

    Attributes:
        files: paths or patterns of JUnit XML below the repository, such as `reports/**/*.xml`.
        least_tests: so many tests must have run.
        most_skipped: so many may have been skipped.
        most_flaky: so many may have passed only when they were repeated.
        oldest: how old a report may be, and never older than the commit that is launched; 0s asks for
            that alone.
    """

    files: tuple[str, ...]
    least_tests: int = 1
    most_skipped: int = 0
    most_flaky: int = 0
    oldest: Millis = BY_COMMIT

    def __post_init__(self) -> None:
        """Refuses what would pass without a test.

        Raises:
            ValueError: see its sentence.
        """
        check_files(self.files)
        if self.least_tests < 1:
            raise ValueError("least_tests is at least 1: no test is no pass")


def _source(settings: JunitSettings, target: Target) -> str:
    del target
    return f"JUnit {', '.join(settings.files)}"


def _ask(settings: JunitSettings, around: Around, limit_ms: int) -> Answer:
    reports, age_ms = read_fresh("junit", settings.files, settings.oldest, around, limit_ms)
    sums = {
        name: sum(report.summary[name] for report in reports)
        for name in ("tests", "failed", "skipped", "flaky", "claimed", "claimed_failed")
    }
    tests, skipped, flaky = sums["tests"], sums["skipped"], sums["flaky"]
    bad, ran = max(sums["failed"], sums["claimed_failed"]), tests - skipped
    facts = {
        "tests": tests,
        "failed": bad,
        "skipped": skipped,
        "flaky": flaky,
        "reports": len(reports),
        "age_ms": age_ms,
    }
    source = _source(settings, around.target)
    excerpt = "\n".join(name for report in reports for name in report.summary["names"])
    if bad:
        return failed(f"{bad} of {counted(ran, 'test')} failed", source, excerpt, **facts)
    if sums["claimed"] > tests:
        why = f"the reports claim {counted(sums['claimed'], 'test')} and list {tests}"
        return unknown(why, source, excerpt, **facts)
    if ran < settings.least_tests:
        return failed(f"{counted(ran, 'test')} ran, at least {settings.least_tests} must", source, **facts)
    if skipped > settings.most_skipped:
        why = f"{counted(skipped, 'test was', 'tests were')} skipped, at most {settings.most_skipped} may be"
        return failed(why, source, **facts)
    if flaky > settings.most_flaky:
        why = f"{counted(flaky, 'test')} passed only when repeated, at most {settings.most_flaky} may"
        return failed(why, source, **facts)
    return passed(f"{counted(ran, 'test')} ran and passed, {skipped} skipped", source, **facts)


JUNIT = ProbeKind(JunitSettings, guarded(_ask, _source))
"""See `JunitSettings`."""
