"""One engine and one registry for every test in this folder: each takes seconds to start."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import Repository, Yard, need


@pytest.fixture(scope="session")
def yard() -> Iterator[Yard]:
    need()
    # The system's folder for temporary files: sockets bear no long path.
    with tempfile.TemporaryDirectory(prefix="tmd-", ignore_cleanup_errors=True) as folder:
        made = Yard(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def digests(yard: Yard) -> dict[int, str]:
    """Digests of versions 1 and 2 of the tiny service."""
    repository = Repository(yard.directory / "repository")
    found = {}
    for version in (1, 2):
        repository.write("version.txt", f"{version}\n")
        found[version] = yard.build(repository, f"v{version}.0.0", yard.directory / f"job-{version}")[
            "digest"
        ]
    return found
