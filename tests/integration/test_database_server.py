"""The server from the wheel: it outlives who started it, and is stopped by its number."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.database import until
from tminus.testing import postgres
from tminus.testing.postgres import COPIED, ELSEWHERE, find, programs, remove, start

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tminus-postgres-"))  # pytest's own is closed to other users
    yield directory
    remove(directory)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_a_cluster_below_a_closed_folder_lies_elsewhere_and_goes_with_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = start(closed / "cluster")
    try:
        assert server.directory == Path((closed / "cluster" / ELSEWHERE).read_text(encoding="utf-8"))
        assert find(closed / "cluster") == server
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
    finally:
        remove(closed / "cluster")
    assert not server.directory.exists()
    assert not (closed / "cluster").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_programs_below_a_closed_folder_are_copied_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = programs()
    assert wheel is not None
    closed = tmp_path / "closed" / "site"
    closed.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    for name in (wheel.parents[1].name, f"{wheel.parents[1].name}.libs"):
        (closed / name).symlink_to(wheel.parents[2] / name)
    monkeypatch.setattr(postgres, "programs", lambda: closed / wheel.relative_to(wheel.parents[2]))
    server = start(tmp_path / "closed" / "cluster")
    try:
        assert (server.directory / COPIED).is_dir()
        running = Path(f"/proc/{server.pid}/exe").readlink()
        assert running.is_relative_to(server.directory / COPIED)
    finally:
        remove(tmp_path / "closed" / "cluster")
    assert not server.directory.exists()
