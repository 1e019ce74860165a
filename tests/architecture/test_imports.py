"""Holds the floors and chapters: who may import whom."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import ROOT, SOURCE, imported_names, modules


def test_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([lint_imports], cwd=ROOT, check=False, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_domain_imports_only_the_standard_library_and_itself() -> None:
    strays = [
        f"{place} imports {name}"
        for place, module in modules(SOURCE / "tminus" / "domain")
        for name in imported_names(module)
        if name.split(".")[0] not in sys.stdlib_module_names
        if name != "tminus.domain" and not name.startswith("tminus.domain.")
    ]
    assert strays == []


def test_nothing_inside_imports_the_root_package() -> None:
    strays = [
        place
        for place, module in modules(SOURCE / "tminus")
        for name in imported_names(module)
        if name == "tminus"
    ]
    assert strays == []
