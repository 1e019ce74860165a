"""A stage for every platform, each with a stable release, shared by all stories."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tminus.testing import postgres
from tminus.testing.stand import Stand
from tminus.testing.stories.leftovers import strange_processes
from tminus.testing.stories.shop import Shop
from tminus.testing.stories.stage import CALM, DATABASE, Platform, Stage
from tminus.wiring import open_home

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "paymentapp"
PLATFORMS = (Platform("process", "haproxy", strange_processes),)


@pytest.fixture(scope="session", params=PLATFORMS, ids=lambda platform: platform.name)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A service on its first release or a later one, and nobody who drives."""
    # The system's folder for temporary files: sockets bear no long path.
    with postgres.temporary() as server, tempfile.TemporaryDirectory(prefix="tm-") as folder:
        directory = Path(folder) / "s"
        scratch = directory / "tmp"
        scratch.mkdir(parents=True)
        environment = {
            **os.environ,
            "DATABASE_URL": server.create_database(DATABASE),
            # The plan says `python3`: the one that runs this has what the service needs.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TMPDIR": str(scratch),
        }
        home = open_home(directory / "home", environment)
        with Stand(home, directory, SAMPLE, CALM, Shop) as stand:
            made = Stage(stand, server, request.param)
            made.open()
            yield made
