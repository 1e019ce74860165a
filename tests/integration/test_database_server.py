"""The server from the wheel: it outlives who started it, and is stopped by its number."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import until
from tminus.testing.postgres import find, start

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tminus-postgres-"))  # pytest's own is closed to other users
    yield directory
    server = find(directory)
    if server is not None:
        server.stop("immediate")
    shutil.rmtree(directory)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "tminus.testing.postgres", *arguments]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=100)


def test_a_server_outlives_its_starter_keeps_its_data_and_is_stopped_by_its_folder(folder: Path) -> None:
    url = run("start", str(folder)).stdout.strip()
    server = find(folder)
    assert server is not None
    assert os.getsid(server.pid) != os.getsid(0)
    assert (Path(f"/proc/{server.pid}").stat().st_uid == 0) is False
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept ()")
    pid = server.pid
    assert run("start", str(folder)).stdout.strip() == url
    assert server.pid == pid
    assert run("stop", str(folder)).returncode == 0
    assert server.pid == 0
    until(lambda: not Path(f"/proc/{pid}").exists())
    start(folder)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == []


def test_a_folder_without_a_cluster_says_so(folder: Path) -> None:
    done = run("stop", str(folder))
    assert (done.returncode, done.stderr) == (1, f"postgres: there is no cluster in {folder}\n")
