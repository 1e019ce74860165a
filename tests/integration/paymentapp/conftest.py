"""One repository and one server for all tests of the sample service with a database."""

import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from examples.paymentapp.make_repository import FLAWED, RELEASES, make_repository, tag_flawed
from tests.integration.paymentapp.service import Databases, Service
from tminus.testing.postgres import Postgres, temporary


@pytest.fixture(scope="package")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("paymentapp") / "repository"
    make_repository(directory)
    return directory


@pytest.fixture(scope="package")
def trees(repository: Path) -> dict[str, Path]:
    """Each tag's files; a release with a flaw in its migration goes by the name of the flaw."""
    tags = {tag: tag for tag in RELEASES}
    for number, overlay in enumerate(FLAWED):
        tag_flawed(repository, overlay, f"v1.3.{number}")
        tags[overlay] = f"v1.3.{number}"
    found = {}
    for name, tag in tags.items():
        command = ["git", "-C", str(repository), "archive", "--format=tar", tag]
        files = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
        found[name] = repository.parent / name
        with tarfile.open(fileobj=BytesIO(files)) as archive:
            archive.extractall(found[name], filter="data")
    return found


@pytest.fixture(scope="package")
def server() -> Iterator[Postgres]:
    with temporary() as postgres:
        yield postgres


@pytest.fixture(scope="package")
def databases(server: Postgres, trees: dict[str, Path]) -> Databases:
    return Databases(server, trees)


@pytest.fixture(scope="package")
def shop(trees: dict[str, Path], databases: Databases) -> Iterator[Service]:
    """The first release on its schema, for all tests that leave it as it is."""
    with Service(trees["v1.0.0"], databases.at("expand_1_0_0"), slot="blue") as service:
        yield service


@pytest.fixture
def own(trees: dict[str, Path], databases: Databases) -> Iterator[Service]:
    """The first release, for one test alone."""
    with Service(trees["v1.0.0"], databases.at("expand_1_0_0"), slot="blue") as service:
        yield service
