"""A repository for each test, copied from one that was made once."""

from pathlib import Path

import pytest

from tests.probes.repository import Repository


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("probes"))


@pytest.fixture
def repository(_made_once: Repository, tmp_path: Path) -> Repository:
    """A repository of a team, with one commit an hour ago."""
    return Repository(tmp_path, _made_once)
