"""The probe `secrets`: a scanner finds no secret in what is released. Must not keep what it finds."""

import shutil
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.git.files import write_files
from tminus.adapters.report.reading import read_reports
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.guard import guarded
from tminus.probes.reports import commit_name
from tminus.probes.running import run_bounded


class SecretsScanner(StrEnum):
    """A program that looks for secrets."""

    GITLEAKS = "gitleaks"
    DETECT_SECRETS = "detect-secrets"


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """What looks, and what it may find.

    Attributes:
        scanner: which program looks; it must be installed where tminus runs.
        program: where it is; by its name on the PATH unless this says otherwise.
        allowed: patterns of paths in which what it finds is no secret, such as `tests/data/*`.
    """

    scanner: SecretsScanner = SecretsScanner.GITLEAKS
    program: str = ""
    allowed: tuple[str, ...] = ()


def _source(settings: SecretsSettings, target: Target) -> str:
    return f"{settings.scanner.value} over the files of {target.tag or target.commit[:12] or 'HEAD'}"


def _ask(settings: SecretsSettings, around: Around, limit_ms: int) -> Answer:
    source, deadline = _source(settings, around.target), Deadline(limit_ms)
    wanted = settings.program or settings.scanner.value
    program = shutil.which(wanted, path=around.environment.get("PATH"))
    if program is None:
        return unknown(f"{wanted} is not installed", source)
    tree, report = around.scratch / "tree", around.scratch / "leaks.json"
    files = _export(around, tree, deadline)
    report.unlink(missing_ok=True)
    ran = run_bounded(_command(settings, program, report), tree, around.environment, deadline.left_ms)
    if ran.ended != "exited" or ran.code:
        how = f"ended with {ran.code}" if ran.ended == "exited" else "did not end in time"
        return unknown(f"{settings.scanner.value} {how}", source)
    if settings.scanner is SecretsScanner.DETECT_SECRETS:
        report.write_bytes(ran.output)
    (read,) = read_reports("leaks", [report], deadline.left_ms / 1000)
    if read.why:
        return unknown(f"what {settings.scanner.value} wrote cannot be read: {read.why}", source)
    rows = [(rule, _inside(place, tree), line) for rule, place, line in read.summary["found"]]
    kept = [row for row in rows if not any(fnmatchcase(row[1], each) for each in settings.allowed)]
    facts = {"files": files, "found": len(kept), "allowed": len(rows) - len(kept)}
    places = [f"{rule} in {place}:{line}" for rule, place, line in kept]
    if kept:
        why = f"{counted(len(kept), 'secret')}: {listed(places, 3)}"
        return failed(why, source, "\n".join(places), **facts)
    allowed = f"; {facts['allowed']} allowed" if facts["allowed"] else ""
    return passed(f"no secret in {counted(files, 'file')}{allowed}", source, "", **facts)


def _command(settings: SecretsSettings, program: str, report: Path) -> list[str]:
    if settings.scanner is SecretsScanner.DETECT_SECRETS:
        # It would try what it finds at its provider otherwise, and skip what git does not know.
        return [program, "scan", "--all-files", "--no-verify", "."]
    told = ["--report-format", "json", "--report-path", str(report), "--exit-code", "0"]
    return [program, "dir", "--no-banner", "--redact", *told, "."]


def _export(around: Around, tree: Path, deadline: Deadline) -> int:
    """Writes the files of the release into an empty folder, and counts them.

    Raises:
        Unavailable: `git-unavailable`.
    """
    name = commit_name(around.target) or "HEAD"
    shutil.rmtree(tree, ignore_errors=True)
    try:
        tree.mkdir()
    except OSError as error:
        raise Unavailable("git-unavailable", f"the files of {name} cannot be written") from error
    return write_files(around.repository, around.environment, name, tree, deadline.left_ms / 1000)


def _inside(place: str, tree: Path) -> str:
    path = Path(place)
    return str(path.relative_to(tree)) if path.is_relative_to(tree) else place.removeprefix("./")


SECRETS = ProbeKind(SecretsSettings, guarded(_ask, _source))
"""See `SecretsSettings`."""
