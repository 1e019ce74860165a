"""What a job's own answer adds to its line in the log."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said

_MEBIBYTE = 1024 * 1024


def details(key: str, result: Mapping[str, Any]) -> Iterator[Said]:
    """Lines below the job's own, none where it has nothing to add."""
    tell = _DETAILS.get(key.rstrip("-0123456789"))
    if tell is not None:
        for text in tell(result):
            yield Said(2, Mark.NONE, text)


def _build(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("tagged"):
        yield f"Tagged {result.get('tag')} at commit {str(result.get('commit'))[:12]}"
    yield f"Artifact {result.get('digest', 'unknown')}"
    if "image" in result:
        how = "built and pushed" if result.get("built") else "in the registry already"
        yield f"Image {result.get('reference')}, {how}; smoke: {result.get('smoke')}"
        yield f"Bill of materials {result.get('sbom')}, provenance {result.get('provenance')}"


def _pull(result: Mapping[str, Any]) -> Iterator[str]:
    for machine in result.get("machines", []):
        how = "pulled" if machine.get("pulled") else "there already"
        yield f"{machine.get('engine')} ... {how}"


def _backup(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("path") == "":
        yield "There is no table yet, so there is nothing to back up"
        return
    size = int(result.get("size_bytes", 0)) / _MEBIBYTE
    yield f"{size:.1f} MiB, {result.get('digest', 'unknown')}"


def _restore(result: Mapping[str, Any]) -> Iterator[str]:
    tables = result.get("tables", [])
    rows = sum(int(table.get("rows", 0)) for table in tables)
    differences = result.get("differences", [])
    if not differences:
        yield f"{len(tables)} tables and {rows} rows came back as they were"
    yield from (str(difference) for difference in differences)


def _migration(result: Mapping[str, Any]) -> Iterator[str]:
    before, after = result.get("before") or "none", result.get("after") or "none"
    yield f"Schema {before} → {after}"


_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "build": _build,
    "pull": _pull,
    "backup": _backup,
    "restore-test": _restore,
    "expand": _migration,
    "contract": _migration,
    "owed-contract": _migration,
}
